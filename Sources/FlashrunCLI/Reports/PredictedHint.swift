internal import FlashIO
internal import FlashModel
internal import FlashWeights
internal import FlashWindow

/// What `--sparsity predicted` would save a run that chose a lossless mode by itself.
package struct PredictedHint: Equatable, Sendable {
  /// Bytes read for a token as the run is, over those that `predicted` would read.
  package let factor: Double
  private let perplexityChange: Double

  /// Savings under which nothing is said.
  private static let leastFactor = 1.2

  /// Nil for a store without a certificate, where `predicted` does not fit the limit, and where it
  /// would read hardly less. Reads no weight.
  init?(_ store: WeightStore, options: DecoderOptions, plan: MemoryPlan, mode: SparsityMode) {
    guard mode != .predicted, let certificate = store.calibration?.certificate else { return nil }
    var predicted = options
    predicted.sparsity = .predicted
    predicted.contextLength = plan.contextLength
    guard let other = try? Decoder.plan(store: store, options: predicted).plan else { return nil }
    let manifest = store.manifest
    let now = plan.expectedByteCount(
      manifest, certificate, activity: certificate.trueActivity)
    let then = other.expectedByteCount(
      manifest, certificate, activity: certificate.predictedActivity)
    factor = now / max(then, 1)
    perplexityChange = certificate.perplexityChange
    guard now > then * Self.leastFactor else { return nil }
  }

  package var line: String {
    let times = Units.fixed(factor, decimals: factor < 9.5 ? 1 : 0)
    return "predicted would read about \(times)x less here, perplexity "
      + "\(CertificateSummary.change(perplexityChange)): --sparsity predicted"
  }
}

extension MemoryPlan {
  /// Bytes that a decoded token is expected to read.
  ///
  /// - Parameter activity: the fraction of neurons that is computed for a token, with the reuse
  ///   that the certificate measured.
  fileprivate func expectedByteCount(
    _ manifest: StoreManifest, _ certificate: Certificate, activity: Double
  ) -> Double {
    switch feedForward {
    case .resident: return 0
    case .streamed: return Double(streamedByteCount(manifest))
    case .windowed(let slotsPerLayer, _):
      let all = Double(max(1, manifest.bundles.reduce(0) { $0 + $1.strideCount }))
      let room = Double(slotsPerLayer.reduce(0, +)) / all
      // Neurons of k tokens are those of one, and for each further what the ones before it lack.
      var held = activity
      var newFraction = 1.0
      for fraction in certificate.newFractionPerWindow where held <= room {
        newFraction = fraction
        held += activity * fraction
      }
      return all * Double(slotByteCount) * activity * newFraction
    }
  }
}
