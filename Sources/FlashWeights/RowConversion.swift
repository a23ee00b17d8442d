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
    RowSource(tensor, files: source.files)
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
    if [.router, .sharedRouter].contains(tensor.role), found.nonFinite > 0 {
      throw StoreError(
        .routerValues, "holds NaN or infinite values, by which no expert can be chosen",
        file: source.file.path, offset: source.extent.offset, tensor: source.tensor.name,
        found: "\(found.nonFinite) of them")
    }
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
