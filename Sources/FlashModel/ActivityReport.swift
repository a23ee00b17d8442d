import FlashWeights

/// Which part of a model's neurons fires, and how much of it fires again some tokens later, and how
/// experts are chosen, as measured while the model decodes greedily: what `inspect` prints.
package struct ActivityReport: Codable, Equatable, Sendable {
  package struct Layer: Codable, Equatable, Sendable {
    /// The fraction of the layer's neurons, or of those of a token's experts, that fires for a
    /// token, mean over tokens; 1 where no neuron is ever silent (SiLU).
    package var activeFraction: Double
    /// For each of `lags`, the fraction of a token's active neurons that were active that many
    /// tokens before.
    package var reuse: [Double]
  }
  /// Tokens that were decoded.
  package var tokenCount: Int
  /// Distances in tokens.
  package var lags: [Int]
  /// Empty where whole experts were computed.
  package var layers: [Layer]
  /// How experts were chosen; nil for a model without.
  package var routing: RoutingReport?

  /// Mean over layers, each weighing the same.
  package var activeFraction: Double {
    layers.reduce(0) { $0 + $1.activeFraction } / Double(max(1, layers.count))
  }

  /// Mean over layers, for each of `lags`.
  package var reuse: [Double] {
    lags.indices.map { lag in
      layers.reduce(0) { $0 + $1.reuse[lag] } / Double(max(1, layers.count))
    }
  }

  /// Decodes `tokenCount` tokens one at a time, each the likeliest after those before it, from the
  /// model's first token (token 0 where it has none); fewer where the context is shorter. The
  /// decoder is reset before and after.
  ///
  /// Traps unless the decoder was opened with `measuresActivity`. Throws as `Decoder.forward`.
  /// - Complexity: a decode of so many tokens.
  package static func measure(
    decoder: Decoder, tokenCount: Int = 64, isCancelled: () -> Bool = { false }
  ) throws -> ActivityReport {
    guard let meter = decoder.meter else {
      preconditionFailure("the decoder must be opened with measuresActivity")
    }
    decoder.reset()
    defer { decoder.reset() }
    var token = decoder.configuration.beginTokenID ?? 0
    let count = min(tokenCount, decoder.contextLength)
    for _ in 0..<count {
      try unsafe decoder.forward([token], logits: .last, isCancelled: isCancelled) { _, logits in
        token = unsafe Int32(Self.likeliest(logits))
      }
      meter.endToken()
    }
    let layers = decoder.configuration.layers.indices.map {
      Layer(activeFraction: meter.activeFraction(layer: $0), reuse: meter.reuse(layer: $0))
    }
    let routing = decoder.routingMeter?.report
    let isWhole = routing != nil && decoder.mode == .dense
    return ActivityReport(
      tokenCount: count, lags: ActivityMeter.lags, layers: isWhole ? [] : layers,
      routing: routing)
  }

  /// The index of the largest value, the first of equals.
  private static func likeliest(_ logits: UnsafeBufferPointer<Float>) -> Int {
    var best = 0
    for index in logits.indices where unsafe logits[index] > logits[best] { best = index }
    return best
  }
}
