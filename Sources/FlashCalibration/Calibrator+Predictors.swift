internal import FlashKernels
internal import FlashWeights

/// Making predictors and orders of what was recorded.
extension Calibrator {
  /// A layer as it will be, and what it costs on the pricing text.
  struct CalibratedLayer {
    var draft: LayerDraft
    var priced: PricedLayer
  }

  /// What a layer's predictor is and costs; the predictor itself is elsewhere.
  struct PricedLayer {
    var kind: PredictorKind
    var rank: Int
    var format: RowFormat?
    var byteCount: Int
    var pricing: LayerPricing
    var orderKind: NeuronOrderKind

    init(_ predictor: PredictorDraft?, _ pricing: LayerPricing, orderKind: NeuronOrderKind) {
      kind = predictor?.kind ?? .all
      rank = predictor?.reduction.rowCount ?? 0
      format = predictor?.reduction.format
      byteCount =
        predictor.map {
          $0.reduction.bytes.count + $0.expansion.bytes.count + 4 * $0.bias.count
        } ?? 0
      self.pricing = pricing
      self.orderKind = orderKind
    }

    var outcome: LayerOutcome {
      LayerOutcome(
        kind: kind, rank: rank, format: format, order: orderKind,
        trueNewFractionPerWindow: pricing.trueCurve.newFractions)
    }
  }

  func makePredictors(
    _ recording: Recording, progress: (CalibrationStage, Int, Int) -> Void,
    isCancelled: () -> Bool
  ) throws -> [CalibratedLayer] {
    let pool = WorkerPool(threadCount: threadCount)
    let reader = try LayerReader(store, kernels: kernels)
    let bundles = store.manifest.bundles
    let tokenCount = recording.training.positionCount
    var candidates: [[PredictorCandidate]] = []
    var orders: [(places: [Int]?, kind: NeuronOrderKind)] = []
    var trueActivities: [Double] = []
    var downNorms: [[Float]] = []
    for index in bundles.indices {
      progress(.predictors, index, bundles.count)
      if isCancelled() { throw CalibrationError.cancelled }
      let weights = try reader.layer(index)
      let sample = try recording.trainingSample.load(layer: index, downNorms: weights.downNorms)
      let counts = recording.training.counts[index]
      let search = PredictorSearch(
        settings: PredictorSearch.Settings(
          targetRecall: options.targetRecall, byteLimit: byteLimit, seed: seed(ofLayer: index),
          rule: rule),
        sample: sample, weights: weights,
        variances: counts.firings.indices.map {
          counts.variance($0, positionCount: tokenCount)
        }, kernels: kernels, pool: pool)
      candidates.append(try search.candidates(isCancelled: isCancelled))
      orders.append(
        NeuronOrder(
          sample: sample, layout: bundles[index], counts: counts.firings,
          countedPositions: tokenCount, seed: seed(ofLayer: index)
        ).order())
      downNorms.append(weights.downNorms)
      trueActivities.append(sample.activity(0..<sample.positionCount))
    }
    progress(.predictors, bundles.count, bundles.count)
    let chosen = RankAllocation.choose(
      candidates, trueActivities: trueActivities,
      bundleByteCounts: bundles.map(\.payloadByteCount), budget: budget)
    return try bundles.indices.map { index in
      let predictor = candidates[index][chosen[index]].predictor
      let sample = try recording.pricingSample.load(layer: index, downNorms: downNorms[index])
      return CalibratedLayer(
        draft: LayerDraft(
          predictor: predictor, counts: recording.training.counts[index].firings,
          order: orders[index].places),
        priced: PricedLayer(
          predictor, LayerPricing(predictor, sample, kernels: kernels, pool: pool),
          orderKind: orders[index].kind))
    }
  }

  /// Layers draw apart.
  private func seed(ofLayer layer: Int) -> UInt64 {
    var random = SeededRandom(seed: options.seed &+ UInt64(layer) &* 0x9E37_79B9)
    return random.next()
  }
}
