package import FlashKernels
package import FlashWeights

/// Drafts and certificates as tests install them, without any training.
package enum TestCalibration {
  /// Random predictors of rank 32 in one format, of both kinds in turn; the last layer of a model
  /// of three or more has none. Orders are shuffled where asked for, inside
  /// each expert.
  ///
  /// - Parameter shift: added to every bias: large ones make everything fire, or nothing.
  package static func draft(
    _ store: WeightStore, seed: UInt64, format: RowFormat = .f16, shift: Float = 0,
    reorders: Bool = true
  ) -> CalibrationDraft {
    var generator = SplitMix(seed: seed)
    let width = store.configuration.width
    let rank = LayerCalibration.rankUnit
    var layers: [LayerDraft] = []
    for (index, bundle) in store.manifest.bundles.enumerated() {
      let neurons = bundle.neuronCount
      let experts = bundle.expertCount ?? 1
      func rows(_ count: Int, _ width: Int, _ format: RowFormat) -> PackedRows {
        PackedRows(
          values: (0..<count * width).map { _ in generator.signed() }, rowCount: count,
          width: width, format: format)
      }
      let hasPredictor = index == 0 || index + 1 < store.manifest.bundles.count || index < 2
      let predictor = PredictorDraft(
        kind: index % 2 == 0 ? .perceptron : .lowRankGate, targetRecall: 0.99,
        reduction: rows(
          experts * rank, width, format.fits(width: width) ? format : .f16),
        expansion: rows(neurons, rank, format),
        bias: (0..<neurons).map { _ in generator.signed() + shift })
      layers.append(
        LayerDraft(
          predictor: hasPredictor ? predictor : nil,
          counts: (0..<neurons).map { _ in UInt32(generator.below(1000)) },
          order: reorders
            ? (0..<experts).flatMap { expert in
              let first = expert * bundle.neuronsPerExpert
              return Array(first..<first + bundle.neuronsPerExpert).shuffled(using: &generator)
            } : nil))
    }
    return CalibrationDraft(layers: layers, countedTokens: 1000, generator: "tests")
  }

  /// The same threshold for every layer that has neurons; counts and orders by the seed.
  package static func thresholds(
    _ store: WeightStore, _ threshold: Float, seed: UInt64, reorders: Bool = true
  ) -> CalibrationDraft {
    var draft = draft(store, seed: seed, reorders: reorders)
    for layer in draft.layers.indices {
      draft.layers[layer].predictor = nil
      draft.layers[layer].threshold = draft.layers[layer].counts.isEmpty ? nil : threshold
    }
    return draft
  }

  /// A certificate whose numbers are made up.
  package static func certificate(
    _ store: WeightStore, mode: Certificate.Mode? = nil
  ) -> Certificate {
    let curve = (1...Certificate.windowCount).map { 1 / Double($0) }
    let layer = Certificate.Layer(
      recall: 0.99, precision: 0.75, weightedFalseNegatives: 0.004, predictedActivity: 0.12,
      trueActivity: 0.08, newFractionPerWindow: curve)
    var certificate = Certificate(
      layers: store.manifest.bundles.map { _ in layer },
      densePerplexity: .init(value: 20, standardError: 0.5),
      predictedPerplexity: .init(value: 20.12, standardError: 0.5), meanKLDivergence: 0.004,
      p99KLDivergence: 0.05, topTokenAgreement: 0.979,
      newBytesPerToken: curve.map { $0 * 1_000_000 }, newFractionPerWindow: curve,
      predictorByteCount: 1000, predictorTimeShare: 0.03, trainingTokens: 1000,
      pricingTokens: 8192, seed: 7, trainingTextDigest: "a", pricingTextDigest: "b",
      textName: "made-up.txt")
    certificate.mode = mode
    return certificate
  }

  /// Installs a draft and its certificate into a store and opens it again.
  package static func install(
    _ draft: CalibrationDraft, in store: WeightStore
  ) throws -> WeightStore {
    let installer = try CalibrationInstaller(store: store)
    _ = try installer.stage(draft)
    let hasThresholds = draft.layers.contains { $0.threshold != nil }
    _ = try installer.publish(certificate(store, mode: hasThresholds ? .threshold : nil))
    return try WeightStore.open(store.path)
  }
}
