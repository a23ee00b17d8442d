internal import ArgumentParser
internal import FlashProfiler

/// `io trace`: what the trace of a run says, layer by layer.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Show what a trace says of time and reads.",
    discussion: """
      Reads what `run --trace FILE` or `bench --trace FILE` wrote: where the time went, a table of \
      every layer, the ten slowest reads, and how long reads took. The file is Chrome's format: \
      Perfetto (ui.perfetto.dev) and chrome://tracing show it too. A read ends when its completion \
      was seen, which is later than the device was done while there was arithmetic.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Argument(help: ArgumentHelp("A trace.", valueName: "file"))
  var file: String

  @Option(help: ArgumentHelp("text or json.", valueName: "format"))
  var format: Format = .text

  @Option(
    name: .customLong("html"),
    help: ArgumentHelp("Also write the report as one HTML page.", valueName: "file"))
  var page: String?

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let console = try consoleOptions.open(try Settings.load())
    let analysis = try TraceAnalysis(try TraceReader(path: file))
    if analysis.isCut {
      console.warning("\(file) was cut off: what is before the cut is counted")
    }
    let report = TraceReport(analysis, path: file)
    try Output.line(format == .json ? report.json : report.text)
    guard let page else { return }
    let timelines = try TraceTimeline.read(file, chunks: analysis.chunksToDraw)
    let html = TracePage(analysis, path: file, timelines: timelines).page.html
    try FileOutput.write(html, to: page)
  }
}
