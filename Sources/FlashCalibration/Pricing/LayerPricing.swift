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
    let positions = 0..<sample.positionCount
    trueCurve.add(
      Self.curve(of: sample) { positions, note in
        for position in positions {
          sample.forEachFiring(at: position) { neuron, _ in note(position, neuron) }
        }
      })
    let predictor = sample.neuronCount > 0 ? predictor : nil
    tally += PredictorTally(predictor, sample, positions, kernels: kernels, pool: pool)
    guard let predictor else {
      predictedCurve.add(
        Self.curve(of: sample) { positions, note in
          for position in positions {
            for neuron in 0..<sample.neuronCount { note(position, neuron) }
          }
        })
      return
    }
    let scorer = PredictorScorer(predictor, kernels: kernels, pool: pool)
    predictedCurve.add(
      Self.curve(of: sample) { positions, note in
        unsafe scorer.forEachPosition(positions, of: sample.inputs) { position, scores in
          for neuron in 0..<sample.neuronCount where unsafe scores[neuron] > 0 {
            note(position, neuron)
          }
        }
      })
  }

  /// The curve of the neurons that `body` notes, with their positions, of each chunk's positions.
  private static func curve(
    of sample: LayerSample, _ body: (Range<Int>, (Int, Int) -> Void) -> Void
  ) -> WindowCurve {
    var curve = WindowCurve(neuronCount: sample.neuronCount)
    for chunk in sample.chunks {
      curve.beginChunk(tokenCount: chunk.places.count)
      body(chunk.positions) { position, neuron in
        curve.add(neuron, token: sample.places[position] - chunk.places.lowerBound)
      }
    }
    return curve
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
