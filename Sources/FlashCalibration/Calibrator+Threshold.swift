internal import FlashKernels
internal import FlashModel
internal import FlashWeights

/// Thresholds of models without silent neurons, and the order of what passes them (CATS: Lee et
/// al., arXiv 2404.08763).
extension Calibrator {
  /// Each layer's threshold, and what measures the price: contributions over the pricing text.
  struct RecordedThresholds {
    /// Nil where a layer has no neurons.
    var values: [Float?]
    var pricing: MagnitudeMeter
    /// Of all layers' neurons.
    var downNorms: [[Float]]
  }

  /// Positions of the training text that thresholds are chosen from: of a layer of 1,536 neurons
  /// they are six million magnitudes.
  private static let meteredPositions = 4096

  /// Thresholds for what the options ask for; nil where neurons are silent without any.
  func makeThresholds(
    progress: (CalibrationStage, Int, Int) -> Void, isCancelled: () -> Bool
  ) throws -> RecordedThresholds? {
    guard mode == .threshold else { return nil }
    let downNorms = try downNorms()
    let meter = meter(downNorms)
    try run(
      [(Self.thinned(text.training, Self.meteredPositions), meter)],
      progress: { progress(.thresholds, $0, $1) }, isCancelled: isCancelled)
    let configuration = store.configuration
    let choice = ThresholdChoice(
      layers: meter.layers,
      neuronCounts: store.manifest.bundles.indices.map {
        configuration.neuronsPerToken(layer: $0)
      })
    return RecordedThresholds(
      values: choice.thresholds(
        options.targetRecall.map { .kept($0) } ?? .active(options.activity)),
      pricing: self.meter(downNorms), downNorms: downNorms)
  }

  /// Those of the store; nil where it has none.
  func storedThresholds() throws -> RecordedThresholds? {
    guard mode == .threshold, let calibration = store.calibration else { return nil }
    let downNorms = try downNorms()
    return RecordedThresholds(
      values: calibration.layers.map { $0.threshold.map { Float($0) } },
      pricing: meter(downNorms), downNorms: downNorms)
  }

  private func downNorms() throws -> [[Float]] {
    let reader = try LayerReader(store, kernels: kernels)
    return try store.manifest.bundles.indices.map { try reader.downNorms($0) }
  }

  private func meter(_ downNorms: [[Float]]) -> MagnitudeMeter {
    MagnitudeMeter(
      activation: store.configuration.activation, downNorms: downNorms, kernels: kernels)
  }

  /// Layers with their thresholds, and the neurons that pass them most first.
  func arrangeLayers(
    _ recording: Recording, progress: (CalibrationStage, Int, Int) -> Void,
    isCancelled: () -> Bool
  ) throws -> [CalibratedLayer] {
    guard let thresholds = recording.thresholds else {
      preconditionFailure("thresholds were made")
    }
    let reader = try LayerReader(store, kernels: kernels)
    let bundles = store.manifest.bundles
    return try bundles.indices.map { layer in
      progress(.order, layer + 1, bundles.count)
      if isCancelled() { throw CalibrationError.cancelled }
      let counts = recording.training.counts[layer]
      let order = try arrange(
        SubjectSource(recording, layer: layer, bundles[layer], reader), counts, layer: layer
      ).order
      return CalibratedLayer(
        draft: LayerDraft(
          predictor: nil, threshold: thresholds.values[layer], counts: counts.firings,
          order: order.places),
        priced: try price(
          thresholds, recording.pricingSample, layer: layer, orderKind: order.kind))
    }
  }

  /// What a layer's threshold leaves over the pricing text.
  func price(
    _ thresholds: RecordedThresholds, _ sample: ActivationSample, layer: Int,
    orderKind: NeuronOrderKind
  ) throws -> PricedLayer {
    let threshold = thresholds.values[layer]
    var pricing = ThresholdPricing(
      keptPart: thresholds.pricing.layers[layer].keptPart(above: threshold ?? 0))
    for (expert, neurons) in store.manifest.bundles[layer].neuronsByExpert.enumerated() {
      pricing.add(
        try sample.load(
          layer: layer, expert: expert, downNorms: Array(thresholds.downNorms[layer][neurons])))
    }
    return PricedLayer(threshold: threshold, pricing, orderKind: orderKind)
  }
}
