internal import ArgumentParser

/// What appears on standard error.
struct ConsoleOptions: ParsableArguments {
  @Flag(name: .shortAndLong, help: "Write nothing but errors to standard error.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Tell every choice that was made.")
  var verbose = false

  @Option(help: ArgumentHelp("Append what standard error shows to FILE.", valueName: "file"))
  var logFile: String?

  init() {}

  func open(_ settings: Settings) throws(Failure) -> Console {
    let console = try Console(
      isQuiet: settings.isOn(quiet, "quiet"), isVerbose: settings.isOn(verbose, "verbose"),
      logFile: settings.value(logFile, "log-file"))
    for name in settings.unknownNames {
      console.warning(
        "the configuration file sets '\(name)', which is no flag that can be set there")
    }
    return console
  }
}
