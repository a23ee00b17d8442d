internal import FlashKernels
internal import FlashWeights

/// What predictors name and miss, in (position, neuron) pairs: sums of it are of all their neurons.
struct PredictorTally {
  var pairs = 0
  var firing = 0
  var predicted = 0
  /// Pairs that fire and were predicted.
  var found = 0
  /// Contributions of those that fire, and of those that were found.
  var weight = 0.0
  var weightFound = 0.0

  /// - Parameters:
  ///   - scorer: nil names every neuron.
  ///   - note: told of every position's neurons that are named, ascending.
  init(
    _ scorer: PredictorScorer?, _ sample: LayerSample, _ positions: Range<Int>,
    note: (_ position: Int, _ neuron: Int) -> Void
  ) {
    pairs = positions.count * sample.neuronCount
    firing = sample.firingCount(positions)
    guard let scorer else {
      (predicted, found) = (pairs, firing)
      for position in positions { for neuron in 0..<sample.neuronCount { note(position, neuron) } }
      return
    }
    unsafe scorer.forEachPosition(positions, of: sample.inputs) { position, scores in
      for neuron in 0..<sample.neuronCount where unsafe scores[neuron] > 0 {
        predicted += 1
        note(position, neuron)
      }
      sample.forEachFiring(at: position) { neuron, contribution in
        weight += Double(contribution)
        guard unsafe scores[neuron] > 0 else { return }
        found += 1
        weightFound += Double(contribution)
      }
    }
  }

  /// Of nothing.
  init() {}

  static func += (sum: inout PredictorTally, other: PredictorTally) {
    sum.pairs += other.pairs
    sum.firing += other.firing
    sum.predicted += other.predicted
    sum.found += other.found
    sum.weight += other.weight
    sum.weightFound += other.weightFound
  }
}

/// What predictors find and what they cost over some positions.
struct PredictorPrice: Equatable {
  /// Of the pairs that fire, those that were predicted.
  var recall: Double
  /// The same with each pair weighing its contribution.
  var weightedRecall: Double
  /// Of the pairs that were predicted, those that fire.
  var precision: Double
  /// Pairs that were predicted, and pairs that fire, of all.
  var predictedActivity: Double
  var trueActivity: Double

  init(_ tally: PredictorTally) {
    func part(_ count: Int, of all: Int) -> Double { all > 0 ? Double(count) / Double(all) : 1 }
    recall = part(tally.found, of: tally.firing)
    weightedRecall = tally.weight > 0 ? tally.weightFound / tally.weight : 1
    precision = part(tally.found, of: tally.predicted)
    predictedActivity = part(tally.predicted, of: tally.pairs)
    trueActivity = Double(tally.firing) / Double(max(1, tally.pairs))
  }

  init(
    _ predictor: PredictorDraft, _ sample: LayerSample, _ positions: Range<Int>,
    kernels: Kernels, pool: WorkerPool
  ) {
    let scorer = PredictorScorer(predictor, kernels: kernels, pool: pool)
    self.init(PredictorTally(scorer, sample, positions) { _, _ in })
  }
}

/// Chooses a predictor's threshold.
enum PredictorThreshold {
  /// The largest threshold at which scores above it hold the target part of all contributions.
  ///
  /// Nil where nothing fires.
  static func find(
    _ predictor: PackedPredictor, _ sample: LayerSample, _ positions: Range<Int>,
    targetRecall: Double, kernels: Kernels, pool: WorkerPool
  ) -> Float? {
    var firings: [(score: Float, weight: Float)] = []
    firings.reserveCapacity(sample.firingCount(positions))
    let scorer = PredictorScorer(predictor.draft, kernels: kernels, pool: pool)
    unsafe scorer.forEachPosition(positions, of: sample.inputs) { position, scores in
      sample.forEachFiring(at: position) { neuron, contribution in
        firings.append((unsafe scores[neuron] * predictor.scales[neuron], contribution))
      }
    }
    firings.sort { $0.score > $1.score }
    let total = firings.reduce(0.0) { $0 + Double($1.weight) }
    var sum = 0.0
    for firing in firings {
      sum += Double(firing.weight)
      guard sum >= targetRecall * total else { continue }
      // A little lower, because the threshold becomes part of a bias and is rounded with it.
      return firing.score - max(abs(firing.score), 1e-3) * 1e-5
    }
    return firings.last?.score
  }
}
