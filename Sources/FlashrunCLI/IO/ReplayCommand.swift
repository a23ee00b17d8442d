internal import ArgumentParser
internal import FlashIO
internal import FlashProfiler
internal import Flashrun

/// `io replay`: a recorded run's reads without its arithmetic, and the run at other limits.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Issue a trace's reads again, and predict the run at other limits.",
    discussion: """
      TRACE is what `run --trace FILE` or `bench --trace FILE` wrote. Its reads are issued again \
      in the same order and with the same dependencies, but with no arithmetic between them: how \
      fast the run could be if arithmetic took no time. From the neurons that each token wanted \
      follows what every cache policy would have missed at every size of the window, the best that \
      any policy could do, and what a plain LRU would do that knows nothing of tokens. From these, \
      the device's rates and the recorded arithmetic follow tokens a second at other limits.

      Nothing is written but what --html names. Where the recorded files are gone, --device names \
      a store or a file to read in their place; without one all is computed that needs no device.
      """)

  @Argument(help: "The trace.")
  var trace: String

  @Option(
    help: ArgumentHelp(
      "A store or a file, at least as large, to read instead of the recorded one.",
      valueName: "path"))
  var device: String?

  @Option(
    name: .customLong("mem-limit"),
    help: ArgumentHelp(
      """
      Limits to predict for, as a list: 2G,62%,80%. (default: the recorded one and 25, 50, 75 and \
      100 % of the model)
      """, valueName: "sizes"),
    transform: SizeList.init(parsing:))
  var memoryLimits: SizeList?

  @Option(help: ArgumentHelp("text or json.", valueName: "format"))
  var format: ReportFormat = .text

  @Option(help: ArgumentHelp("Write a page with the curves too.", valueName: "file"))
  var html: String?

  @Option(help: ArgumentHelp("How flash is read. (default: auto)", valueName: "engine"))
  var io: ReadEngineSelection.Choice = .auto

  @Option(
    help: ArgumentHelp("Whether reads bypass the page cache. (default: auto)", valueName: "choice"))
  var direct: DirectMode = .auto

  @OptionGroup var consoleOptions: ConsoleOptions

  enum ReportFormat: String, CaseIterable, ExpressibleByArgument { case text, json }

  func run() throws {
    let console = try consoleOptions.open(try Settings.load())
    let limits = memoryLimits?.limits ?? []
    guard !limits.contains(.automatic) else {
      throw Failure(.usage, "--mem-limit auto: limits to predict for are sizes or percentages")
    }
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let study = ReplayStudy(
      trace: trace, device: device, engine: io, direct: direct, limits: limits, console: console,
      isCancelled: { flag.isCancelled })
    let report = try study.report()
    try Output.line(format == .json ? report.json : report.text)
    if let html {
      try FileOutput.write(report.page.html, to: html)
      console.notice("the page is \(html)")
    }
  }
}
