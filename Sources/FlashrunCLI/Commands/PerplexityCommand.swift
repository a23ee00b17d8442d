internal import ArgumentParser
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

      With --kl-divergence-base the model's distributions are also written to a file, in \
      llama.cpp's format; with --kl-divergence as well the file is read instead, and this model is \
      compared with the one that wrote it, over the text in the file.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Text to measure on; with --kl-divergence what the base file must hold.",
      valueName: "file"))
  var file: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Chunks to measure; -1 is all. (default: -1)", valueName: "n"))
  var chunks: Int?

  @Flag(help: "Count every token after the first of each chunk.")
  var allTokens = false

  @Option(
    help: ArgumentHelp(
      "Base file: 2 bytes for each token of the vocabulary and each prediction.",
      valueName: "file"))
  var klDivergenceBase: String?

  @Flag(help: "Compare with the base file instead of writing it.")
  var klDivergence = false

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  /// Chunk of llama.cpp's when `-c` is not given.
  private static let defaultChunkLength = 512

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let chunkCount = try settings.value(chunks, "chunks", default: -1)
    guard chunkCount >= -1, chunkCount != 0 else {
      throw Failure(.usage, "--chunks \(chunkCount): it must be -1 or at least 1")
    }
    let purpose = try purpose()
    let text = try file.map { try FileInput.text($0) }
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let base = try purpose.comparedFile.map {
      try Self.header(of: $0, for: WeightStore.open(path).configuration)
    }
    let session = try await EngineSession.open(
      store: path, flags: flags, settings: settings, console: console, needsText: text != nil,
      needsAllLogits: true
    ) { store, options in
      options.contextLength =
        options.contextLength ?? base?.contextLength
        ?? min(Self.defaultChunkLength, store.configuration.maximumPositions)
    }
    if let price = session.facts.priceOfMode { console.notice(price.line) }
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let run = PerplexityRun(
      purpose: purpose, maximumCount: chunkCount < 0 ? nil : chunkCount, console: console,
      flag: flag)
    let result = try await session.engine.withModel { try run.result(on: $0, text: text) }
    try Output.line(result)
  }

  /// - Throws: `Failure` (usage) for options that exclude one another.
  private func purpose() throws(Failure) -> PerplexityRun.Purpose {
    guard klDivergenceBase != nil || !klDivergence else {
      throw Failure(
        .usage, "--kl-divergence compares with a file: name it with --kl-divergence-base")
    }
    guard file != nil || klDivergence else {
      throw Failure(.usage, "there is no text: name one with -f")
    }
    guard let path = klDivergenceBase else { return .measure(allTokens: allTokens) }
    guard !allTokens else {
      throw Failure(.usage, "--all-tokens: a base file has the second half of each chunk only")
    }
    return klDivergence ? .compare(path) : .write(path)
  }

  /// Says before gigabytes are read that a base file is of another vocabulary.
  private static func header(
    of path: String, for configuration: ModelConfiguration
  ) throws(Failure) -> BaseLogitsHeader {
    let header = try BaseLogitsReader(path).header
    guard header.vocabularySize == configuration.vocabularySize else {
      throw Failure(
        .badData,
        "\(path) is of a vocabulary of \(header.vocabularySize) tokens, and the model "
          + "has \(configuration.vocabularySize)")
    }
    return header
  }
}
