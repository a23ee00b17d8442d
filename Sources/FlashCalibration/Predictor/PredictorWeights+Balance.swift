internal import FlashKernels
internal import FlashWeights

/// The same low-rank gate in another basis of its hidden values, in which rounding costs least.
extension PredictorWeights {
  /// Balances and turns the hidden values of a low-rank gate; scores stay what they are.
  ///
  /// With W2 rounded at a rate that goes by its largest entries, the error of a score is least
  /// where hidden values and columns of W2 are equally large along each direction (balanced), and
  /// where no direction stands out (turned by a random rotation): `(Σ s)² / rank` instead of the
  /// `Σ s²` of the SVD's own basis. With q4_0 that takes a third to a half of the error away.
  ///
  /// - Parameter states: `[samples, width]`; at least as many as the rank, otherwise the basis
  ///   stays.
  func balanced(over states: FloatMatrix, seed: UInt64) -> PredictorWeights {
    let (rank, neurons) = (self.rank, expansion.rowCount)
    guard kind == .lowRankGate, states.rowCount >= rank, neurons >= rank else { return self }
    let hidden = FloatMatrix(states.rowCount, rank)
    hidden.setProduct(states, reduction, transposeB: true)
    // hidden = U S Vᵀ, so hidden values are `root` times white ones, root = V S.
    guard
      let spread = unsafe LAPACK.rightSingularVectors(
        hidden.values, rowCount: hidden.rowCount, columnCount: rank),
      let largest = spread.values.first, largest > 0
    else { return self }
    let root = FloatMatrix(rank, rank)
    let inverse = FloatMatrix(rank, rank)
    for direction in 0..<rank {
      // Directions that no state has get a size, so that the basis stays whole.
      let size = max(spread.values[direction], largest * 1e-4)
      for column in 0..<rank {
        let entry = spread.vectors[direction * rank + column]
        root[column, direction] = entry * size
        inverse[direction, column] = entry / size
      }
    }
    guard let turned = Self.balancedBasis(expansion, root) else { return self }
    let rotation = FloatMatrix(rank, rank)
    var random = SeededRandom(seed: seed)
    for index in 0..<rotation.count { unsafe rotation.values[index] = random.normal() }
    unsafe LAPACK.orthonormalizeRows(rotation.values, rowCount: rank, columnCount: rank)
    // h'' = R S^½ Qᵀ root⁻¹ h and W2'' = W2 root Q S^-½ Rᵀ.
    let forward = FloatMatrix(rank, rank)
    let backward = FloatMatrix(rank, rank)
    let (left, right) = (FloatMatrix(rank, rank), FloatMatrix(rank, rank))
    for direction in 0..<rank {
      let size = max(turned.values[direction], turned.values[0] * 1e-6).squareRoot()
      for column in 0..<rank {
        let entry = turned.vectors[direction * rank + column]
        left[direction, column] = entry * size
        right[column, direction] = entry / size
      }
    }
    forward.setProduct(rotation, left)
    backward.setProduct(right, rotation, transposeB: true)
    let (toHidden, fromHidden) = (FloatMatrix(rank, rank), FloatMatrix(rank, rank))
    toHidden.setProduct(forward, inverse)
    fromHidden.setProduct(root, backward)
    let reduction = FloatMatrix(rank, self.reduction.columnCount)
    reduction.setProduct(toHidden, self.reduction)
    let expansion = FloatMatrix(neurons, rank)
    expansion.setProduct(self.expansion, fromHidden)
    return PredictorWeights(kind: kind, reduction: reduction, expansion: expansion, bias: bias)
  }

  /// The SVD of W2 over white hidden values, each neuron weighing the same.
  private static func balancedBasis(
    _ expansion: FloatMatrix, _ root: FloatMatrix
  ) -> (values: [Float], vectors: [Float])? {
    let whitened = FloatMatrix(expansion.rowCount, root.columnCount)
    whitened.setProduct(expansion, root)
    for row in 0..<whitened.rowCount {
      let values = unsafe whitened.row(row)
      var sum: Float = 0
      for column in 0..<whitened.columnCount { sum += unsafe values[column] * values[column] }
      let scale = sum > 0 ? 1 / sum.squareRoot() : 0
      for column in 0..<whitened.columnCount { unsafe values[column] *= scale }
    }
    let basis = unsafe LAPACK.rightSingularVectors(
      whitened.values, rowCount: whitened.rowCount, columnCount: whitened.columnCount)
    guard let basis, let largest = basis.values.first, largest > 0 else { return nil }
    return basis
  }
}
