internal import ArgumentParser
internal import FlashModel
internal import Flashrun
internal import Glibc

/// `logits`: the logits after each of some tokens, as raw numbers in a file.
struct LogitsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logits", abstract: "Write the logits of given tokens to a file.",
    discussion: """
      The output is raw float32, little endian, [tokens, vocabulary], written a row at a time. The \
      tokens are used as they are; no begin token is put before them.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(
    help: ArgumentHelp("Token ids, raw int32, little endian.", valueName: "file"))
  var tokensFile: String?

  @Option(
    help: ArgumentHelp("Token ids: 1,2,3.", valueName: "ids"), transform: TokenList.init(parsing:))
  var tokens: TokenList?

  @Option(name: .shortAndLong, help: ArgumentHelp("File to write.", valueName: "file"))
  var output: String

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let ids = try tokenIDs()
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let session = try await EngineSession.open(
      store: path, flags: flags, settings: settings, console: console, needsAllLogits: true
    ) { _, options in
      options.contextLength = options.contextLength ?? ids.count
    }
    if let price = session.facts.priceOfMode { console.notice(price.line) }
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let file = try RowFile(output)
    defer { file.discard() }
    let progress = ProgressReporter("logits", unit: .items("tok"), console: console)
    try await session.engine.withModel { model in
      try unsafe model.decoder.forward(
        ids, promptEnd: ids.count, logits: .all, isCancelled: { flag.isCancelled },
        progress: { progress.update($0, of: ids.count) },
        onLogits: { _, row in try unsafe file.append(UnsafeRawBufferPointer(row)) })
    }
    progress.finish()
    try file.finish()
    console.notice("\(output): \(ids.count) x \(session.facts.vocabularySize) float32")
  }

  private func tokenIDs() throws(Failure) -> [Int32] {
    let ids: [Int32]
    switch (tokensFile, tokens) {
    case (.some(let path), nil): ids = try TokenFile.read(path)
    case (nil, .some(let list)): ids = list.ids
    default: throw Failure(.usage, "give the tokens with --tokens-file or with --tokens")
    }
    guard !ids.isEmpty else { throw Failure(.usage, "there are no tokens") }
    return ids
  }
}

/// `1,2,3`.
package struct TokenList: Equatable, Sendable {
  package var ids: [Int32]

  package init(parsing text: String) throws(Failure) {
    var ids: [Int32] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let id = Int32(word.drop { $0 == " " }) else {
        throw Failure(.usage, "'\(word)' is no token id; write 1,2,3")
      }
      ids.append(id)
    }
    self.ids = ids
  }
}
