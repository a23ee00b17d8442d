import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// Policies on what really fires: active sets of the bundled sample over its reference texts.
struct RecordedSetsTests {
  @Test func recordedSetsAreThoseTheMeterCounts() throws {
    let converted = try ConvertedStore.sample(.f32)
    let tokens = try NovelsReference.load().cases.flatMap { $0.ids + $0.greedyIDs }.prefix(96)
    let (trace, fractions) = try Self.record(converted.store, Array(tokens))
    #expect(trace.tokenCount == tokens.count)
    for (layer, fraction) in fractions.enumerated() {
      let uses = trace.useCount(layer: LayerIndex(layer))
      let all = trace.tokenCount * trace.strideCounts[layer]
      #expect(abs(Double(uses) / Double(all) - fraction) < 1e-12)
    }
    let replay = ReplacementReplay(trace)
    for fraction in [0.1, 0.25, 0.5] {
      let slots = trace.strideCounts.map { Int(Double($0) * fraction) }
      let optimum = replay.optimum(slotsPerLayer: slots)
      for policy in [.window(tokens: nil), .lru, .lfu, .lfru] as [ReplacementPolicy] {
        let outcome = replay.outcome(of: policy, slotsPerLayer: slots)
        #expect(outcome.hits < optimum.hits, "\(policy), \(fraction)")
      }
    }
  }

  /// The sample has few neurons that fire for many tokens and little reuse from one to the next, so
  /// frequency tells more than recency.
  @Test(.enabled(if: isOptimizedBuild, "needs an optimized build"))
  func frequencyTellsMoreThanRecencyOfTheSample() throws {
    let converted = try ConvertedStore.sample(.f32)
    let tokens = try NovelsReference.load().cases.flatMap { $0.ids + $0.greedyIDs }
    let (trace, _) = try Self.record(converted.store, tokens)
    let replay = ReplacementReplay(trace)
    for fraction in [0.1, 0.25, 0.5] {
      let slots = trace.strideCounts.map { Int(Double($0) * fraction) }
      let chosen = replay.outcome(of: .lfru, slotsPerLayer: slots)
      for policy in [.window(tokens: nil), .lru] as [ReplacementPolicy] {
        #expect(chosen.hits > replay.outcome(of: policy, slotsPerLayer: slots).hits)
      }
    }
  }

  /// Feeds tokens one at a time, from an empty context wherever it is full.
  private static func record(
    _ store: WeightStore, _ tokens: [Int32]
  ) throws -> (trace: ActiveSetTrace, activeFractions: [Double]) {
    var options = DecoderOptions()
    options.measuresActivity = true
    options.recordsActiveSets = true
    let decoder = try Decoder(store: store, options: options)
    let meter = try #require(decoder.meter)
    for token in tokens {
      if decoder.position == decoder.contextLength { decoder.reset() }
      try unsafe decoder.forward([token], logits: .none) { _, _ in }
      meter.endToken()
    }
    let layers = store.manifest.bundles.indices
    return (try #require(meter.trace), layers.map { meter.activeFraction(layer: $0) })
  }
}
