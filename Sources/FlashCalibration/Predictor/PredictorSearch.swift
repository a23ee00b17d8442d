internal import FlashKernels
internal import FlashWeights

/// A predictor of one layer that could be shipped; nil names every neuron.
struct PredictorCandidate {
  var predictor: PredictorDraft?
  var byteCount: Int
  /// Of the neurons, mean over the positions set aside, at the target recall.
  var predictedActivity: Double

  static let all = PredictorCandidate(predictor: nil, byteCount: 0, predictedActivity: 1)
}

/// Makes and prices predictors of one layer: low-rank gates, the same trained as a classifier, and
/// perceptrons, of growing rank, in the types a predictor may have.
struct PredictorSearch {
  struct Settings {
    var targetRecall: Double
    /// The most bytes one layer's predictor may take.
    var byteLimit: Int
    var seed: UInt64
    var rule: FiringRule
  }

  let settings: Settings
  let sample: LayerSample
  let weights: LayerReader.Layer
  /// Of the pre-activations over all training positions, `[neurons]`.
  let variances: [Double]
  let kernels: Kernels
  let pool: WorkerPool

  /// Of the training positions the last fifth chooses thresholds and kinds.
  private static let asideFraction = 0.2
  /// Of what the target allows to miss, the part that is used on the positions set aside: other
  /// text is missed a little more.
  private static let missUse = 0.8
  /// Predicted over true activity from which on nothing is left to gain.
  private static let goodEnough = 1.15
  /// A rank that does not save this part of the predicted activity ends the search, and a training
  /// that does not is not tried again.
  private static let leastGain = 0.02
  /// Multiplications of one training; wider layers get fewer steps.
  private static let trainingWork = 1e10
  /// The most often that a training sees a position: few positions are learned by heart.
  private static let mostPasses = 24

  private var fitted: Range<Int> { 0..<max(1, sample.positionCount - asideCount) }
  private var aside: Range<Int> {
    asideCount == 0
      ? 0..<sample.positionCount : sample.positionCount - asideCount..<sample.positionCount
  }
  private var asideCount: Int { Int(Double(sample.positionCount) * Self.asideFraction) }
  private var aimedRecall: Double { 1 - (1 - settings.targetRecall) * Self.missUse }

  /// Candidates of rising size and falling activity; `all` is among them.
  ///
  /// - Parameter isCancelled: asked between trainings.
  /// - Throws: `CalibrationError.cancelled`.
  func candidates(isCancelled: () -> Bool) throws(CalibrationError) -> [PredictorCandidate] {
    guard sample.neuronCount > 0 else { return [.all] }
    guard sample.firingCount(0..<sample.positionCount) > 0 else { return [none] }
    let trueActivity = sample.activity(aside)
    guard trueActivity * Self.goodEnough < 1 else { return [.all] }
    var found = [PredictorCandidate.all]
    var best = 1.0
    var kinds: [PredictorKind] = [.lowRankGate, .perceptron]
    for rank in ranks {
      let (made, helped) = try candidates(
        rank: rank, trueActivity, training: kinds, isCancelled: isCancelled)
      found += made.filter { $0.byteCount <= settings.byteLimit }
      kinds = helped
      let activity = made.map(\.predictedActivity).min() ?? 1
      if activity <= trueActivity * Self.goodEnough { break }
      if rank > 32, activity > best * (1 - Self.leastGain) { break }
      best = min(best, activity)
    }
    return Self.frontier(found)
  }

  /// 32, 64, 96, 128, 192, 256 and so on, as far as the bytes of the smallest type allow, and no
  /// more than positions have directions.
  private var ranks: [Int] {
    let sides = min(weights.gates.width, weights.gates.neuronCount, fitted.count)
    let most = max(32, sides / 32 * 32)
    var ranks: [Int] = []
    for power in 0..<12 {
      ranks += power == 0 ? [32] : [32 << power, 48 << power]
    }
    return ranks.filter { $0 <= most && byteCount($0, .q4_0) <= settings.byteLimit }
  }

  private func byteCount(_ rank: Int, _ format: RowFormat) -> Int {
    PredictorWeights.byteCount(
      rank: rank, width: weights.gates.width, neuronCount: sample.neuronCount, format: format)
  }

  /// Names no neuron, for a layer in which none fired.
  private var none: PredictorCandidate {
    let zeros = PredictorWeights(
      kind: .lowRankGate, reduction: FloatMatrix(32, weights.gates.width),
      expansion: FloatMatrix(sample.neuronCount, 32),
      bias: Array(repeating: -1, count: sample.neuronCount))
    return PredictorCandidate(
      predictor: zeros.packed(.q4_0, targetRecall: settings.targetRecall).draft,
      byteCount: byteCount(32, .q4_0), predictedActivity: 0)
  }

  /// The best of one rank, in each type, and of the kinds that are to be trained those that may
  /// help at the ranks above too.
  ///
  /// What training cannot add to a gate of few directions it cannot add to one of more, which is
  /// nearer to the whole gate; and a perceptron that loses to a gate of its rank loses at every
  /// rank above, since it spends two units on each direction.
  private func candidates(
    rank: Int, _ trueActivity: Double, training kinds: [PredictorKind], isCancelled: () -> Bool
  ) throws(CalibrationError) -> (best: [PredictorCandidate], helped: [PredictorKind]) {
    let mean = sample.mean(fitted)
    let gate = LowRankGate(
      gates: weights.gates, states: sample.centered(fitted, mean: mean), mean: mean,
      decidingBias: weights.decidingBias, weights: errorWeights, rank: rank, seed: settings.seed)
    let start = PredictorWeights(gate, variances: variances, threshold: settings.rule.threshold)
    var best = priced(start)
    // The types are tried together: what is good enough in the smallest needs no training.
    let isGood = best.allSatisfy { $0.predictedActivity <= trueActivity * Self.goodEnough }
    var helped: [PredictorKind] = []
    for kind in kinds where !isGood {
      if isCancelled() { throw .cancelled }
      let origin =
        kind == .perceptron ? PredictorWeights(doubling: start.truncated(to: rank / 2)) : start
      for (index, candidate) in priced(trained(origin)).enumerated()
      where candidate.predictedActivity < best[index].predictedActivity {
        let gain = 1 - candidate.predictedActivity / best[index].predictedActivity
        if gain > Self.leastGain, !helped.contains(kind) { helped.append(kind) }
        best[index] = candidate
      }
    }
    return (best, helped)
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
    let steps = max(60, min(600, Int(Self.trainingWork / work)))
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

  /// Those that no smaller one beats, smallest first.
  static func frontier(_ candidates: [PredictorCandidate]) -> [PredictorCandidate] {
    var kept: [PredictorCandidate] = []
    for candidate in candidates.sorted(by: {
      ($0.byteCount, $0.predictedActivity) < ($1.byteCount, $1.predictedActivity)
    }) where candidate.predictedActivity < kept.last?.predictedActivity ?? .infinity {
      kept.append(candidate)
    }
    return kept
  }
}

extension RowFormat {
  /// Types that predictors are stored in, the most exact first.
  static let ofPredictors: [RowFormat] = [.q8_0, .q4_0]
}
