internal import FlashKernels
internal import FlashWeights

/// Makes and prices predictors of one rank for a layer's neurons, or an expert's.
struct RankSearch {
  /// What was found.
  struct Result {
    /// In each type the best.
    var best: [PredictorCandidate]
    /// The kinds whose training was worth it.
    var helped: [PredictorKind]
    /// Whether any neuron fires at any position.
    var fires: Bool
    /// The part of the neurons that fires at the positions set aside, and how many pairs these are.
    var trueActivity: Double
    var pairCount: Int
  }

  let settings: PredictorSearch.Settings
  let subject: PredictorSubject
  let kernels: Kernels
  let pool: WorkerPool

  private var sample: LayerSample { subject.sample }
  private var weights: LayerReader.Layer { subject.weights }
  private var variances: [Double] { subject.variances }

  /// Of the training positions the last fifth chooses thresholds and kinds.
  private static let asideFraction = 0.2
  /// Of what the target allows to miss, the part that is used on the positions set aside: other
  /// text is missed a little more.
  private static let missUse = 0.8
  /// The most often that a training sees a position: few positions are learned by heart.
  private static let mostPasses = 24
  /// An expert that fewer positions used has too little to learn from: all its neurons are named.
  static let leastPositions = 64

  private static func asideCount(of positionCount: Int) -> Int {
    Int(Double(positionCount) * asideFraction)
  }
  /// Positions that predictors are fitted to.
  static func fittedCount(of positionCount: Int) -> Int {
    max(1, positionCount - asideCount(of: positionCount))
  }

  private var fitted: Range<Int> { 0..<Self.fittedCount(of: sample.positionCount) }
  private var aside: Range<Int> {
    let count = Self.asideCount(of: sample.positionCount)
    return (count == 0 ? 0 : sample.positionCount - count)..<sample.positionCount
  }
  private var aimedRecall: Double { 1 - (1 - settings.targetRecall) * Self.missUse }

  /// The best of the rank, in each type, and of the kinds that are to be trained those that may
  /// help at the ranks above too.
  ///
  /// What training cannot add to a gate of few directions it cannot add to one of more, which is
  /// nearer to the whole gate; and a perceptron that loses to a gate of its rank loses at every
  /// rank above, since it spends two units on each direction.
  func run(
    rank: Int, training kinds: [PredictorKind], isExpert: Bool, isCancelled: () -> Bool
  ) throws(CalibrationError) -> Result {
    let trueActivity = sample.activity(aside)
    var result = Result(
      best: [], helped: [], fires: sample.firingCount(0..<sample.positionCount) > 0,
      trueActivity: trueActivity, pairCount: aside.count * sample.neuronCount)
    let isRare = isExpert && sample.positionCount < Self.leastPositions
    if isRare || trueActivity * PredictorSearch.goodEnough >= 1 {
      result.best = constant(rank: rank, bias: 1)
      return result
    }
    guard result.fires else {
      result.best = constant(rank: rank, bias: -1)
      return result
    }
    let mean = sample.mean(fitted)
    let gate = LowRankGate(
      gates: weights.gates, states: sample.centered(fitted, mean: mean), mean: mean,
      decidingBias: weights.decidingBias, weights: errorWeights, rank: rank, seed: settings.seed)
    let start = PredictorWeights(gate, variances: variances, threshold: settings.rule.threshold)
    result.best = priced(start)
    // The types are tried together: what is good enough in the smallest needs no training.
    let isGood = result.best.allSatisfy {
      $0.predictedActivity <= trueActivity * PredictorSearch.goodEnough
    }
    for kind in kinds where !isGood {
      if isCancelled() { throw .cancelled }
      let origin =
        kind == .perceptron ? PredictorWeights(doubling: start.truncated(to: rank / 2)) : start
      for (index, candidate) in priced(trained(origin)).enumerated()
      where candidate.predictedActivity < result.best[index].predictedActivity {
        let gain = 1 - candidate.predictedActivity / result.best[index].predictedActivity
        if gain > PredictorSearch.leastGain, !result.helped.contains(kind) {
          result.helped.append(kind)
        }
        result.best[index] = candidate
      }
    }
    return result
  }

  /// In each type a predictor that names every neuron, or none: scores are the bias.
  private func constant(rank: Int, bias: Float) -> [PredictorCandidate] {
    let zeros = PredictorWeights(
      kind: .lowRankGate, reduction: FloatMatrix(rank, weights.gates.width),
      expansion: FloatMatrix(sample.neuronCount, rank),
      bias: Array(repeating: bias, count: sample.neuronCount))
    return RowFormat.ofPredictors.map { format in
      PredictorCandidate(
        predictor: zeros.packed(format, targetRecall: settings.targetRecall).draft,
        byteCount: byteCount(rank, format), predictedActivity: bias > 0 ? 1 : 0)
    }
  }

  private func byteCount(_ rank: Int, _ format: RowFormat) -> Int {
    PredictorWeights.byteCount(
      rank: rank, width: weights.gates.width, neuronCount: sample.neuronCount, format: format)
  }

  /// Each neuron's answers count in units of their deviation.
  private var errorWeights: [Float] {
    let largest = variances.max() ?? 1
    return variances.map { 1 / Float(max($0, largest * 1e-6, 1e-30)).squareRoot() }
  }

  private func trained(_ origin: PredictorWeights) -> PredictorWeights {
    var start = origin
    start.expansion = origin.expansion.copy()
    // The odds that a value whose error is normal with deviation 1 is above zero are about
    // exp(1.702 * value) (Camilli, 1994).
    for index in 0..<start.expansion.count { unsafe start.expansion.values[index] *= 1.702 }
    start.bias = origin.bias.map { $0 * 1.702 }
    var training = PredictorTraining.Settings()
    training.seed = settings.seed
    let work = Double(training.batchLength) * Double(start.expansion.count + start.reduction.count)
    let steps = max(60, min(600, Int(settings.trainingWork / work)))
    let perPass = (fitted.count + training.batchLength - 1) / training.batchLength
    training.stepCount = min(steps, Self.mostPasses * perPass)
    return PredictorTraining(
      start, sample: sample, positions: fitted, pool: pool, settings: training
    ).run()
  }

  /// A predictor in each type.
  private func priced(_ weights: PredictorWeights) -> [PredictorCandidate] {
    let states = FloatMatrix(min(fitted.count, Self.balancedPositions), self.weights.gates.width)
    unsafe states.values.update(from: sample.inputs.values, count: states.count)
    let balanced = weights.balanced(over: states, seed: settings.seed)
    return RowFormat.ofPredictors.map { priced(balanced, $0, over: states) }
  }

  /// Positions that hidden values are balanced over.
  private static let balancedPositions = 1024

  /// A predictor packed, with its threshold, and what it predicts on the positions set aside.
  private func priced(
    _ weights: PredictorWeights, _ format: RowFormat, over states: FloatMatrix
  ) -> PredictorCandidate {
    var packed = weights.packed(format, targetRecall: settings.targetRecall)
    packed.correctBias(to: weights, over: states, kernels: kernels, pool: pool)
    if let threshold = PredictorThreshold.find(
      packed, sample, aside, targetRecall: aimedRecall, kernels: kernels, pool: pool)
    {
      packed.subtract(threshold: threshold)
    }
    let price = PredictorPrice(packed.draft, sample, aside, kernels: kernels, pool: pool)
    return PredictorCandidate(
      predictor: packed.draft, byteCount: byteCount(weights.rank, format),
      predictedActivity: price.predictedActivity)
  }
}
