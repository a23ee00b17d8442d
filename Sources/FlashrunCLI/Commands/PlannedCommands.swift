internal import ArgumentParser

/// Commands that are planned but not built: they exit 69 and say so, whatever follows them.
enum PlannedCommands {
  static let all: [any ParsableCommand.Type] = [
    Chat.self, Serve.self, ApplyTemplate.self,
  ]

  struct Chat: PlannedCommand {
    static let configuration = planned("chat", "Talk with a model.")
    @OptionGroup var words: AnyWords
  }

  struct Serve: PlannedCommand {
    static let configuration = planned("serve", "Serve an OpenAI-compatible API.")
    @OptionGroup var words: AnyWords
  }

  struct ApplyTemplate: PlannedCommand {
    static let configuration = planned("apply-template", "Render chat templates.")
    @OptionGroup var words: AnyWords
  }

  private static func planned(_ name: String, _ abstract: String) -> CommandConfiguration {
    CommandConfiguration(commandName: name, abstract: "\(abstract) (planned, not built yet)")
  }
}

/// A command of which only the name is built.
protocol PlannedCommand: ParsableCommand {}

extension PlannedCommand {
  func run() throws {
    throw Failure.planned("the command '\(Self.configuration.commandName ?? "")'")
  }
}

/// Whatever follows a planned command.
struct AnyWords: ParsableArguments {
  @Argument(parsing: .captureForPassthrough, help: .hidden)
  var words: [String] = []
}
