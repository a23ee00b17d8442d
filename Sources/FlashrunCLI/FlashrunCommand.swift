internal import ArgumentParser
internal import Glibc

/// `flashrun`: the list of commands, and the one place where errors become exit codes.
@main struct FlashrunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flashrun",
    abstract: "Runs language models that are larger than memory, out of flash.",
    discussion: """
      With no model named, the bundled sample runs. Options can also be set by FLASHRUN_<FLAG> \
      (FLASHRUN_MEM_LIMIT for --mem-limit) and in $XDG_CONFIG_HOME/flashrun/config.json \
      ({"mem-limit": "2G"}); a flag wins over the environment, the environment over the file.

      \(ExitStatus.table)
      """,
    version: Version.number,
    subcommands: [
      RunCommand.self, ConvertCommand.self, PlanCommand.self, InspectCommand.self,
      VerifyCommand.self, PerplexityCommand.self, LogitsCommand.self, TokenizeCommand.self,
      SynthCommand.self, CalibrateCommand.self, BenchCommand.self, DoctorCommand.self,
      IOCommand.self,
    ] + PlannedCommands.all,
    defaultSubcommand: RunCommand.self)

  static var commandNames: [String] {
    configuration.subcommands.compactMap { $0.configuration.commandName }
  }

  static func main() async {
    Interrupts.listen()
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      finish(error)
    }
    if let status = Interrupts.received { Glibc.exit(status.rawValue) }
  }

  private static func finish(_ error: any Error) -> Never {
    guard let failure = Failure(describing: error) else { exit(withError: error) }
    if let status = Interrupts.received { Glibc.exit(status.rawValue) }
    // Errors are shown even when quiet, so no flag matters here.
    try? Console().error(failure.description)
    Glibc.exit(failure.status.rawValue)
  }
}
