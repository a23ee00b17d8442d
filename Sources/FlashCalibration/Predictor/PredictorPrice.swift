internal import FlashKernels
internal import FlashWeights

/// What a predictor finds and what it costs over some positions.
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

  /// Of a predictor that names every neuron.
  init(ofAll sample: LayerSample, _ positions: Range<Int>) {
    recall = 1
    weightedRecall = 1
    trueActivity = sample.activity(positions)
    precision = trueActivity
    predictedActivity = 1
  }

  init(
    _ predictor: PredictorDraft, _ sample: LayerSample, _ positions: Range<Int>,
    kernels: Kernels, pool: WorkerPool
  ) {
    let scorer = PredictorScorer(predictor, kernels: kernels, pool: pool)
    var (predicted, found, weight, weightFound) = (0, 0, 0.0, 0.0)
    unsafe scorer.forEachPosition(positions, of: sample.inputs) { position, scores in
      for neuron in 0..<sample.neuronCount { predicted += unsafe scores[neuron] > 0 ? 1 : 0 }
      sample.forEachFiring(at: position) { neuron, contribution in
        weight += Double(contribution)
        guard unsafe scores[neuron] > 0 else { return }
        found += 1
        weightFound += Double(contribution)
      }
    }
    let firing = sample.firingCount(positions)
    recall = firing > 0 ? Double(found) / Double(firing) : 1
    weightedRecall = weight > 0 ? weightFound / weight : 1
    precision = predicted > 0 ? Double(found) / Double(predicted) : 1
    predictedActivity =
      Double(predicted) / Double(max(1, positions.count * sample.neuronCount))
    trueActivity = sample.activity(positions)
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
