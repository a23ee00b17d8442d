internal import FlashIO
internal import FlashModel
internal import FlashProfiler
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
    func byteCount(_ plan: MemoryPlan, isPredicted: Bool) -> Double {
      TokenTraffic(
        store.manifest, plan,
        activity: NeuronActivity(store, isSparse: true, isPredicted: isPredicted),
        position: 0, positionByteCount: 0, options: options.storage
      ).reads.byteCount
    }
    let now = byteCount(plan, isPredicted: false)
    let then = byteCount(other, isPredicted: true)
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
