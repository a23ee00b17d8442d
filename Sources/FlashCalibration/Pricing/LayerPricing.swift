internal import FlashKernels
internal import FlashWeights

/// One layer's lines of the certificate, over text held out from training.
struct LayerPricing {
  let price: PredictorPrice
  /// Of what is predicted, and of what fires.
  let predictedCurve: WindowCurve
  let trueCurve: WindowCurve

  init(
    _ predictor: PredictorDraft?, _ sample: LayerSample, kernels: Kernels, pool: WorkerPool
  ) {
    let positions = 0..<sample.positionCount
    var trueCurve = WindowCurve(neuronCount: sample.neuronCount)
    Self.forEachChunk(of: sample) { chunk in
      trueCurve.beginChunk(tokenCount: chunk.count)
      for position in chunk {
        sample.forEachFiring(at: position) { neuron, _ in trueCurve.add(neuron) }
        trueCurve.endToken()
      }
    }
    self.trueCurve = trueCurve
    var curve = WindowCurve(neuronCount: sample.neuronCount)
    guard let predictor, sample.neuronCount > 0 else {
      price = PredictorPrice(ofAll: sample, positions)
      Self.forEachChunk(of: sample) { chunk in
        curve.beginChunk(tokenCount: chunk.count)
        for _ in chunk {
          for neuron in 0..<sample.neuronCount { curve.add(neuron) }
          curve.endToken()
        }
      }
      predictedCurve = curve
      return
    }
    price = PredictorPrice(predictor, sample, positions, kernels: kernels, pool: pool)
    let scorer = PredictorScorer(predictor, kernels: kernels, pool: pool)
    Self.forEachChunk(of: sample) { chunk in
      curve.beginChunk(tokenCount: chunk.count)
      unsafe scorer.forEachPosition(chunk, of: sample.inputs) { _, scores in
        for neuron in 0..<sample.neuronCount where unsafe scores[neuron] > 0 {
          curve.add(neuron)
        }
        curve.endToken()
      }
    }
    predictedCurve = curve
  }

  private static func forEachChunk(of sample: LayerSample, _ body: (Range<Int>) -> Void) {
    let starts = sample.chunkStarts.filter { $0 < sample.positionCount }
    for (index, start) in starts.enumerated() {
      body(start..<(index + 1 < starts.count ? starts[index + 1] : sample.positionCount))
    }
  }

  var line: Certificate.Layer {
    Certificate.Layer(
      recall: price.recall, precision: price.precision,
      weightedFalseNegatives: 1 - price.weightedRecall,
      predictedActivity: price.predictedActivity, trueActivity: price.trueActivity,
      newFractionPerWindow: predictedCurve.newFractions)
  }
}
