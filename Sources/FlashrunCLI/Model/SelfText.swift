internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// Text that a model writes itself, for calibration without data (Liu et al., "LLM-QAT",
/// arXiv 2305.17888): each piece begins with the begin token, if there is one, and a random token,
/// and goes on with tokens drawn from the model's own distribution. One rule for all models:
/// synthetic ones, whose states drift along a curve, begin at another place of it each time.
struct SelfText {
  let store: WeightStore
  /// Positions of a piece, the begin token included.
  let chunkLength: Int
  let tokenCount: Int
  let seed: UInt64
  let flag: CancellationFlag
  let console: Console

  /// Tokens of as many whole pieces as are needed, without begin tokens, one after another.
  ///
  /// - Throws: what opening and running the model throws.
  func write(flags: EngineFlags, settings: Settings) async throws -> [Int32] {
    let session = try await EngineSession.open(
      store: store.path, flags: flags, settings: settings, console: console
    ) { _, options in
      options.contextLength = chunkLength
    }
    let progress = ProgressReporter("self-text", unit: .items("tok"), console: console)
    defer { progress.finish() }
    return try await session.engine.withModel { model in
      var random = SeededGenerator(seed: seed)
      var tokens: [Int32] = []
      while tokens.count < tokenCount {
        tokens += try piece(model, &random) { progress.update(tokens.count + $0, of: tokenCount) }
      }
      return tokens
    }
  }

  private func piece(
    _ model: OpenModel, _ random: inout SeededGenerator, progress: (Int) -> Void
  ) throws -> [Int32] {
    let configuration = store.configuration
    var options = SamplingOptions()
    options.temperature = 1
    options.topK = 0
    options.topP = 1
    options.minP = 0
    options.seed = random.next()
    var sampler = Sampler(
      options: options, vocabularySize: configuration.vocabularySize, contextLength: chunkLength,
      bannedTokens: configuration.endTokenIDs)
    let opening = configuration.beginTokenID.map { [$0] } ?? []
    var tokens = [Int32.random(in: 0..<Int32(configuration.vocabularySize), using: &random)]
    model.decoder.reset()
    var next = opening + tokens
    while tokens.count + opening.count < chunkLength {
      try unsafe model.decoder.forward(
        next, logits: .last, isCancelled: { flag.isCancelled },
        onLogits: { _, logits in next = [sampler.sample(unsafe logits.span)] })
      tokens += next
      progress(tokens.count)
    }
    return tokens
  }
}
