internal import FlashKernels
internal import FlashWeights

/// One layer's lines of the certificate, over text held out from training.
struct LayerPricing {
  private var tally = PredictorTally()
  /// Of what is predicted, and of what fires.
  private(set) var predictedCurve = WindowCurve(neuronCount: 0)
  private(set) var trueCurve = WindowCurve(neuronCount: 0)

  /// Of no neurons yet.
  init() {}

  /// Adds the layer's neurons, or those of one of its experts.
  ///
  /// - Parameter predictor: nil names every neuron.
  mutating func add(
    _ predictor: PredictorDraft?, _ sample: LayerSample, kernels: Kernels, pool: WorkerPool
  ) {
    let predictor = sample.neuronCount > 0 ? predictor : nil
    let scorer = predictor.map { PredictorScorer($0, kernels: kernels, pool: pool) }
    var predicted = WindowCurve(neuronCount: sample.neuronCount)
    var fired = predicted
    for chunk in sample.chunks {
      let first = chunk.places.lowerBound
      predicted.beginChunk(tokenCount: chunk.places.count)
      fired.beginChunk(tokenCount: chunk.places.count)
      tally += PredictorTally(scorer, sample, chunk.positions) { position, neuron in
        predicted.add(neuron, token: sample.places[position] - first)
      }
      for position in chunk.positions {
        sample.forEachFiring(at: position) { neuron, _ in
          fired.add(neuron, token: sample.places[position] - first)
        }
      }
    }
    predictedCurve.add(predicted)
    trueCurve.add(fired)
  }

  var line: Certificate.Layer {
    let price = PredictorPrice(tally)
    return Certificate.Layer(
      recall: price.recall, precision: price.precision,
      weightedFalseNegatives: 1 - price.weightedRecall,
      predictedActivity: price.predictedActivity, trueActivity: price.trueActivity,
      newFractionPerWindow: predictedCurve.newFractions)
  }
}
