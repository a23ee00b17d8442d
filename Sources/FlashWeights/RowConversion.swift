internal import FlashIO
internal import FlashKernels
internal import Synchronization

/// The work of a conversion: reads rows of the checkpoint in slices, encodes them on all threads
/// and hands them to the writer.
///
/// Memory is bounded by construction: each thread holds one slice, and at most one block of a down
/// projection's columns is held for all.
struct RowConversion {
  /// Threads that are used at most, because each has its slices.
  static let maximumThreadCount = 16

  let checkpoint: Checkpoint
  let plan: StorePlan
  let map: TensorMap
  let writer: StoreWriter
  let pool: WorkerPool
  let kernels: Kernels
  let memory: ConversionMemory

  init(_ converter: Converter, _ writer: StoreWriter) {
    checkpoint = converter.checkpoint
    plan = converter.plan
    map = converter.map
    self.writer = writer
    pool = WorkerPool(
      threadCount: min(max(1, converter.options.threadCount), Self.maximumThreadCount))
    kernels = Kernels(.best)
    var memory = converter.options.memory
    memory.sliceByteCount = min(memory.sliceByteCount, (32 << 20) / pool.threadCount)
    self.memory = memory
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
    for (index, tensor) in plan.tensors.enumerated() {
      let source = source(map.source(tensor.role, isBias: tensor.isBias, layer: tensor.layer))
      if writer.isFinished(tensor: index) {
        advance(source.extent.byteCount)
      } else {
        try convert(tensor: index, from: source, advance: advance)
      }
    }
    for layer in plan.bundles.indices {
      let conversion = BundleConversion(self, layer: layer)
      if writer.isFinished(layer: layer) {
        advance(conversion.sourceByteCount)
      } else {
        try conversion.run(advance: advance)
      }
    }
  }

  func source(_ tensor: CheckpointTensor) -> RowSource {
    RowSource(file: checkpoint.files[tensor.fileIndex], tensor: tensor.entry)
  }

  private func convert(
    tensor index: Int, from source: RowSource, advance: (Int) -> Void
  ) throws(StoreError) {
    let tensor = plan.tensors[index]
    let rowsPerSlice = max(1, memory.sliceByteCount / (4 * tensor.width))
    let faults = Mutex(ValueFaults())
    try inParallel(count: tensor.rows, sliceCount: rowsPerSlice) { rows throws(StoreError) in
      var buffers = RowBuffers(width: tensor.width, kernels: kernels)
      let input = try source.rows(rows, width: tensor.width)
      let output = Bytes(count: rows.count * tensor.rowByteCount)
      for row in 0..<rows.count {
        unsafe buffers.encode(
          input.start + row * source.rowByteCount(tensor.width), source.format, to: tensor.format,
          into: output.start + row * tensor.rowByteCount)
      }
      faults.withLock { $0 += buffers.faults }
      try unsafe writer.write(
        tensor: index, firstRow: rows.lowerBound, rows: UnsafeRawBufferPointer(output.buffer))
    } progress: { rows in
      advance(rows * source.rowByteCount(tensor.width))
    }
    try writer.finish(
      tensor: index, notes: source.notes(faults.withLock { $0 }, storedAs: tensor.format))
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

/// A tensor of the checkpoint as rows of F32, F16 or BF16.
struct RowSource: Sendable {
  let file: SafetensorsFile
  let tensor: SafetensorsTensor

  var extent: FileExtent { tensor.extent }

  /// The row format that has the same bytes as the tensor's elements.
  var format: RowFormat {
    guard let format = tensor.type.sourceFormat else {
      preconditionFailure("a source is F32, F16 or BF16")
    }
    return format
  }

  func rowByteCount(_ width: Int) -> Int { format.byteCount(width: width) }

  /// Whole rows, as they lie in the file.
  func rows(_ rows: Range<Int>, width: Int) throws(StoreError) -> Bytes {
    let bytes = Bytes(count: rows.count * rowByteCount(width))
    try unsafe file.file.read(
      into: bytes.buffer, at: extent.offset + rows.lowerBound * rowByteCount(width))
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
}

extension SafetensorsType {
  /// The row format of the same element type; nil for types that are not converted.
  var sourceFormat: RowFormat? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    default: nil
    }
  }
}
