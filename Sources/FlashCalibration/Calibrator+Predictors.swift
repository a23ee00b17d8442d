internal import FlashKernels
internal import FlashWeights

/// Making predictors and orders of what was recorded.
extension Calibrator {
  /// A layer as it will be, and what it costs on the pricing text.
  struct CalibratedLayer {
    var draft: LayerDraft
    var priced: PricedLayer
  }

  /// What a layer's predictor or threshold is and costs; the predictor itself is elsewhere.
  struct PricedLayer {
    var kind: PredictorKind
    var rank: Int
    var format: RowFormat?
    var byteCount: Int
    var threshold: Float?
    var line: Certificate.Layer
    /// Of what is computed, and of what fires.
    var computedCurve: WindowCurve
    var trueCurve: WindowCurve
    var orderKind: NeuronOrderKind

    init(_ predictor: PredictorDraft?, _ pricing: LayerPricing, orderKind: NeuronOrderKind) {
      kind = predictor?.kind ?? .all
      rank = predictor?.rank ?? 0
      format = predictor?.reduction.format
      byteCount =
        predictor.map {
          $0.reduction.bytes.count + $0.expansion.bytes.count + 4 * $0.bias.count
        } ?? 0
      line = pricing.line
      computedCurve = pricing.predictedCurve
      trueCurve = pricing.trueCurve
      self.orderKind = orderKind
    }

    init(threshold: Float?, _ pricing: ThresholdPricing, orderKind: NeuronOrderKind) {
      (kind, rank, byteCount) = (.all, 0, 0)
      self.threshold = threshold
      line = pricing.line
      computedCurve = pricing.curve
      trueCurve = pricing.curve
      self.orderKind = orderKind
    }

    var outcome: LayerOutcome {
      LayerOutcome(
        kind: kind, rank: rank, format: format, threshold: threshold, order: orderKind,
        trueNewFractionPerWindow: trueCurve.newFractions)
    }
  }

  func makePredictors(
    _ recording: Recording, progress: (CalibrationStage, Int, Int) -> Void,
    isCancelled: () -> Bool
  ) throws -> [CalibratedLayer] {
    let pool = WorkerPool(threadCount: threadCount)
    let reader = try LayerReader(store, kernels: kernels)
    let bundles = store.manifest.bundles
    var candidates: [[PredictorCandidate]] = []
    var orders: [(places: [Int]?, kind: NeuronOrderKind)] = []
    var trueActivities: [Double] = []
    var downNorms: [[Float]] = []
    for index in bundles.indices {
      progress(.predictors, index, bundles.count)
      if isCancelled() { throw CalibrationError.cancelled }
      let source = SubjectSource(recording, layer: index, bundles[index], reader)
      candidates.append(
        try search(source, recording, layer: index, pool).candidates(isCancelled: isCancelled))
      let arranged = try arrange(source, recording.training.counts[index], layer: index)
      orders.append(arranged.order)
      trueActivities.append(arranged.activity)
      downNorms.append(arranged.downNorms)
    }
    progress(.predictors, bundles.count, bundles.count)
    let chosen = RankAllocation.choose(
      candidates, trueActivities: trueActivities,
      bundleByteCounts: bundles.indices.map(byteCountOfToken), budget: budget)
    return try bundles.indices.map { index in
      let predictor = candidates[index][chosen[index]].predictor
      let pricing = try price(
        predictor, recording.pricingSample, layer: index, downNorms: downNorms[index], pool: pool)
      return CalibratedLayer(
        draft: LayerDraft(
          predictor: predictor, counts: recording.training.counts[index].firings,
          order: orders[index].places),
        priced: PricedLayer(predictor, pricing, orderKind: orders[index].kind))
    }
  }

  private static let defaultRecall = 0.99

  /// Bytes of the bundles that a token may use of a layer.
  private func byteCountOfToken(layer: Int) -> Int {
    let bundle = store.manifest.bundles[layer]
    return bundle.payloadByteCount / max(1, bundle.neuronCount)
      * store.configuration.neuronsPerToken(layer: layer)
  }

  private func search(
    _ source: SubjectSource, _ recording: Recording, layer: Int, _ pool: WorkerPool
  ) -> PredictorSearch {
    let bundle = store.manifest.bundles[layer]
    let experts = bundle.neuronsByExpert.indices
    guard let rule else { preconditionFailure("what is predicted fires by a rule") }
    var settings = PredictorSearch.Settings(
      targetRecall: options.targetRecall ?? Self.defaultRecall, byteLimit: byteLimit,
      seed: seed(ofLayer: layer),
      rule: rule)
    settings.trainingWork /= Double(experts.count)
    return PredictorSearch(
      settings: settings, width: bundle.width, neuronCount: bundle.neuronsPerExpert,
      positionCount: experts.map {
        recording.trainingSample.positionCount(layer: layer, expert: $0)
      }.max() ?? 0,
      subjectCount: experts.count, subject: source.subject, kernels: kernels, pool: pool)
  }

  /// The order of a layer's neurons, inside each expert, the part of them that fires, and the norms
  /// of their down rows.
  func arrange(
    _ source: SubjectSource, _ counts: SampleRecorder.Counts, layer: Int
  ) throws -> (
    order: (places: [Int]?, kind: NeuronOrderKind), activity: Double, downNorms: [Float]
  ) {
    var order: [Int] = []
    var norms: [Float] = []
    var kinds: Set<NeuronOrderKind> = []
    var (firing, pairs) = (0, 0)
    let bundle = store.manifest.bundles[layer]
    for (expert, neurons) in bundle.neuronsByExpert.enumerated() {
      let subject = try source.subject(expert)
      let sample = subject.sample
      let own = NeuronOrder(
        sample: sample, layout: bundle.experts[expert], counts: Array(counts.firings[neurons]),
        countedPositions: counts.uses[expert], seed: seed(ofLayer: layer)
      ).order()
      order += own.places?.map { neurons.lowerBound + $0 } ?? Array(neurons)
      kinds.insert(own.kind)
      norms += subject.weights.downNorms
      firing += sample.firingCount(0..<sample.positionCount)
      pairs += sample.positionCount * neurons.count
    }
    let kind: NeuronOrderKind =
      kinds.contains(.coactivation) ? .coactivation : kinds.contains(.heat) ? .heat : .unchanged
    return (
      (kind == .unchanged ? nil : order, kind), Double(firing) / Double(max(1, pairs)), norms
    )
  }

  /// What a layer's predictor finds and costs over a sample; nil names every neuron.
  func price(
    _ predictor: PredictorDraft?, _ sample: ActivationSample, layer: Int, downNorms: [Float],
    pool: WorkerPool
  ) throws -> LayerPricing {
    let experts = store.manifest.bundles[layer].neuronsByExpert
    var pricing = LayerPricing()
    for (expert, neurons) in experts.enumerated() {
      pricing.add(
        predictor?.expert(expert, of: experts.count),
        try sample.load(layer: layer, expert: expert, downNorms: Array(downNorms[neurons])),
        kernels: kernels, pool: pool)
    }
    return pricing
  }

  /// Layers draw apart.
  private func seed(ofLayer layer: Int) -> UInt64 {
    var random = SeededRandom(seed: options.seed &+ UInt64(layer) &* 0x9E37_79B9)
    return random.next()
  }
}

/// What predictors of a layer are made from: its weights and what it did in the training text, or
/// those of its experts one by one. The last is kept, so that a layer without experts is read once.
final class SubjectSource {
  private let recording: Calibrator.Recording
  private let layer: Int
  private let bundle: BundleLayout
  private let reader: LayerReader
  private var last: (expert: Int, subject: PredictorSubject)?

  init(
    _ recording: Calibrator.Recording, layer: Int, _ bundle: BundleLayout, _ reader: LayerReader
  ) {
    self.recording = recording
    self.layer = layer
    self.bundle = bundle
    self.reader = reader
  }

  func subject(_ expert: Int) throws -> PredictorSubject {
    if let last, last.expert == expert { return last.subject }
    last = nil
    let counts = recording.training.counts[layer]
    let weights = try reader.layer(layer, expert: expert)
    let subject = PredictorSubject(
      sample: try recording.trainingSample.load(
        layer: layer, expert: expert, downNorms: weights.downNorms),
      weights: weights,
      variances: bundle.neuronsByExpert[expert].map {
        counts.variance($0, positionCount: counts.uses[expert])
      })
    last = (expert, subject)
    return subject
  }
}
