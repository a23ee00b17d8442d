package import FlashKernels

/// How fast rows of weights are gone through here: the kernels of a run on its threads, over memory
/// that no cache holds.
@safe package struct ArithmeticProbe {
  /// Bytes between two meetings of the threads: about a matrix of a layer.
  private static let pieceByteCount = 4 << 20
  /// Of rows that lie apart one in so many is taken, as of neurons about one in twelve fires.
  private static let rowsApart = 12

  private let kernels: Kernels
  private let pool: WorkerPool
  private let bytes: UnsafeMutableRawBufferPointer

  /// - Parameter bytes: in memory, far more than caches hold if rates are to be those of weights in
  ///   DRAM; they are overwritten.
  package init(kernels: Kernels, pool: WorkerPool, bytes: UnsafeMutableRawBufferPointer) {
    self.kernels = kernels
    self.pool = pool
    unsafe self.bytes = unsafe bytes
    // Small normal numbers in every format: others can be slower to multiply.
    unsafe bytes.baseAddress!.initializeMemory(as: UInt8.self, repeating: 0x11, count: bytes.count)
  }

  /// Bytes a second for one token, the median pass over the memory.
  ///
  /// - Parameters:
  ///   - width: values in a row; a multiple of the format's block. The memory holds a row for each
  ///     thread.
  ///   - duration: passes go on until so much time has gone by; at least one is made.
  package func rate(
    _ work: RowWork, width: Int, duration: Duration = .milliseconds(120)
  ) -> Double {
    let rowByteCount = work.format.byteCount(width: width)
    let rowCount = unsafe bytes.count / rowByteCount
    precondition(rowCount >= pool.threadCount, "every thread has a row")
    let step = work.isScattered ? min(Self.rowsApart, max(1, rowCount / pool.threadCount)) : 1
    let perPiece = max(pool.threadCount, Self.pieceByteCount / rowByteCount / step)
    let buffers = unsafe Buffers(kernels, work.format, width: width, rowCount: perPiece)
    var rates: [Double] = []
    let end = ContinuousClock.now + duration
    repeat {
      // Each pass takes other rows, so that none is in a cache.
      let rows = Array(stride(from: rates.count % step, to: rowCount, by: step))
      let addresses = unsafe rows.map {
        unsafe UnsafeRawPointer(bytes.baseAddress! + $0 * rowByteCount)
      }
      let start = ContinuousClock.now
      for first in stride(from: 0, to: rows.count, by: perPiece) {
        let count = min(perPiece, rows.count - first)
        unsafe addresses.withUnsafeBufferPointer { addresses in
          unsafe run(
            work, width: width, addresses.baseAddress! + first, count: count, step: step, buffers)
        }
      }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      rates.append(Double(rows.count * rowByteCount) / seconds)
    } while ContinuousClock.now < end
    return rates.sorted()[rates.count / 2]
  }

  private func run(
    _ work: RowWork, width: Int, _ rows: UnsafePointer<UnsafeRawPointer>, count: Int, step: Int,
    _ buffers: Buffers
  ) {
    let threads = pool.threadCount
    switch work.operation {
    case .dot:
      pool.run(threads) { part in
        let range = WorkerPool.split(count: count, parts: threads, granularity: 1, index: part)
        guard !range.isEmpty else { return }
        unsafe kernels.dot(
          work.format, width: width, scatteredRows: rows + range.lowerBound, rowCount: range.count,
          activations: buffers.activation, activationStride: 0, tokenCount: 1,
          output: buffers.outputs + range.lowerBound, outputStride: count)
      }
    case .accumulate:
      let granularity = kernels.columnGranularity(work.format, width: width)
      for place in 0..<count { unsafe buffers.neurons[place] = Int32(place * step) }
      pool.run(threads) { part in
        let columns = WorkerPool.split(
          count: width, parts: threads, granularity: granularity, index: part)
        unsafe kernels.accumulate(
          work.format, width: width, columns: columns, scatteredRows: rows, rowCount: count,
          neurons: step == 1 ? nil : UnsafePointer(buffers.neurons),
          coefficients: buffers.coefficients, coefficientStride: count, tokenCount: 1,
          accumulators: buffers.accumulators, accumulatorStride: width)
      }
    }
  }

  /// What kernels read and write beside rows.
  @unsafe private final class Buffers {
    let activation: UnsafeMutableRawPointer
    let outputs: UnsafeMutablePointer<Float>
    let coefficients: UnsafeMutablePointer<Float>
    let accumulators: UnsafeMutablePointer<Float>
    let neurons: UnsafeMutablePointer<Int32>

    init(_ kernels: Kernels, _ format: RowFormat, width: Int, rowCount: Int) {
      unsafe activation = .allocate(
        byteCount: kernels.activationByteCount(format, width: width), alignment: 64)
      unsafe outputs = .allocate(capacity: rowCount)
      unsafe coefficients = .allocate(capacity: rowCount)
      unsafe accumulators = .allocate(capacity: width)
      unsafe neurons = .allocate(capacity: rowCount)
      unsafe coefficients.initialize(repeating: 0.5, count: rowCount)
      // Used as the input too, and never so large that sums overflow.
      unsafe accumulators.initialize(repeating: 0.5, count: width)
      unsafe kernels.prepareActivation(accumulators, width: width, format, into: activation)
    }

    deinit {
      unsafe activation.deallocate()
      unsafe outputs.deallocate()
      unsafe coefficients.deallocate()
      unsafe accumulators.deallocate()
      unsafe neurons.deallocate()
    }
  }
}
