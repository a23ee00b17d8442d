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
  /// W2's rows side by side, as a run has them.
  private let expansion: [UInt8]
  private let activations: UnsafeMutableRawPointer
  private let activationStride: Int

  /// Positions scored together.
  static let blockLength = 64

  init(_ predictor: PredictorDraft, kernels: Kernels, pool: WorkerPool) {
    self.predictor = predictor
    self.kernels = kernels
    self.pool = pool
    neuronCount = predictor.expansion.rowCount
    var expansion = predictor.expansion.bytes
    unsafe expansion.withUnsafeMutableBytes {
      guard let rows = $0.baseAddress else { return }
      unsafe SideBySide.arrange(
        predictor.expansion.format, width: predictor.expansion.width,
        rowCount: predictor.expansion.rowCount, rows: rows)
    }
    self.expansion = expansion
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
      unsafe prepare(inputs.row(first), for: predictor.reduction, count)
      unsafe predictor.reduction.bytes.withUnsafeBytes { rows in
        split(predictor.reduction.rowCount, granularity: 1) { part in
          unsafe multiply(predictor.reduction, rows, part, count, into: hidden)
        }
      }
      if predictor.kind == .perceptron {
        for index in 0..<count * hidden.columnCount {
          unsafe hidden.values[index] = max(0, hidden.values[index])
        }
      }
      unsafe prepare(hidden.values, for: predictor.expansion, count)
      unsafe expansion.withUnsafeBytes { rows in
        split(neuronCount, granularity: SideBySide.groupLength) { part in
          unsafe multiplyExpansion(rows, part, count)
        }
      }
      for index in 0..<count {
        let row = unsafe scores.row(index)
        unsafe predictor.bias.withUnsafeBufferPointer { bias in
          unsafe kernels.add(bias.baseAddress!, to: row, count: neuronCount)
        }
        unsafe body(first + index, row)
      }
    }
  }

  private func prepare(_ input: UnsafePointer<Float>, for rows: PackedRows, _ count: Int) {
    for index in 0..<count {
      unsafe kernels.prepareActivation(
        input + index * rows.width, width: rows.width, rows.format,
        into: activations + index * activationStride)
    }
  }

  private func split(_ count: Int, granularity: Int, _ body: (Range<Int>) -> Void) {
    let parts = pool.threadCount
    pool.run(parts) { part in
      let range = WorkerPool.split(
        count: count, parts: parts, granularity: granularity, index: part)
      if !range.isEmpty { body(range) }
    }
  }

  /// Rows that lie one after another.
  private func multiply(
    _ rows: PackedRows, _ bytes: UnsafeRawBufferPointer, _ part: Range<Int>, _ count: Int,
    into output: FloatMatrix
  ) {
    guard let base = bytes.baseAddress, !part.isEmpty else { return }
    unsafe kernels.dot(
      rows.format, width: rows.width, rows: base + part.lowerBound * rows.rowByteCount,
      rowStride: rows.rowByteCount, rowCount: part.count, activations: activations,
      activationStride: activationStride, tokenCount: count,
      output: output.values + part.lowerBound, outputStride: output.columnCount)
  }

  private func multiplyExpansion(
    _ bytes: UnsafeRawBufferPointer, _ part: Range<Int>, _ count: Int
  ) {
    guard let base = bytes.baseAddress else { return }
    let rows = predictor.expansion
    unsafe kernels.dot(
      rows.format, width: rows.width, besideRows: base + part.lowerBound * rows.rowByteCount,
      rowCount: part.count, activations: activations, activationStride: activationStride,
      tokenCount: count, output: scores.values + part.lowerBound,
      outputStride: scores.columnCount)
  }
}
