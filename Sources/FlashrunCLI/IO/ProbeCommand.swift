internal import ArgumentParser
internal import FlashIO
internal import FlashProfiler
internal import Flashrun
internal import FoundationEssentials

/// `io probe`: what a device does with the reads that runs make.
struct ProbeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe", abstract: "Measure a device: size, queue depth, latency, caches.",
    discussion: """
      PATH is a folder, in which a file without a name is made and read (nothing of it stays, \
      whatever ends the process), a file that is there and is only read, or a store, whose neurons \
      are read. What was measured is saved for the device, and `run`, `bench` and `plan` use it.

      First it is checked whether a cache of the host or the controller answers in the device's \
      place. Then random reads by size and queue depth are measured, reads in order, io_uring \
      beside pread and mmap, and whether the device slows down. --quick takes about ten seconds, \
      --full five minutes, otherwise it is one minute.

      fio-json+ is the shape of fio 3.x, csv has a line for each load, hgrm is HdrHistogram's \
      text, one distribution after another.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument {
    case text, json, csv, hgrm
    case fio = "fio-json+"
  }

  @Argument(help: ArgumentHelp("A folder, a file or a store.", valueName: "path"))
  var path: String

  @Flag(help: "Fewer sizes and depths, a quarter of a second each.")
  var quick = false

  @Flag(help: "Every size and depth, two seconds each.")
  var full = false

  @Option(
    help: ArgumentHelp(
      "Bytes of the file that is made in a folder. (default: 4G; 1G with --quick)",
      valueName: "size"))
  var size: ProbeSize?

  @Option(help: ArgumentHelp("text, json, fio-json+, csv or hgrm.", valueName: "format"))
  var format: Format = .text

  @Option(
    name: .customLong("html"),
    help: ArgumentHelp("Also write the report as one HTML page.", valueName: "file"))
  var page: String?

  @Option(
    name: .customLong("emit-fio"),
    help: ArgumentHelp("Also write the job file with which fio repeats it.", valueName: "file"))
  var jobFile: String?

  @Option(help: ArgumentHelp("Whether reads bypass the page cache.", valueName: "choice"))
  var direct: DirectMode = .auto

  @OptionGroup var consoleOptions: ConsoleOptions

  func validate() throws {
    if quick, full { throw ValidationError("--quick and --full exclude each other") }
  }

  func run() async throws {
    let console = try consoleOptions.open(try Settings.load())
    let plan: ProbePlan = quick ? .quick : full ? .full : .standard
    // Written before anything is measured: a minute later is too late to learn that they cannot be.
    for file in [page, jobFile].compactMap(\.self) { try FileOutput.check(file) }
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let result = try probe(plan, console: console, flag: flag)
    // Standard output comes last: where it cannot be written, the rest is there all the same.
    save(result, console: console)
    if let page { try FileOutput.write(result.page.html, to: page) }
    if let jobFile {
      let milliseconds = Int(plan.cellDuration / .milliseconds(1))
      try FileOutput.write(
        FioJob.file(for: result, milliseconds: milliseconds), to: jobFile)
    }
    try Output.write(text(of: result))
  }

  private func probe(
    _ plan: ProbePlan, console: Console, flag: CancellationFlag
  ) throws -> ProbeResult {
    let environment = ProbeEnvironment(path: path)
    let target: ProbeTarget
    do {
      target = try ProbeTarget(
        path: path, byteCount: size?.byteCount ?? plan.fileByteCount, direct: direct)
    } catch let error as ProbeError where environment.storage != nil {
      // What is known without a file is still told.
      for line in environment.lines { console.notice("\(line.label): \(line.value)") }
      throw error
    }
    for remark in target.remarks { console.warning(remark) }
    if let made = target.made {
      console.notice(
        "writing \(Quantity.bytes(made.byteCount)) to \(path), in a file without a name")
    }
    let writing = ProgressReporter("write", unit: .bytes, console: console)
    try target.prepare(
      isCancelled: { flag.isCancelled }, progress: { writing.update($0, of: $1) })
    writing.finish()
    let measuring = ProgressReporter("probe", unit: .items("loads"), console: console)
    var probe = try Probe(
      target: target, plan: plan, environment: environment,
      clock: Date().formatted(.iso8601), isCancelled: { flag.isCancelled },
      progress: { measuring.update($0, of: $1) })
    let result = try probe.run()
    measuring.finish()
    if !result.isComplete { console.warning("stopped: what follows is incomplete") }
    return result
  }

  private func text(of result: ProbeResult) -> String {
    switch format {
    case .text: ProbeReport(result, hasColor: Output.hasColor).text + "\n"
    case .json: result.json + "\n"
    case .csv: result.csv
    case .hgrm: result.histograms
    case .fio:
      FioReport(
        result, version: Version.generator, timestamp: Int(Date().timeIntervalSince1970)
      ).text + "\n"
    }
  }

  /// A profile that cannot be kept is no reason to fail: the report is what was asked for.
  private func save(_ result: ProbeResult, console: Console) {
    guard let saved = result.saved else {
      if result.isComplete {
        console.notice("no device was measured, so that no profile is saved")
      }
      return
    }
    let store = ProfileStore(configurationFolder: Environment.configurationFolder)
    let path = store.path(for: saved.device)
    do {
      try store.save(saved)
      let use =
        saved.isUsable
        ? "run, bench and plan use it"
        : "run, bench and plan pass it over, since a cache answered for a file just written: probe "
          + "a store or a file that was there before"
      console.notice("saved as the profile of \(saved.device.text) in \(path); \(use)")
    } catch {
      console.warning("the profile is not saved: \(path): \(ProfileStore.reason(error))")
    }
  }
}

/// Bytes of a file to measure with.
struct ProbeSize: ExpressibleByArgument {
  var byteCount: Int

  init?(argument: String) {
    guard case .bytes(let byteCount) = try? SizeArgument(parsing: argument) else { return nil }
    self.byteCount = byteCount
  }
}
