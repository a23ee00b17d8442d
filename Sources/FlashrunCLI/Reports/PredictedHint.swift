internal import FlashIO
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow

/// What the store's lossy mode would save a run that chose a lossless one by itself.
package struct PredictedHint: Equatable, Sendable {
  /// `predicted` or `threshold`, as the certificate prices.
  private let mode: SparsityMode
  /// Bytes read for a token as the run is, over those that this mode would read.
  package let factor: Double
  private let perplexityChange: Double

  /// Savings under which nothing is said.
  private static let leastFactor = 1.2

  /// Nil for a store without a certificate, where its mode does not fit the limit, and where that
  /// would read hardly less. Reads no weight.
  init?(_ store: WeightStore, options: DecoderOptions, plan: MemoryPlan, mode: SparsityMode) {
    guard !mode.isLossy, let certificate = store.calibration?.certificate else { return nil }
    var lossy = options
    lossy.sparsity = certificate.pricedMode == .threshold ? .threshold : .predicted
    lossy.contextLength = plan.contextLength
    guard let other = try? Decoder.plan(store: store, options: lossy) else { return nil }
    func byteCount(_ plan: MemoryPlan, _ mode: SparsityMode) -> Double {
      TokenTraffic(
        store.manifest, plan,
        activity: NeuronActivity(
          store, isSparse: mode != .dense, isPredicted: mode == .predicted),
        position: 0, positionByteCount: 0, options: options.storage
      ).reads.byteCount
    }
    let now = byteCount(plan, mode)
    let then = byteCount(other.plan, other.mode)
    self.mode = other.mode
    factor = now / max(then, 1)
    perplexityChange = certificate.perplexityChange
    guard now > then * Self.leastFactor else { return nil }
  }

  package var line: String {
    let times = Units.fixed(factor, decimals: factor < 9.5 ? 1 : 0)
    return "\(mode.rawValue) would read about \(times)x less here, perplexity "
      + "\(CertificateSummary.change(perplexityChange)): --sparsity \(mode.rawValue)"
  }
}
