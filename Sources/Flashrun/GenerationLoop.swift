internal import FlashIO
internal import FlashModel
internal import FlashText
internal import FlashWeights

/// Prefill, then one token at a time: choose, show, and feed back, until something says stop.
struct GenerationLoop: ~Copyable {
  private let model: OpenModel
  private let options: GenerationOptions
  private let isCancelled: () -> Bool
  private let yield: (GenerationEvent) -> Void
  private let endTokens: Set<Int32>
  private var sampler: Sampler
  private var filter: StopTextFilter
  private var detokenizer: Detokenizer?
  private var generatedTokenCount = 0
  private var statistics = GenerationStatistics()

  init(
    model: OpenModel, options: GenerationOptions, isCancelled: @escaping () -> Bool,
    yield: @escaping (GenerationEvent) -> Void
  ) {
    self.model = model
    self.options = options
    self.isCancelled = isCancelled
    self.yield = yield
    endTokens = model.endTokens
    sampler = Sampler(
      options: options.sampling, vocabularySize: model.store.configuration.vocabularySize,
      contextLength: model.decoder.contextLength,
      bannedTokens: options.ignoreEndTokens ? Array(endTokens) : [])
    filter = StopTextFilter(stops: options.stopTexts)
    detokenizer = model.tokenizer.map { Detokenizer(tokenizer: $0, skipSpecialTokens: true) }
  }

  /// - Throws: `EngineError` and `DecoderError` for what was asked, `ReadFailure` for a read that
  ///   failed.
  mutating func run(_ prompt: Prompt) throws -> GenerationResult {
    let tokens = try model.tokens(of: prompt)
    guard tokens.count <= model.decoder.contextLength else {
      throw EngineError.promptTooLong(
        tokenCount: tokens.count, contextLength: model.decoder.contextLength)
    }
    let written = ThreadTraffic.writtenByteCount
    let faults = ProcessMemory()?.majorFaultCount ?? 0
    model.decoder.reset()
    let reason = try generate(after: tokens)
    show(filter.append(detokenizer?.finish() ?? "") + filter.finish())
    if let written, let now = ThreadTraffic.writtenByteCount {
      statistics.writtenByteCount = now - written
    }
    statistics.majorFaultCount = (ProcessMemory()?.majorFaultCount ?? faults) - faults
    return GenerationResult(
      reason: reason, promptTokenCount: tokens.count, generatedTokenCount: generatedTokenCount,
      seed: sampler.seed, statistics: statistics)
  }

  /// The generation as a whole; returns why it ended.
  private mutating func generate(after prompt: [Int32]) throws -> GenerationResult.Reason {
    do {
      guard var token = try prefill(prompt) else {
        return options.maximumTokens == 0 ? .maximumTokens : .contextFull
      }
      let start = PhaseStart(model.decoder)
      defer { statistics.decode = start.phase(until: model.decoder) }
      while true {
        if let reason = accept(token) { return reason }
        token = try decode(token)
      }
    } catch DecoderError.cancelled {
      return .cancelled
    }
  }

  /// Sends the prompt through the decoder and chooses the first token; nil when none may follow.
  private mutating func prefill(_ prompt: [Int32]) throws -> Int32? {
    for token in prompt {
      sampler.accept(token)
      // The text so far decides how the next token reads: a leading space, half a character.
      _ = detokenizer?.append(token)
    }
    let mayFollow = options.maximumTokens != 0 && prompt.count < model.decoder.contextLength
    var chosen: Int32?
    let start = PhaseStart(model.decoder)
    defer { statistics.prefill = start.phase(until: model.decoder) }
    try unsafe model.decoder.forward(
      prompt, promptEnd: prompt.count, logits: mayFollow ? .last : .none, isCancelled: isCancelled,
      progress: { [yield] in yield(.prefill(tokenCount: $0, total: prompt.count)) },
      onLogits: { _, logits in chosen = sampler.sample(unsafe logits.span) })
    return chosen
  }

  /// Shows a chosen token; returns why it is the last, or nil.
  private mutating func accept(_ token: Int32) -> GenerationResult.Reason? {
    generatedTokenCount += 1
    sampler.accept(token)
    yield(.token(token))
    guard !endTokens.contains(token) else { return .endToken }
    show(filter.append(detokenizer?.append(token) ?? ""))
    if filter.foundStop != nil { return .stopText }
    if generatedTokenCount == options.maximumTokens { return .maximumTokens }
    // This token still has to go in before another can be chosen.
    return model.decoder.position + 1 < model.decoder.contextLength ? nil : .contextFull
  }

  /// Feeds the last token back and chooses the next.
  private mutating func decode(_ token: Int32) throws -> Int32 {
    var chosen = token
    let start = ContinuousClock.now
    try unsafe model.decoder.forward([token], logits: .last, isCancelled: isCancelled) {
      _, logits in
      chosen = sampler.sample(unsafe logits.span)
    }
    statistics.tokenDurations.append(ContinuousClock.now - start)
    return chosen
  }

  private func show(_ text: String) {
    if !text.isEmpty { yield(.text(text)) }
  }
}

/// The clock and the decoder's totals at the start of a phase.
private struct PhaseStart {
  private let time = ContinuousClock.now
  private let position: Int
  private let totals: DecoderStatistics

  init(_ decoder: Decoder) {
    position = decoder.position
    totals = decoder.statistics
  }

  func phase(until decoder: Decoder) -> GenerationStatistics.Phase {
    GenerationStatistics.Phase(
      tokenCount: decoder.position - position, duration: ContinuousClock.now - time,
      decoder: decoder.statistics - totals)
  }
}
