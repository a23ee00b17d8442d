internal import ArgumentParser
internal import FoundationEssentials

/// `doctor`: what makes runs slow or impossible here, and what to do about it.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check what makes runs slow or impossible.",
    discussion: """
      Each check passes, warns (runs are slower than they need be) or fails (they are impossible), \
      with a fix. With a model, its store, file system and device are looked at too, and whether \
      it fits the memory. Nothing is changed and no weight is read. Exits 1 where a check fails.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Flag(help: "Write one JSON object.")
  var json = false

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let options = try flags.engineOptions(settings)
    // Without a name no model is meant here: the sample would have to be converted.
    let path = try model.path(settings).map {
      try ModelLocator(console: console, converts: false).store(named: $0)
    }
    let checks = try Examination().checks(store: path, options: options)
    let report = DoctorReport(checks.map(\.finding))
    try Output.line(json ? report.json : report.text)
    if path == nil {
      console.notice("name a model to check its store, file system, device and memory too")
    }
    if report.status == .fail { throw ExitCode(ExitStatus.failure.rawValue) }
  }
}

extension DoctorReport {
  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { preconditionFailure("a report encodes") }
    return String(decoding: data, as: UTF8.self)
  }
}
