internal import FlashIO
internal import FlashKernels
internal import Synchronization

/// The work of a conversion: reads rows of the source in slices, encodes them on all threads
/// and hands them to the writer.
///
/// Memory is bounded by construction: each thread holds one slice, and at most one block of a down
/// projection's columns is held for all.
struct RowConversion {
  /// Threads that are used at most, because each has its slices.
  static let maximumThreadCount = 16

  let source: any ModelSource
  let plan: StorePlan
  let map: TensorMap
  let writer: StoreWriter
  let pool: WorkerPool
  let kernels: Kernels
  let memory: ConversionMemory
  let stock = ByteStock()
  let readAhead: ReadAhead

  init(_ converter: Converter, _ writer: StoreWriter) {
    source = converter.source
    plan = converter.plan
    map = converter.map
    self.writer = writer
    pool = WorkerPool(
      threadCount: min(max(1, converter.options.threadCount), Self.maximumThreadCount))
    kernels = Kernels(.best)
    var memory = converter.options.memory
    memory.sliceByteCount = min(memory.sliceByteCount, (32 << 20) / pool.threadCount)
    self.memory = memory
    readAhead = ReadAhead(files: source.files)
  }

  /// Writes every tensor and layer that is not finished yet, in the order of the files.
  func run(progress: (_ done: Int, _ total: Int) -> Void) throws(StoreError) {
    let total = map.byteCount
    var done = 0
    func advance(_ byteCount: Int) {
      done += byteCount
      progress(done, total)
    }
    advance(0)
    planReads()
    readAhead.advance(0)
    for (index, tensor) in plan.tensors.enumerated() {
      let source = source(map.source(tensor.role, isBias: tensor.isBias, layer: tensor.layer))
      if writer.isFinished(tensor: index) {
        advance(source.tensor.usedByteCount)
      } else {
        try convert(tensor: index, from: source, advance: advance)
      }
    }
    for layer in plan.bundles.indices {
      if plan.bundles[layer].neuronCount == 0 {
        if !writer.isFinished(layer: layer) { try writer.finish(layer: layer) }
        continue
      }
      let conversion = BundleConversion(self, layer: layer)
      if writer.isFinished(layer: layer) {
        advance(conversion.sourceByteCount)
      } else {
        try conversion.run(advance: advance)
      }
    }
  }

  /// Tells `readAhead` what `run` will read, in its order.
  private func planReads() {
    for (index, tensor) in plan.tensors.enumerated() where !writer.isFinished(tensor: index) {
      let source = map.source(tensor.role, isBias: tensor.isBias, layer: tensor.layer)
      readAhead.append([(source.fileIndex, source.extent)])
    }
    for layer in plan.bundles.indices
    where plan.bundles[layer].neuronCount > 0 && !writer.isFinished(layer: layer) {
      for group in BundleConversion(self, layer: layer).reads { readAhead.append(group) }
    }
  }

  func source(_ tensor: SourceTensor) -> RowSource {
    RowSource(file: source.files[tensor.fileIndex], tensor: tensor)
  }

  private func convert(
    tensor index: Int, from source: RowSource, advance: (Int) -> Void
  ) throws(StoreError) {
    let tensor = plan.tensors[index]
    let rowsPerSlice = max(1, memory.sliceByteCount / (4 * tensor.width))
    let faults = Mutex(ValueFaults())
    try inParallel(count: tensor.rows, sliceCount: rowsPerSlice) { rows throws(StoreError) in
      var buffers = RowBuffers(width: tensor.width, kernels: kernels, stock: stock)
      let input = try source.rows(rows, width: tensor.width, stock: stock)
      readAhead.advance(unsafe input.buffer.count)
      let output = Bytes(count: rows.count * tensor.rowByteCount, from: stock)
      for row in 0..<rows.count {
        unsafe buffers.encode(
          input.start + row * source.rowByteCount(tensor.width), source.encoding,
          multiplier: source.tensor.multiplier, offset: source.tensor.offset, to: tensor.format,
          into: output.start + row * tensor.rowByteCount)
      }
      faults.withLock { $0 += buffers.faults }
      try unsafe writer.write(
        tensor: index, firstRow: rows.lowerBound, rows: UnsafeRawBufferPointer(output.buffer))
    } progress: { rows in
      advance(rows * source.rowByteCount(tensor.width))
    }
    let found = faults.withLock { $0 }
    let isMeasured = self.source.spelling == .gguf
    try writer.finish(
      tensor: index, notes: source.notes(found, storedAs: tensor.format),
      losses: isMeasured ? [source.loss(found, tensor.role, storedAs: tensor.format)] : [])
  }

  /// Runs `body` on slices of 0..<count on all threads; the first error stops the rest. `progress`
  /// gets the number of elements done since the last call, on the calling thread.
  func inParallel(
    count: Int, sliceCount: Int, _ body: (Range<Int>) throws(StoreError) -> Void,
    progress: (Int) -> Void
  ) throws(StoreError) {
    let failure = Mutex<StoreError?>(nil)
    let slices = (count + sliceCount - 1) / sliceCount
    let wave = pool.threadCount * 8
    for first in stride(from: 0, to: slices, by: wave) {
      let end = min(first + wave, slices)
      pool.run(end - first) { part in
        if failure.withLock({ $0 != nil }) { return }
        let start = (first + part) * sliceCount
        do throws(StoreError) {
          try body(start..<min(start + sliceCount, count))
        } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
      if let error = failure.withLock({ $0 }) { throw error }
      progress(min(end * sliceCount, count) - first * sliceCount)
    }
  }
}

/// A tensor of the source as rows, in the model's order.
struct RowSource: Sendable {
  let file: SourceFile
  let tensor: SourceTensor

  var extent: FileExtent { tensor.extent }
  var encoding: SourceEncoding { tensor.encoding }

  func rowByteCount(_ width: Int) -> Int { encoding.byteCount(width: width) }

  /// Whole rows of the model, encoded as in the file.
  func rows(_ rows: Range<Int>, width: Int, stock: ByteStock) throws(StoreError) -> Bytes {
    let size = rowByteCount(width)
    let bytes = Bytes(count: rows.count * size, from: stock)
    if tensor.order == .asStored {
      try unsafe file.file.read(into: bytes.buffer, at: extent.offset + rows.lowerBound * size)
      return bytes
    }
    guard tensor.shape.count > 1 else { return try vector(width: width) }
    guard case .neighbours(let headDimension, _) = tensor.order else {
      try readRuns(rows, rowByteCount: size, into: bytes)
      return bytes
    }
    // Rows change places inside their heads only: whole heads are read at once.
    let first = rows.lowerBound / headDimension * headDimension
    let heads = Bytes(
      count: min(rows.upperBound.roundedUp(to: headDimension), tensor.shape[0]) * size
        - first * size, from: stock)
    try unsafe file.file.read(into: heads.buffer, at: extent.offset + first * size)
    for row in rows {
      unsafe (bytes.start + (row - rows.lowerBound) * size).copyMemory(
        from: heads.start + (tensor.order.source(of: row) - first) * size, byteCount: size)
    }
    return bytes
  }

  /// Rows of a part of the tensor, each run of neighbours at once.
  private func readRuns(
    _ rows: Range<Int>, rowByteCount size: Int, into bytes: borrowing Bytes
  ) throws(StoreError) {
    var row = rows.lowerBound
    while row < rows.upperBound {
      let source = tensor.order.source(of: row)
      var end = row + 1
      while end < rows.upperBound, tensor.order.source(of: end) == source + end - row { end += 1 }
      let place = (row - rows.lowerBound) * size..<(end - rows.lowerBound) * size
      try unsafe file.file.read(
        into: UnsafeMutableRawBufferPointer(rebasing: bytes.buffer[place]),
        at: extent.offset + source * size)
      row = end
    }
  }

  /// A bias, whose values are in the order of its weight's rows.
  private func vector(width: Int) throws(StoreError) -> Bytes {
    let bytes = Bytes(count: rowByteCount(width))
    let source = try file.file.bytes(at: extent.offset, byteCount: extent.byteCount)
    let size = rowByteCount(1)
    let target = unsafe bytes.buffer
    for index in 0..<width {
      let place = tensor.order.source(of: index) * size
      for byte in 0..<size { unsafe target[index * size + byte] = source[place + byte] }
    }
    return bytes
  }

  /// Remarks on values that are no finite numbers, or are none in the store's format.
  func notes(_ faults: ValueFaults, storedAs format: RowFormat) -> [String] {
    var notes: [String] = []
    if faults.nonFinite > 0 {
      notes.append("\(tensor.name) holds \(faults.nonFinite) NaN or infinite values (\(file.path))")
    }
    if faults.overflowed > 0 {
      notes.append(
        "\(tensor.name) is too large for \(format): \(faults.overflowed) finite values became "
          + "NaN, infinite or zero (\(file.path))")
    }
    return notes
  }

  /// What storing the tensor in another form has cost.
  func loss(
    _ faults: ValueFaults, _ role: TensorRole, storedAs format: RowFormat
  ) -> ConversionLoss {
    ConversionLoss(
      role: role, source: encoding.name, stored: format.rawValue, error: faults.error)
  }
}

/// How far weights of one kind have moved from the source's.
struct ConversionLoss: Codable, Equatable, Sendable {
  var role: TensorRole
  /// Names of the source's encoding and of the store's format.
  var source: String
  var stored: String
  var error: RoundingError

  /// One remark for each kind of weights and pair of formats that lost something.
  static func notes(_ losses: [ConversionLoss]) -> [String] {
    var sums: [ConversionLoss] = []
    for loss in losses where loss.error.squares > 0 {
      let index = sums.firstIndex {
        ($0.role, $0.source, $0.stored) == (loss.role, loss.source, loss.stored)
      }
      if let index { sums[index].error += loss.error } else { sums.append(loss) }
    }
    return sums.map { sum in
      "\(sum.role.rawValue): \(sum.source) became \(sum.stored), relative RMS error "
        + Self.threeDigits(sum.error.relative)
    }
  }

  /// Three significant digits: 0.00312.
  private static func threeDigits(_ value: Double) -> String {
    guard value > 0, value.isFinite else { return "\(value)" }
    var scale = 1.0
    while value * scale < 100, scale < 1e12 { scale *= 10 }
    return "\((value * scale).rounded() / scale)"
  }
}
