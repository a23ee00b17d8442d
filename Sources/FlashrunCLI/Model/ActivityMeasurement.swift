internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// How many of a layer's neurons fire, and how many fire again some tokens later, as measured.
struct LayerActivity: Encodable, Sendable {
  static let lags = ActivityMeter.lags

  var tokenCount: Int
  var activeFraction: Double
  /// For each of `lags`, the fraction of a token's neurons that also fired so many tokens before.
  var reuse: [Double]
}

/// Decodes greedily and watches the neurons.
struct ActivityMeasurement {
  let tokenCount: Int
  let console: Console
  let flag: CancellationFlag

  /// One entry a layer; nil for a model whose neurons are never silent.
  func run(_ model: OpenModel) throws -> [LayerActivity]? {
    guard let meter = model.decoder.meter else { return nil }
    let progress = ProgressReporter("activity", unit: .items("tok"), console: console)
    defer { progress.finish() }
    var sampler = Sampler(
      options: .greedy, vocabularySize: model.store.configuration.vocabularySize, contextLength: 1)
    var token = model.store.configuration.beginTokenID ?? 0
    let count = min(tokenCount, model.decoder.contextLength)
    for index in 0..<count {
      try unsafe model.decoder.forward(
        [token], logits: .last, isCancelled: { flag.isCancelled },
        onLogits: { _, logits in token = sampler.sample(unsafe logits.span) })
      meter.endToken()
      progress.update(index + 1, of: count)
    }
    return model.store.configuration.layers.indices.map { layer in
      LayerActivity(
        tokenCount: count, activeFraction: meter.activeFraction(layer: layer),
        reuse: meter.reuse(layer: layer))
    }
  }
}
