internal import FlashWeights

/// One layer's line of the certificate where neurons pass a threshold, over text held out from
/// training: what fires is computed, no more and no less.
struct ThresholdPricing {
  private var pairCount = 0
  private var firingCount = 0
  private(set) var curve = WindowCurve(neuronCount: 0)
  /// Of the contributions of all pairs, those that fire.
  let keptPart: Double

  init(keptPart: Double) { self.keptPart = keptPart }

  /// Adds the layer's neurons, or those of one of its experts.
  mutating func add(_ sample: LayerSample) {
    pairCount += sample.positionCount * sample.neuronCount
    firingCount += sample.firingCount(0..<sample.positionCount)
    var own = WindowCurve(neuronCount: sample.neuronCount)
    for chunk in sample.chunks {
      own.beginChunk(tokenCount: chunk.places.count)
      for position in chunk.positions {
        sample.forEachFiring(at: position) { neuron, _ in
          own.add(neuron, token: sample.places[position] - chunk.places.lowerBound)
        }
      }
    }
    curve.add(own)
  }

  var line: Certificate.Layer {
    let activity = Double(firingCount) / Double(max(1, pairCount))
    return Certificate.Layer(
      recall: 1, precision: 1, weightedFalseNegatives: 1 - keptPart, predictedActivity: activity,
      trueActivity: activity, newFractionPerWindow: curve.newFractions)
  }
}
