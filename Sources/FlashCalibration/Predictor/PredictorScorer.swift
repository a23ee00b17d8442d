internal import FlashKernels
internal import FlashWeights

/// The scores of a packed predictor by the arithmetic of a run: activations rounded and rows
/// multiplied by the same kernels.
@safe final class PredictorScorer {
  private let predictor: PredictorDraft
  private let kernels: Kernels
  private let pool: WorkerPool
  private let neuronCount: Int
  private let hidden: FloatMatrix
  private let scores: FloatMatrix
  private let activations: UnsafeMutableRawPointer
  private let activationStride: Int

  /// Positions scored together.
  static let blockLength = 64

  init(_ predictor: PredictorDraft, kernels: Kernels, pool: WorkerPool) {
    self.predictor = predictor
    self.kernels = kernels
    self.pool = pool
    neuronCount = predictor.expansion.rowCount
    hidden = FloatMatrix(Self.blockLength, predictor.reduction.rowCount)
    scores = FloatMatrix(Self.blockLength, neuronCount)
    activationStride = max(
      kernels.activationByteCount(predictor.reduction.format, width: predictor.reduction.width),
      kernels.activationByteCount(predictor.expansion.format, width: predictor.expansion.width))
    unsafe activations = .allocate(
      byteCount: max(1, Self.blockLength * activationStride), alignment: 64)
  }

  deinit { unsafe activations.deallocate() }

  /// Calls `body` with each position and its scores, `[neurons]`; a neuron is predicted where its
  /// score is above zero.
  func forEachPosition(
    _ positions: Range<Int>, of inputs: FloatMatrix,
    _ body: (Int, UnsafePointer<Float>) -> Void
  ) {
    for first in stride(from: positions.lowerBound, to: positions.upperBound, by: Self.blockLength)
    {
      let count = min(Self.blockLength, positions.upperBound - first)
      unsafe multiply(predictor.reduction, inputs.row(first), count, into: hidden)
      if predictor.kind == .perceptron {
        for index in 0..<count * hidden.columnCount {
          unsafe hidden.values[index] = max(0, hidden.values[index])
        }
      }
      unsafe multiply(predictor.expansion, hidden.values, count, into: scores)
      for index in 0..<count {
        let row = unsafe scores.row(index)
        unsafe predictor.bias.withUnsafeBufferPointer { bias in
          unsafe kernels.add(bias.baseAddress!, to: row, count: neuronCount)
        }
        unsafe body(first + index, row)
      }
    }
  }

  private func multiply(
    _ rows: PackedRows, _ input: UnsafePointer<Float>, _ count: Int, into output: FloatMatrix
  ) {
    for index in 0..<count {
      unsafe kernels.prepareActivation(
        input + index * rows.width, width: rows.width, rows.format,
        into: activations + index * activationStride)
    }
    let parts = pool.threadCount
    unsafe rows.bytes.withUnsafeBytes { bytes in
      pool.run(parts) { part in
        let range = WorkerPool.split(
          count: rows.rowCount, parts: parts, granularity: 1, index: part)
        guard !range.isEmpty else { return }
        unsafe kernels.dot(
          rows.format, width: rows.width,
          rows: bytes.baseAddress! + range.lowerBound * rows.rowByteCount,
          rowStride: rows.rowByteCount, rowCount: range.count, activations: activations,
          activationStride: activationStride, tokenCount: count,
          output: output.values + range.lowerBound, outputStride: output.columnCount)
      }
    }
  }
}
