internal import FlashKernels

/// The best low-rank approximation of a layer's gates under the states that they see: the smallest
/// mean square of `gates · x - approximation · x` over the states, each neuron's error weighed.
///
/// With the states' deviations from their mean as rows of X, that is the truncated SVD of
/// `X · Gᵀ · D`: its right singular vectors V name the directions in which answers vary, and
/// `D⁻¹ V Vᵀ D G` answers like G along them. The SVD is found by subspace iteration
/// (Halko, Martinsson and Tropp, SIAM Review 2011, algorithms 4.4 and 5.1), so that only products
/// with G are needed and G may stay packed.
struct LowRankGate {
  /// W1, `[rank, width]`.
  let reduction: FloatMatrix
  /// W2, `[neurons, rank]`.
  let expansion: FloatMatrix
  /// What the answers are at the mean state less what the approximation gives there, `[neurons]`.
  let bias: [Float]
  /// Mean square of the approximation's answer around its mean, `[neurons]`.
  let capturedVariance: [Float]

  /// More directions than are wanted make the iteration exact sooner.
  private static let oversampling = 16
  /// Gate answers of trained models fall off slowly; two rounds leave an excess error under 1 %.
  private static let iterationCount = 2

  /// - Parameters:
  ///   - gates: `[neurons, width]`, packed.
  ///   - states: `[samples, width]`, less `mean`.
  ///   - mean: the states' mean, `[width]`.
  ///   - decidingBias: of the pre-activation, `[neurons]`; nil where there is none.
  ///   - weights: D, `[neurons]`, none zero.
  ///   - rank: at most what samples, neurons and width allow is used; the rest is zero.
  /// - Complexity: `4 * iterationCount * neurons * width * rank` multiplications and additions.
  init(
    gates: GateRows, states: FloatMatrix, mean: [Float], decidingBias: [Float]?,
    weights: [Float], rank: Int, seed: UInt64
  ) {
    let (samples, width, neurons) = (states.rowCount, gates.width, gates.neuronCount)
    precondition(states.columnCount == width && weights.count == neurons, "shapes fit")
    let most = min(samples, width, neurons)
    let wanted = min(rank, most)
    let count = min(rank + Self.oversampling, most)
    var random = SeededRandom(seed: seed)
    // Rows of `found` span what the answers' left singular vectors span, [count, samples].
    let found = FloatMatrix(count, samples)
    for index in 0..<found.count { unsafe found.values[index] = random.normal() }
    let along = FloatMatrix(count, width)
    let back = FloatMatrix(count, width)
    for _ in 0..<Self.iterationCount {
      unsafe LAPACK.orthonormalizeRows(found.values, rowCount: count, columnCount: samples)
      along.setProduct(found, states)
      gates.multiplyBackAndForth(along, weights: weights, into: back)
      found.setProduct(back, states, transposeB: true)
    }
    unsafe LAPACK.orthonormalizeRows(found.values, rowCount: count, columnCount: samples)
    along.setProduct(found, states)
    let answers = gates.answers(to: along, weights: weights)
    guard
      let decomposition = unsafe LAPACK.rightSingularVectors(
        answers.values, rowCount: count, columnCount: neurons)
    else { preconditionFailure("states and gates are finite numbers") }
    let vectors = FloatMatrix(rank, neurons)
    for index in 0..<wanted * neurons {
      unsafe vectors.values[index] = decomposition.vectors[index]
    }
    reduction = gates.combined(vectors, weights: weights)
    let captured = Self.expansion(
      vectors, weights: weights, singularValues: decomposition.values, sampleCount: samples)
    expansion = captured.expansion
    capturedVariance = captured.variance
    bias = Self.bias(
      gates: gates, mean: mean, decidingBias: decidingBias, reduction: reduction,
      expansion: expansion)
  }

  /// `D⁻¹ V`, and the mean square of each neuron's approximated answer.
  private static func expansion(
    _ vectors: FloatMatrix, weights: [Float], singularValues: [Float], sampleCount: Int
  ) -> (expansion: FloatMatrix, variance: [Float]) {
    let (rank, neurons) = (vectors.rowCount, vectors.columnCount)
    let expansion = FloatMatrix(neurons, rank)
    var variance = [Float](repeating: 0, count: neurons)
    for direction in 0..<min(rank, singularValues.count) {
      let value = singularValues[direction]
      for neuron in 0..<neurons {
        let entry = unsafe vectors.values[direction * neurons + neuron] / weights[neuron]
        unsafe expansion.values[neuron * rank + direction] = entry
        variance[neuron] += entry * entry * value * value / Float(max(1, sampleCount))
      }
    }
    return (expansion, variance)
  }

  private static func bias(
    gates: GateRows, mean: [Float], decidingBias: [Float]?, reduction: FloatMatrix,
    expansion: FloatMatrix
  ) -> [Float] {
    let state = FloatMatrix(1, gates.width, values: mean)
    let exact = gates.answers(to: state, weights: nil)
    let reduced = FloatMatrix(1, reduction.rowCount)
    reduced.setProduct(state, reduction, transposeB: true)
    let approximated = FloatMatrix(1, gates.neuronCount)
    approximated.setProduct(reduced, expansion, transposeB: true)
    return (0..<gates.neuronCount).map { neuron in
      exact[0, neuron] - approximated[0, neuron] + (decidingBias?[neuron] ?? 0)
    }
  }
}
