internal import FlashKernels
internal import FlashWeights

/// A predictor in floats: `scores = W2 · f(W1 · x) + b`.
struct PredictorWeights {
  /// Not `all`.
  var kind: PredictorKind
  /// W1, `[rank, width]`.
  var reduction: FloatMatrix
  /// W2, `[neurons, rank]`.
  var expansion: FloatMatrix
  /// b, `[neurons]`.
  var bias: [Float]

  var rank: Int { reduction.rowCount }

  /// The bytes that a predictor takes, biases included.
  static func byteCount(rank: Int, width: Int, neuronCount: Int, format: RowFormat) -> Int {
    rank * format.byteCount(width: width) + neuronCount * format.byteCount(width: rank)
      + 4 * neuronCount
  }

  /// Packed, with the largest weight of W1 and of each row of W2 one: scales are f16, and of a
  /// score only the sign counts.
  func packed(_ format: RowFormat, targetRecall: Double) -> PackedPredictor {
    let largest = unsafe Self.largest(reduction.values, count: reduction.count)
    var rows = expansion.array
    var scales: [Float] = []
    for neuron in 0..<expansion.rowCount {
      let scale = unsafe Self.largest(expansion.row(neuron), count: rank)
      scales.append(scale)
      for column in 0..<rank { rows[neuron * rank + column] /= scale }
    }
    scales = scales.map { $0 * largest }
    let draft = PredictorDraft(
      kind: kind, targetRecall: targetRecall,
      reduction: PackedRows(
        values: reduction.array.map { $0 / largest }, rowCount: rank,
        width: reduction.columnCount, format: format),
      expansion: PackedRows(
        values: rows, rowCount: expansion.rowCount, width: rank, format: format),
      bias: zip(bias, scales).map { $0 / $1 })
    return PackedPredictor(draft: draft, scales: scales)
  }

  /// One where all are zero.
  private static func largest(_ values: UnsafePointer<Float>, count: Int) -> Float {
    var largest: Float = 0
    for index in 0..<count { unsafe largest = max(largest, abs(values[index])) }
    return largest > 0 ? largest : 1
  }
}

/// A predictor as it is stored, and what its scores are to be multiplied by to be comparable among
/// neurons.
struct PackedPredictor {
  var draft: PredictorDraft
  /// `[neurons]`, all positive.
  let scales: [Float]
}

extension PackedPredictor {
  /// Takes off every bias what rounding adds to its score in the mean over `states`.
  mutating func correctBias(
    to weights: PredictorWeights, over states: FloatMatrix, kernels: Kernels, pool: WorkerPool
  ) {
    let count = states.rowCount
    let hidden = FloatMatrix(count, weights.rank)
    hidden.setProduct(states, weights.reduction, transposeB: true)
    if weights.kind == .perceptron {
      for index in 0..<hidden.count { unsafe hidden.values[index] = max(0, hidden.values[index]) }
    }
    // Scores are linear in hidden values, so their mean follows from the mean hidden values.
    let mean = FloatMatrix(1, weights.rank)
    for row in 0..<count {
      for column in 0..<weights.rank { mean[0, column] += hidden[row, column] / Float(count) }
    }
    let exact = FloatMatrix(1, scales.count)
    exact.setProduct(mean, weights.expansion, transposeB: true)
    var errors = scales.indices.map { -(exact[0, $0] + weights.bias[$0]) / scales[$0] }
    let scorer = PredictorScorer(draft, kernels: kernels, pool: pool)
    unsafe scorer.forEachPosition(0..<count, of: states) { _, scores in
      for neuron in errors.indices { errors[neuron] += unsafe scores[neuron] / Float(count) }
    }
    for neuron in errors.indices { draft.bias[neuron] -= errors[neuron] }
  }

  /// Puts a threshold of comparable scores into the biases.
  mutating func subtract(threshold: Float) {
    for neuron in scales.indices { draft.bias[neuron] -= threshold / scales[neuron] }
  }
}

extension PredictorWeights {
  /// A low-rank gate whose scores are in units of each neuron's own error, so that one threshold
  /// serves all: a neuron that is hard to tell is predicted from further below its threshold.
  ///
  /// - Parameters:
  ///   - variances: of the pre-activations.
  ///   - threshold: above which a pre-activation fires.
  init(_ gate: LowRankGate, variances: [Double], threshold: Float) {
    let (neurons, rank) = (gate.expansion.rowCount, gate.expansion.columnCount)
    let scaled = FloatMatrix(neurons, rank)
    var bias = gate.bias
    // A thousandth of the deviation is below what q8_0 keeps of the answers.
    let least = max(1e-30, variances.reduce(0, +) / Double(max(1, neurons)) * 1e-6)
    for neuron in 0..<neurons {
      let error = max(variances[neuron] - Double(gate.capturedVariance[neuron]), least)
      let scale = Float(1 / error.squareRoot())
      bias[neuron] = (bias[neuron] - threshold) * scale
      for column in 0..<rank {
        scaled[neuron, column] = gate.expansion[neuron, column] * scale
      }
    }
    self.init(kind: .lowRankGate, reduction: gate.reduction, expansion: scaled, bias: bias)
  }

  /// A perceptron that answers what a low-rank gate of half the rank answers: each direction
  /// becomes two hidden units, one for each sign. (relu(a) - relu(-a) = a.)
  init(doubling gate: PredictorWeights) {
    let (rank, width) = (gate.rank, gate.reduction.columnCount)
    let neurons = gate.expansion.rowCount
    let reduction = FloatMatrix(2 * rank, width)
    let expansion = FloatMatrix(neurons, 2 * rank)
    for unit in 0..<rank {
      for column in 0..<width {
        reduction[2 * unit, column] = gate.reduction[unit, column]
        reduction[2 * unit + 1, column] = -gate.reduction[unit, column]
      }
      for neuron in 0..<neurons {
        expansion[neuron, 2 * unit] = gate.expansion[neuron, unit]
        expansion[neuron, 2 * unit + 1] = -gate.expansion[neuron, unit]
      }
    }
    self.init(kind: .perceptron, reduction: reduction, expansion: expansion, bias: gate.bias)
  }

  /// The first `rank` directions of a low-rank gate.
  func truncated(to rank: Int) -> PredictorWeights {
    precondition(kind == .lowRankGate && rank <= self.rank, "a gate has so many directions")
    let reduction = FloatMatrix(rank, self.reduction.columnCount)
    unsafe reduction.values.update(from: self.reduction.values, count: reduction.count)
    let expansion = FloatMatrix(self.expansion.rowCount, rank)
    for neuron in 0..<expansion.rowCount {
      unsafe expansion.row(neuron).update(from: self.expansion.row(neuron), count: rank)
    }
    return PredictorWeights(
      kind: kind, reduction: reduction, expansion: expansion, bias: bias)
  }
}
