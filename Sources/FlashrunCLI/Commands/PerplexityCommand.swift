internal import ArgumentParser
internal import FlashModel
internal import FlashText
internal import FlashWeights
internal import Flashrun

/// `perplexity`: how surprised a model is by a text, by llama.cpp's rule.
struct PerplexityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity", abstract: "Measure the perplexity of a text.",
    discussion: """
      The text, with the begin token before it, is cut into chunks of -c tokens; the first token \
      of each is replaced by the begin token, and the predictions of its second half count, as in \
      llama.cpp. With --all-tokens each chunk is the begin token and the next tokens of the text, \
      and every token after the first counts.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Text to measure on.", valueName: "file"))
  var file: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Chunks to measure; -1 is all. (default: -1)", valueName: "n"))
  var chunks: Int?

  @Flag(help: "Count every token after the first of each chunk.")
  var allTokens = false

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  /// Chunk of llama.cpp's when `-c` is not given.
  private static let defaultChunkLength = 512

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let text = try FileInput.text(file)
    let chunkCount = try settings.value(chunks, "chunks", default: -1)
    guard chunkCount >= -1, chunkCount != 0 else {
      throw Failure(.usage, "--chunks \(chunkCount): it must be -1 or at least 1")
    }
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let session = try await EngineSession.open(
      store: path, flags: flags, settings: settings, console: console, needsText: true,
      needsAllLogits: true
    ) { store, options in
      options.contextLength =
        options.contextLength
        ?? min(Self.defaultChunkLength, store.configuration.maximumPositions)
    }
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let allTokens = allTokens
    let estimate = try await session.engine.withModel { model in
      try PerplexityRun(
        model: model, allTokens: allTokens, maximumCount: chunkCount < 0 ? nil : chunkCount,
        console: console, flag: flag
      ).run(text)
    }
    try Output.line(estimate.line)
  }
}

/// The measurement itself, on the engine's thread.
struct PerplexityRun {
  let model: OpenModel
  let allTokens: Bool
  let maximumCount: Int?
  let console: Console
  let flag: CancellationFlag

  /// - Throws: `Failure` where the text is shorter than a chunk, and what the decoder throws.
  func run(_ text: String) throws -> PerplexityEstimate {
    guard let tokenizer = model.tokenizer else {
      throw EngineError.noTokenizer(store: model.store.path)
    }
    let tokens = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
    let contextLength = model.decoder.contextLength
    let least = allTokens ? 2 : 3
    guard contextLength >= least else {
      throw Failure(
        .usage, "-c \(contextLength): a chunk of fewer than \(least) tokens predicts nothing")
    }
    let chunks = PerplexityChunks(
      tokens: tokens, begin: begin(tokenizer), contextLength: contextLength, allTokens: allTokens,
      maximumCount: maximumCount
    ).chunks
    guard !chunks.isEmpty else {
      throw Failure(
        .usage, "the text has \(tokens.count) tokens, fewer than one chunk of \(contextLength)",
        hints: ["-c makes chunks shorter"])
    }
    console.notice(
      "perplexity over \(chunks.count) chunks of \(contextLength) tokens, "
        + "\(chunks[0].predictionCount) predictions each")
    return try measure(chunks)
  }

  /// The token that the tokenizer puts before a text, if it puts one there.
  private func begin(_ tokenizer: Tokenizer) -> Int32? {
    tokenizer.encode("", addSpecialTokens: true, parseSpecialTokens: false).first
  }

  private func measure(_ chunks: [PerplexityChunks.Chunk]) throws -> PerplexityEstimate {
    let progress = ProgressReporter("perplexity", unit: .items("tok"), console: console)
    defer { progress.finish() }
    let total = chunks.reduce(0) { $0 + $1.tokens.count }
    var estimate = PerplexityEstimate()
    var done = 0
    for (index, chunk) in chunks.enumerated() {
      model.decoder.reset()
      let skipped = Array(chunk.tokens[..<chunk.firstCounted])
      let counted = Array(chunk.tokens[chunk.firstCounted..<chunk.tokens.count - 1])
      try unsafe model.decoder.forward(
        skipped, promptEnd: chunk.tokens.count, logits: .none,
        isCancelled: { flag.isCancelled }, progress: { progress.update(done + $0, of: total) },
        onLogits: { _, _ in })
      try unsafe model.decoder.forward(
        counted, promptEnd: chunk.tokens.count, logits: .all, isCancelled: { flag.isCancelled },
        progress: { progress.update(done + skipped.count + $0, of: total) },
        onLogits: { row, logits in
          estimate.add(
            PerplexityEstimate.negativeLogLikelihood(
              of: chunk.tokens[chunk.firstCounted + row + 1], logits: unsafe logits.span))
        })
      done += chunk.tokens.count
      progress.finish()
      try Output.write("[\(index + 1)]\(Units.fixed(estimate.perplexity, decimals: 4)),")
    }
    try Output.write("\n")
    return estimate
  }
}
