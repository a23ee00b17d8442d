internal import ArgumentParser
internal import FlashText
internal import FlashWeights
internal import Flashrun
internal import FoundationEssentials
internal import Glibc

/// `tokenize`: JSON strings to arrays of token ids, or back, a line each.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Turn text into token ids, or back.",
    discussion: """
      Reads one JSON string a line from standard input and writes one JSON array of ids a line; \
      with --decode the other way round.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(help: ArgumentHelp("A tokenizer.json instead of a store's.", valueName: "file"))
  var tokenizer: String?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("File to read; - is standard input. (default: -)", valueName: "file"))
  var file: String = "-"

  @Flag(help: "Ids to text.")
  var decode = false

  @Flag(
    name: .customLong("no-special"),
    help: "Add no begin or end token; with --decode, print special tokens.")
  var noSpecial = false

  @Flag(
    name: .customLong("no-parse-special"),
    help: "Treat special tokens written in the text as text.")
  var noParseSpecial = false

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let tokenizer = try openTokenizer(settings, console)
    var number = 0
    try FileInput.forEachLine(file) { (line) throws(Failure) in
      number += 1
      try Output.line(translated(line, number: number, tokenizer))
    }
  }

  private func translated(
    _ line: String, number: Int, _ tokenizer: Tokenizer
  ) throws(Failure) -> String {
    do {
      return decode
        ? try TokenizeLines.decodeLine(line, tokenizer: tokenizer, skipSpecialTokens: !noSpecial)
        : try TokenizeLines.encodeLine(
          line, tokenizer: tokenizer, addSpecialTokens: !noSpecial,
          parseSpecialTokens: !noParseSpecial)
    } catch {
      throw Failure(.badData, "line \(number): \(error)")
    }
  }

  private func openTokenizer(_ settings: Settings, _ console: Console) throws -> Tokenizer {
    if let path = tokenizer {
      let configuration = Self.configurationPath(beside: path)
      guard FileInput.exists(path) else { throw FileInput.failure(ENOENT, opening: path) }
      return try Tokenizer(
        path: path, configurationPath: FileInput.exists(configuration) ? configuration : nil)
    }
    let path = try ModelLocator(console: console, converts: false).store(
      named: model.path(settings))
    guard let tokenizer = try Tokenizer(of: WeightStore.open(path)) else {
      throw EngineError.noTokenizer(store: path)
    }
    return tokenizer
  }

  /// `tokenizer_config.json` says which tokens begin and end a text.
  private static func configurationPath(beside path: String) -> String {
    let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
    return folder + "tokenizer_config.json"
  }
}
