internal import FlashIO
internal import FlashKernels
internal import Synchronization

/// Makes all rows of a synthetic model on several threads and hands them to the store's writer, a
/// slice at a time.
struct SynthesisRun: ~Copyable {
  /// Bytes a thread makes before it writes them.
  private static let sliceByteCount = 1 << 20

  private let model: SyntheticModel
  private let writer: StoreWriter
  private let pool: WorkerPool
  private let threads: [SynthesisThread]

  init(_ model: SyntheticModel, _ writer: StoreWriter, threadCount: Int) {
    self.model = model
    self.writer = writer
    pool = WorkerPool(threadCount: threadCount)
    let plan = writer.plan
    let kernels = Kernels(.best)
    let rowByteCount = max(
      plan.tensors.map(\.rowByteCount).max() ?? 0, plan.bundles.map(\.stride).max() ?? 0)
    threads = (0..<threadCount).map { _ in
      SynthesisThread(
        RowMaker(
          kernels, basis: model.drift?.basis ?? [],
          maximumWidth: max(plan.tensors.map(\.width).max() ?? 0, model.configuration.width)),
        byteCount: max(Self.sliceByteCount, rowByteCount))
    }
  }

  /// Writes and finishes all tensors and layers that an earlier writer has not.
  func run(progress: (Int, Int) -> Void) throws(StoreError) {
    let plan = writer.plan
    var done = plan.denseHeader.count
    for (index, tensor) in plan.tensors.enumerated() {
      if !writer.isFinished(tensor: index) {
        try inSlices(of: tensor.rows, byteCount: tensor.rowByteCount) {
          thread, rows throws(StoreError) in
          try thread.write(rows, ofTensor: index, model, writer)
        }
        try writer.finish(tensor: index)
      }
      done += tensor.extent.byteCount
      progress(done, plan.byteCount)
    }
    for (layer, bundles) in plan.bundles.enumerated() {
      if !writer.isFinished(layer: layer) {
        try inSlices(of: bundles.strideCount, byteCount: bundles.stride) {
          thread, strides throws(StoreError) in
          try thread.write(strides, ofLayer: layer, model, writer)
        }
        try writer.finish(layer: layer)
      }
      done += bundles.extent.byteCount
      progress(done, plan.byteCount)
    }
  }

  /// Calls `body` for all of 0..<count in slices, on all threads; throws the first error, after
  /// which no slice is begun.
  private func inSlices(
    of count: Int, byteCount: Int,
    _ body: (SynthesisThread, Range<Int>) throws(StoreError) -> Void
  ) throws(StoreError) {
    let length = max(1, Self.sliceByteCount / byteCount)
    let next = Atomic(0)
    let failure = Mutex<StoreError?>(nil)
    pool.run(threads.count) { thread in
      while failure.withLock({ $0 == nil }) {
        let first = next.add(length, ordering: .relaxed).oldValue
        if first >= count { return }
        do throws(StoreError) {
          try body(threads[thread], first..<min(first + length, count))
        } catch {
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }
}

/// One thread's part in it: a buffer for a slice and a maker of rows.
@safe private final class SynthesisThread {
  private let maker: RowMaker
  private let slice: UnsafeMutableRawBufferPointer

  init(_ maker: RowMaker, byteCount: Int) {
    self.maker = maker
    unsafe slice = .allocate(byteCount: byteCount, alignment: 64)
    unsafe slice.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe slice.deallocate() }

  func write(
    _ rows: Range<Int>, ofTensor index: Int, _ model: SyntheticModel, _ writer: StoreWriter
  ) throws(StoreError) {
    let tensor = writer.plan.tensors[index]
    for row in rows {
      make(
        model, tensor.role, isBias: tensor.isBias, layer: tensor.layer, row: row,
        width: tensor.width, tensor.format, at: (row - rows.lowerBound) * tensor.rowByteCount)
    }
    try unsafe writer.write(
      tensor: index, firstRow: rows.lowerBound,
      rows: UnsafeRawBufferPointer(rebasing: slice[..<(rows.count * tensor.rowByteCount)]))
  }

  func write(
    _ strides: Range<Int>, ofLayer layer: Int, _ model: SyntheticModel, _ writer: StoreWriter
  ) throws(StoreError) {
    let bundles = writer.plan.bundles[layer]
    let perStride = bundles.neuronsPerStride
    let bytes = unsafe UnsafeMutableRawBufferPointer(
      rebasing: slice[..<(strides.count * bundles.stride)])
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    let first = strides.lowerBound * perStride
    for neuron in 0..<bundles.neuronCount(inStrides: strides) {
      for (index, part) in bundles.parts.enumerated() {
        make(
          model, part.role, isBias: false, layer: layer, row: first + neuron,
          width: bundles.width, part.format,
          at: neuron / perStride * bundles.stride
            + bundles.offset(ofPart: index, neuron: neuron % perStride))
      }
    }
    try unsafe writer.write(
      layer: layer, firstStride: strides.lowerBound, strides: UnsafeRawBufferPointer(bytes))
  }

  private func make(
    _ model: SyntheticModel, _ role: TensorRole, isBias: Bool, layer: Int?, row: Int, width: Int,
    _ format: RowFormat, at offset: Int
  ) {
    unsafe maker.make(
      model.recipe(role, isBias: isBias, layer: layer, row: row),
      model.bits(role, isBias: isBias, layer: layer, row: row), width: width, format,
      into: slice.baseAddress! + offset)
  }
}
