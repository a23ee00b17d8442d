internal import ArgumentParser

/// `io`: what the storage does, and what that means for a model.
struct IOCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "io", abstract: "Measure what the storage does.",
    subcommands: [ProbeCommand.self, TraceCommand.self, ReplayCommand.self])
}
