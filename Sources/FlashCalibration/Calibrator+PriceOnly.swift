internal import FlashKernels
internal import FlashModel
internal import FlashWeights

/// Pricing the predictors or thresholds that a store has, without making any: those that came with
/// its model, or on another text.
extension Calibrator {
  /// Prices the store's predictors or thresholds on the pricing text and gives it the certificate.
  /// Neurons stay where they are; where nobody has counted firings, those of the text are.
  ///
  /// - Parameters: as for `run`.
  /// - Throws: `CalibrationError.nothingToPrice`, and what `run` does.
  package func priceOnly(
    isInstalled: Bool = true,
    progress: (CalibrationStage, Int, Int) -> Void = { _, _, _ in },
    isCancelled: () -> Bool = { false }
  ) throws -> Outcome {
    guard store.calibration?.isPriceable == true else {
      throw CalibrationError.nothingToPrice(store: store.path)
    }
    do {
      let thresholds = try storedThresholds()
      let (recorder, sample) = try recordPricing(
        thresholds: thresholds, progress: progress, isCancelled: isCancelled)
      let layers =
        try thresholds.map { thresholds in
          try store.manifest.bundles.indices.map { layer in
            try price(thresholds, sample, layer: layer, orderKind: .unchanged)
          }
        } ?? priceLayers(sample, progress: progress, isCancelled: isCancelled)
      let certificate = try price(
        store, layers: layers, heldByteCount: 0, progress: progress, isCancelled: isCancelled)
      if isInstalled {
        let installer = try CalibrationInstaller(store: store)
        do {
          try installer.stageAsItIs(
            counts: recorder.counts.map(\.firings), countedTokens: recorder.positionCount)
          _ = try installer.publish(certificate)
        } catch {
          installer.discard()
          throw error
        }
      }
      return Outcome(
        certificate: certificate, layers: layers.map(\.outcome),
        modelByteCount: store.modelByteCount)
    } catch DecoderError.cancelled {
      throw CalibrationError.cancelled
    }
  }

  /// One layer's predictor is in memory at a time.
  private func priceLayers(
    _ sample: ActivationSample, progress: (CalibrationStage, Int, Int) -> Void,
    isCancelled: () -> Bool
  ) throws -> [PricedLayer] {
    let pool = WorkerPool(threadCount: threadCount)
    let reader = try LayerReader(store, kernels: kernels)
    let count = store.manifest.bundles.count
    var layers: [PricedLayer] = []
    for index in 0..<count {
      progress(.predictors, index, count)
      if isCancelled() { throw CalibrationError.cancelled }
      let predictor = try store.predictor(layer: index)
      let pricing = try price(
        predictor, sample, layer: index, downNorms: try reader.downNorms(index), pool: pool)
      layers.append(PricedLayer(predictor, pricing, orderKind: .unchanged))
    }
    progress(.predictors, count, count)
    return layers
  }
}
