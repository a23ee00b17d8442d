package import FlashKernels

/// How fast rows of weights are multiplied here: the kernels of a run on its threads, over memory
/// that no cache holds.
package enum ArithmeticProbe {
  /// Bytes multiplied between two meetings of the threads: about a matrix of a layer.
  private static let pieceByteCount = 4 << 20

  /// Bytes a second of `Kernels.dot` with one token, the median pass over `bytes`.
  ///
  /// - Parameters:
  ///   - width: values in a row; a multiple of the format's block.
  ///   - bytes: in memory, far more than caches hold if the rate is to be that of weights in DRAM;
  ///     at least a row for each thread. They are overwritten.
  ///   - duration: passes go on until so much time has gone by; at least one is made.
  package static func rate(
    _ format: RowFormat, width: Int, kernels: Kernels, pool: WorkerPool,
    bytes: UnsafeMutableRawBufferPointer, duration: Duration = .milliseconds(150)
  ) -> Double {
    let rowByteCount = format.byteCount(width: width)
    let rowCount = bytes.count / rowByteCount
    precondition(rowCount >= pool.threadCount, "every thread multiplies a row")
    // Small normal numbers in every format: others can be slower to multiply.
    unsafe bytes.baseAddress!.initializeMemory(as: UInt8.self, repeating: 0x11, count: bytes.count)
    let rowsPerPiece = min(rowCount, max(pool.threadCount, pieceByteCount / rowByteCount))
    let activation = UnsafeMutableRawPointer.allocate(
      byteCount: kernels.activationByteCount(format, width: width), alignment: 64)
    let output = UnsafeMutablePointer<Float>.allocate(capacity: rowsPerPiece)
    defer {
      unsafe activation.deallocate()
      unsafe output.deallocate()
    }
    let input = [Float](repeating: 0.5, count: width)
    unsafe input.withUnsafeBufferPointer {
      unsafe kernels.prepareActivation($0.baseAddress!, width: width, format, into: activation)
    }
    var seconds: [Double] = []
    let end = ContinuousClock.now + duration
    repeat {
      let start = ContinuousClock.now
      var first = 0
      while first < rowCount {
        let count = min(rowsPerPiece, rowCount - first)
        let rows = unsafe UnsafeRawPointer(bytes.baseAddress! + first * rowByteCount)
        pool.run(pool.threadCount) { part in
          let range = WorkerPool.split(
            count: count, parts: pool.threadCount, granularity: 1, index: part)
          guard !range.isEmpty else { return }
          unsafe kernels.dot(
            format, width: width, rows: rows + range.lowerBound * rowByteCount,
            rowStride: rowByteCount, rowCount: range.count, activations: activation,
            activationStride: 0, tokenCount: 1, output: output + range.lowerBound,
            outputStride: rowsPerPiece)
        }
        first += count
      }
      seconds.append((ContinuousClock.now - start) / .seconds(1))
    } while ContinuousClock.now < end
    return Double(rowCount * rowByteCount) / seconds.sorted()[seconds.count / 2]
  }
}
