internal import ArgumentParser

/// What a run tells beside its text.
struct ReportFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "json writes the footer's figures as one line of JSON, the last on standard error, "
        + "also with --quiet.",
      valueName: "format"))
  var stats: String?

  @Option(
    help: ArgumentHelp(
      "Write where the time and the reads go, for Perfetto, `io trace` and `io replay`.",
      valueName: "file"))
  var trace: String?

  init() {}

  /// - Throws: `Failure` for formats that do not exist.
  func check(_ settings: Settings) throws(Failure) {
    if let format = try settings.value(stats, "stats"), format != "json" {
      throw Failure(.usage, "--stats '\(format)' is not one of json")
    }
  }

  /// The line that was asked for appears even when quiet.
  func writeStatistics(_ json: String, settings: Settings, console: Console) {
    if (try? settings.value(stats, "stats")) != nil { console.statistics(json) }
  }
}
