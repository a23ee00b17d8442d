internal import FlashKernels

/// Adam without bias towards zero (Kingma and Ba, arXiv 1412.6980, algorithm 1), for one matrix.
final class AdamOptimizer {
  private let parameters: FloatMatrix
  private let mean: FloatMatrix
  private let square: FloatMatrix
  private let rate: Float
  private var meanPower: Float = 1
  private var squarePower: Float = 1

  private static let meanDecay: Float = 0.9
  /// Not 0.999: trainings of some hundred steps forget the first gradients sooner.
  private static let squareDecay: Float = 0.99

  init(_ parameters: FloatMatrix, rate: Float) {
    self.parameters = parameters
    self.rate = rate
    mean = FloatMatrix(parameters.rowCount, parameters.columnCount)
    square = FloatMatrix(parameters.rowCount, parameters.columnCount)
  }

  /// One step against a gradient of the parameters' shape, of `factor` times the rate.
  func step(_ gradient: FloatMatrix, factor: Float, pool: WorkerPool) {
    meanPower *= Self.meanDecay
    squarePower *= Self.squareDecay
    let size = rate * factor / (1 - meanPower)
    let squareScale = 1 / (1 - squarePower)
    let (parameters, mean, square) = (parameters, mean, square)
    let parts = pool.threadCount
    pool.run(parts) { part in
      let range = WorkerPool.split(
        count: parameters.count, parts: parts, granularity: 64, index: part)
      for index in range {
        let slope = unsafe gradient.values[index]
        let m = unsafe Self.meanDecay * mean.values[index] + (1 - Self.meanDecay) * slope
        let v =
          unsafe Self.squareDecay * square.values[index]
          + (1 - Self.squareDecay) * slope * slope
        unsafe mean.values[index] = m
        unsafe square.values[index] = v
        unsafe parameters.values[index] -= size * m / ((v * squareScale).squareRoot() + 1e-12)
      }
    }
  }
}
