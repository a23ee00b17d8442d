internal import FlashKernels
internal import FlashWeights
internal import Glibc

/// Trains a predictor as a classifier of which neurons fire: sigmoid of its scores, class-balanced
/// binary cross-entropy, mini-batches, Adam (LLM in a Flash, section 3.1; Kingma and Ba,
/// arXiv 1412.6980).
///
/// A firing weighs what it contributes to the layer's output, relative to the mean and at most
/// eight times it, so that what is missed is what matters least; all firings together weigh as much
/// as all silences. Each matrix learns at a rate that is a part of its own size, falling to zero
/// over the training.
final class PredictorTraining {
  struct Settings {
    /// Positions in a batch.
    var batchLength = 128
    /// Batches; more only where one pass over the positions takes more.
    var stepCount = 400
    /// First step's size, as a part of a matrix's root mean square.
    var rate: Float = 0.02
    var seed: UInt64 = 0
  }

  private let settings: Settings
  private let sample: LayerSample
  private let positions: Range<Int>
  private let pool: WorkerPool
  private let positiveScale: Float
  private var weights: PredictorWeights
  private let bias: FloatMatrix
  private let optimizers: [AdamOptimizer]

  // One batch's values: states, answers of W1 before and after f, scores, and their gradients.
  private let inputs: FloatMatrix
  private let reduced: FloatMatrix
  private let hidden: FloatMatrix
  private let scores: FloatMatrix
  private let hiddenGradient: FloatMatrix
  private let reductionGradient: FloatMatrix
  private let expansionGradient: FloatMatrix
  private let biasGradient: FloatMatrix

  /// - Parameter weights: where training starts; scores are taken as log odds.
  init(
    _ weights: PredictorWeights, sample: LayerSample, positions: Range<Int>, pool: WorkerPool,
    settings: Settings
  ) {
    self.settings = settings
    self.sample = sample
    self.positions = positions
    self.pool = pool
    let (neurons, rank) = (weights.expansion.rowCount, weights.rank)
    let length = min(settings.batchLength, positions.count)
    self.weights = PredictorWeights(
      kind: weights.kind, reduction: weights.reduction.copy(),
      expansion: weights.expansion.copy(), bias: [])
    bias = FloatMatrix(1, neurons, values: weights.bias)
    positiveScale = Self.positiveScale(sample, positions)
    inputs = FloatMatrix(length, weights.reduction.columnCount)
    reduced = FloatMatrix(length, rank)
    hidden = FloatMatrix(length, rank)
    scores = FloatMatrix(length, neurons)
    hiddenGradient = FloatMatrix(length, rank)
    reductionGradient = FloatMatrix(rank, weights.reduction.columnCount)
    expansionGradient = FloatMatrix(neurons, rank)
    biasGradient = FloatMatrix(1, neurons)
    optimizers = [self.weights.reduction, self.weights.expansion, bias].map {
      AdamOptimizer($0, rate: settings.rate * max($0.rootMeanSquare, 1e-6))
    }
  }

  /// What a firing of mean contribution weighs.
  private static func positiveScale(_ sample: LayerSample, _ positions: Range<Int>) -> Float {
    let firing = sample.firingCount(positions)
    let silent = positions.count * sample.neuronCount - firing
    let range = sample.starts[positions.lowerBound]..<sample.starts[positions.upperBound]
    let total = sample.contributions[range].reduce(0.0) { $0 + Double($1) }
    guard firing > 0, total > 0 else { return 0 }
    // Divided by the mean contribution, so that a firing's weight is `contribution * scale`.
    return Float(Double(silent) / Double(firing) / (total / Double(firing)))
  }

  /// Trains and returns the result.
  func run() -> PredictorWeights {
    guard !positions.isEmpty, positiveScale > 0 else { return finished }
    var random = SeededRandom(seed: settings.seed)
    var order: [Int] = []
    let passes = (positions.count + inputs.rowCount - 1) / inputs.rowCount
    let stepCount = max(settings.stepCount, 2 * passes)
    for step in 0..<stepCount {
      if order.count < inputs.rowCount { order += random.permutation(positions.count) }
      let batch = order.prefix(inputs.rowCount).map { positions.lowerBound + $0 }
      order.removeFirst(inputs.rowCount)
      forward(batch)
      setScoreGradients(batch)
      backward()
      let progress = Float(step) / Float(stepCount)
      let factor = 0.5 * (1 + cosf(Float.pi * progress))
      for (optimizer, gradient) in zip(
        optimizers, [reductionGradient, expansionGradient, biasGradient])
      {
        optimizer.step(gradient, factor: factor, pool: pool)
      }
    }
    return finished
  }

  private var finished: PredictorWeights {
    var result = weights
    result.bias = bias.array
    return result
  }

  private func forward(_ batch: [Int]) {
    for (row, position) in batch.enumerated() {
      unsafe inputs.row(row).update(from: sample.inputs.row(position), count: inputs.columnCount)
    }
    reduced.setProduct(inputs, weights.reduction, transposeB: true)
    unsafe hidden.values.update(from: reduced.values, count: hidden.count)
    if weights.kind == .perceptron {
      for index in 0..<hidden.count { unsafe hidden.values[index] = max(0, hidden.values[index]) }
    }
    for row in 0..<scores.rowCount {
      unsafe scores.row(row).update(from: bias.values, count: scores.columnCount)
    }
    scores.setProduct(hidden, weights.expansion, transposeB: true, isAdded: true)
  }

  /// Turns scores into the loss's gradient by them: `sigmoid(score)` where a neuron is silent,
  /// `-weight * (1 - sigmoid(score))` where it fires, over the batch's length.
  private func setScoreGradients(_ batch: [Int]) {
    let scale = 1 / Float(batch.count)
    let most =
      8 * Float(sample.neuronCount * positions.count)
      / Float(
        max(1, sample.firingCount(positions)))
    let sample = sample
    let scores = scores
    let positiveScale = positiveScale
    pool.run(batch.count) { row in
      let values = unsafe scores.row(row)
      unsafe Sigmoid.apply(to: values, count: scores.columnCount)
      sample.forEachFiring(at: batch[row]) { neuron, contribution in
        let weight = min(contribution * positiveScale, most)
        unsafe values[neuron] = -weight * (1 - values[neuron])
      }
      for index in 0..<scores.columnCount { unsafe values[index] *= scale }
    }
  }

  private func backward() {
    expansionGradient.setProduct(scores, transposeA: true, hidden)
    hiddenGradient.setProduct(scores, weights.expansion)
    if weights.kind == .perceptron {
      for index in 0..<hidden.count where unsafe reduced.values[index] <= 0 {
        unsafe hiddenGradient.values[index] = 0
      }
    }
    reductionGradient.setProduct(hiddenGradient, transposeA: true, inputs)
    biasGradient.fill(0)
    for row in 0..<scores.rowCount {
      let gradient = unsafe scores.row(row)
      for neuron in 0..<scores.columnCount {
        unsafe biasGradient.values[neuron] += gradient[neuron]
      }
    }
  }
}

/// The logistic function over a row.
enum Sigmoid {
  /// Relative error under 3e-5: e^x as 2^(x / ln 2), its fraction by a polynomial of degree 4
  /// (Cephes' manner). Scores beyond ±30 count as ±30.
  static func apply(to values: UnsafeMutablePointer<Float>, count: Int) {
    for index in 0..<count {
      let x = unsafe max(-30, min(30, -values[index])) * 1.442_695_04
      let whole = (x + 12_582_912) - 12_582_912
      let part = (x - whole) * 0.693_147_18
      let power = 1 + part * (1 + part * (0.5 + part * (0.166_666_67 + part * 0.041_666_67)))
      let scale = Float(bitPattern: UInt32(bitPattern: Int32(whole) + 127) << 23)
      unsafe values[index] = 1 / (1 + power * scale)
    }
  }
}
