internal import ArgumentParser
internal import Glibc

/// Where the prompt comes from and whether it is shown.
struct PromptFlags: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("Text to continue.", valueName: "text"))
  var prompt: String?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("File with the text to continue; - is standard input.", valueName: "file"))
  var file: String?

  @Option(
    name: [.customLong("sys", withSingleDash: true), .customLong("system-prompt")],
    parsing: .unconditional,
    help: ArgumentHelp("System prompt of a chat. (planned, not built yet)", valueName: "text"))
  var systemPrompt: String?

  @Flag(help: "Show only what is generated.")
  var noDisplayPrompt = false

  init() {}

  /// The prompt; standard input counts where something is piped into it.
  ///
  /// - Throws: `Failure` when no prompt is given, or two.
  func text(default fallback: String?) throws(Failure) -> String {
    if systemPrompt != nil { throw .planned("a system prompt (-sys), which needs chat templates,") }
    switch (prompt, file) {
    case (.some, .some): throw Failure(.usage, "give the prompt with -p or with -f, not both")
    case (.some(let prompt), nil): return prompt
    case (nil, .some(let file)): return try Self.contents(file)
    case (nil, nil):
      if let fallback { return fallback }
      guard Self.isPiped else {
        throw Failure(
          .usage, "no prompt: give one with -p TEXT or -f FILE, or pipe it into this command")
      }
      return try Self.contents("-")
    }
  }

  /// A file's text without the newline that ends it, as llama.cpp reads prompts.
  private static func contents(_ path: String) throws(Failure) -> String {
    let text = try FileInput.text(path)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  /// Whether standard input is a pipe or a file.
  private static var isPiped: Bool {
    var information = stat()
    guard unsafe fstat(STDIN_FILENO, &information) == 0 else { return false }
    return [S_IFIFO, S_IFREG].contains(information.st_mode & S_IFMT)
  }
}
