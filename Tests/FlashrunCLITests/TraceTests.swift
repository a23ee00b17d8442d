import FlashTestSupport
import Foundation
import Glibc
import Testing

/// `--trace` and `io trace` on the bundled sample, read back here by a strict JSON parser and
/// nothing of ours.
@Suite(.serialized, .enabled(if: isOptimizedBuild, "needs an optimized build"))
struct TraceTests {
  private typealias Event = [String: Any]

  /// A run of 64 tokens with a window, and its footer.
  private struct TracedRun: Sendable {
    var path: String
    /// The last line of standard error.
    var statistics: String

    func report() throws -> [String: Any] {
      try #require(
        JSONSerialization.jsonObject(with: Data(statistics.utf8)) as? [String: Any])
    }
  }

  private static let run = Result { try traced() }

  private static func traced() throws -> TracedRun {
    let path = Tool.folder + "/run.trace.json"
    let outcome = try Tool.run([
      "-m", Tool.store.get(), "-p", CommandTests.prompt, "-n", "65", "--temp", "0",
      "--ignore-eos", "--sparsity", "exact", "--mem-limit", "80M", "-c", "128", "--stats", "json",
      "--trace", path,
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("trace   \(path), "))
    let line = try #require(outcome.error.split(separator: "\n").last)
    return TracedRun(path: path, statistics: String(line))
  }

  private static func events(_ path: String) throws -> [Event] {
    try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        as? [Event])
  }

  private func arguments(_ event: Event) -> Event { event["args"] as? Event ?? [:] }
  private func number(_ event: Event, _ name: String) -> Double {
    (event[name] as? NSNumber)?.doubleValue ?? .nan
  }

  @Test func everyEventHasWhatItsPhaseAsksFor() throws {
    let events = try Self.events(Self.run.get().path)
    #expect(events.first?["name"] as? String == "flashrun")
    let header = arguments(events[0])
    for key in [
      "format", "generator", "start_nanoseconds", "model", "run", "plan", "reads", "layers",
      "files",
    ] { #expect(header[key] != nil, "\(key)") }
    var open: [Int: [String]] = [:]
    var reads: Set<Int> = []
    var flows: Set<Int> = []
    for event in events {
      let phase = try #require(event["ph"] as? String)
      let track = try #require(event["tid"] as? Int)
      let name = try #require(event["name"] as? String)
      #expect(event["pid"] as? Int == 1 && number(event, "ts") >= 0)
      switch phase {
      case "M", "C", "i": #expect(!arguments(event).isEmpty)
      case "X": #expect(number(event, "dur") >= 0)
      case "B": open[track, default: []].append(name)
      case "E":
        let begun = open[track]?.popLast()
        #expect(begun == name || name == "token" && ["prompt", "decode"].contains(begun))
      case "b": #expect(reads.insert(try #require(event["id"] as? Int)).inserted)
      case "e": #expect(reads.contains(try #require(event["id"] as? Int)))
      case "s": #expect(flows.insert(try #require(event["id"] as? Int)).inserted)
      case "f": #expect(flows.contains(try #require(event["id"] as? Int)))
      default: Issue.record("a phase that no viewer is asked to know: \(phase)")
      }
    }
    #expect(open.values.reduce(0) { $0 + $1.count } == 0)
    #expect(!reads.isEmpty && !flows.isEmpty && flows.isSubset(of: reads))
    let tracks = events.filter { $0["name"] as? String == "thread_name" }
      .compactMap { arguments($0)["name"] as? String }
    for name in ["attention", "gate and up, experts", "down", "stall", "reads"] {
      #expect(tracks.contains(name))
    }
  }

  @Test func sumsOfTheTraceAreTheFootersFigures() throws {
    let run = try Self.run.get()
    var sums: [String: Double] = [:]
    var forward = 0.0
    let events = try Self.events(run.path)
    for event in events {
      let arguments = arguments(event)
      let name = event["name"] as? String ?? ""
      switch event["ph"] as? String {
      case "b":
        sums["flash_reads", default: 0] += 1
        sums["flash_bytes", default: 0] += number(arguments, "bytes")
      case "E" where name == "layer":
        sums["window_hits", default: 0] += number(arguments, "hits")
        sums["window_misses", default: 0] += number(arguments, "misses")
      case "X" where ["stall", "look-ahead"].contains(name):
        sums["stall_seconds", default: 0] += number(event, "dur") / 1e6
      case "X"
      where ["attention", "predictor", "gate/up", "down", "experts", "head"].contains(name):
        sums["arithmetic_seconds", default: 0] += number(event, "dur") / 1e6
      case "B" where ["prompt", "decode"].contains(name): forward -= number(event, "ts") / 1e6
      case "E" where name == "token": forward += number(event, "ts") / 1e6
      default: break
      }
    }
    let report = try run.report()
    let phases = ["prompt", "decode"].compactMap { report[$0] as? [String: Any] }
    func footer(_ key: String) -> Double { phases.reduce(0) { $0 + number($1, key) } }
    #expect(footer("tokens") == 13 + 64)
    for key in [
      "flash_reads", "flash_bytes", "window_hits", "window_misses", "stall_seconds",
      "arithmetic_seconds",
    ] {
      let (found, expected) = (sums[key] ?? 0, footer(key))
      #expect(expected > 0, "\(key)")
      #expect(abs(found - expected) <= expected / 100, "\(key) \(found) \(expected)")
    }
    let totals = try #require(events.last { $0["name"] as? String == "totals" })
    let wall = ["prompt", "decode"].reduce(0.0) { sum, phase in
      sum + number(arguments(totals)[phase] as? Event ?? [:], "forward_nanoseconds") / 1e9
    }
    // Each lies within the next. How much longer it takes is the scheduler's: a thread may stand
    // still between two readings of the clock.
    let arithmetic = sums["arithmetic_seconds"] ?? 0
    #expect(arithmetic <= forward && forward <= wall && wall <= footer("seconds"))
  }

  @Test func theReportHasItsTablesAndFigures() throws {
    let run = try Self.run.get()
    let page = Tool.folder + "/trace.html"
    let text = try Tool.run(["io", "trace", run.path, "--html", page])
    #expect(text.status == 0, "\(text.error)")
    for part in [
      "tokens", "arithmetic", "gate and up", "overlap", "slowest reads", "usecs", "bundles.bin",
    ] { #expect(text.output.contains(part), "\(part)") }
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(html.contains("The median token") && html.contains("Every layer"))
    #expect(!html.contains("http"))
    let json = try Tool.run(["io", "trace", run.path, "--format", "json"])
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let decode = try #require(report["decode"] as? [String: Any])
    let footer = try #require(run.report()["decode"] as? [String: Any])
    for key in ["flash_reads", "window_hits", "window_misses", "tokens"] {
      #expect(number(decode, key) == number(footer, key), "\(key)")
    }
    #expect((report["token_nanoseconds"] as? [Int])?.count == 64)
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func aRunThatIsStoppedLeavesAValidTrace(signal: Int32) throws {
    let path = Tool.folder + "/stopped-\(signal).json"
    let outcome = try Tool.run([
      "-m", Tool.store.get(), "-p", CommandTests.prompt, "--temp", "0", "--ignore-eos", "--trace",
      path,
    ]) { kill($0, signal) }
    #expect(outcome.status == 128 + signal)
    let events = try Self.events(path)
    let totals = try #require(events.last { $0["name"] as? String == "totals" })
    #expect(arguments(totals)["reason"] as? String == "cancelled")
  }

  @Test func aKilledRunLeavesATraceThatCanBeRead() throws {
    let path = Tool.folder + "/killed.json"
    _ = try Tool.run([
      "-m", Tool.store.get(), "-p", CommandTests.prompt, "--temp", "0", "--ignore-eos", "--trace",
      path,
    ]) { kill($0, SIGKILL) }
    let report = try Tool.run(["io", "trace", path])
    #expect(report.status == 0, "\(report.error)")
    #expect(report.output.contains("prompt"))
  }

  @Test func tracingChangesNoText() throws {
    let plain = [
      "-m", try Tool.store.get(), "-p", CommandTests.prompt, "-n", "24", "--temp", "0",
      "--mem-limit", "80M", "-c", "128",
    ]
    let traced = try Tool.run(plain + ["--trace", Tool.folder + "/same.json"])
    #expect(try Tool.run(plain).output == traced.output)
    #expect(traced.output.hasPrefix(CommandTests.prompt + CommandTests.greedy))
  }

  @Test func aFullDiskIsSaidOnceAndTheRunGoesOn() throws {
    let outcome = try Tool.run([
      "-m", Tool.store.get(), "-p", CommandTests.prompt, "-n", "8", "--temp", "0", "--trace",
      "/dev/full",
    ])
    #expect(outcome.status == 0)
    #expect(outcome.output == CommandTests.prompt + CommandTests.greedy + "\n")
    #expect(outcome.error.components(separatedBy: "No space left on device").count == 2)
  }

  @Test func aReaderThatGoesAwayEndsTheTraceAndNotTheRun() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let pipe = folder.path + "/pipe"
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    let reader = Thread {
      let descriptor = unsafe open(pipe, O_RDONLY)
      var byte: UInt8 = 0
      _ = unsafe read(descriptor, &byte, 1)
      close(descriptor)
    }
    reader.start()
    let outcome = try Tool.run([
      "-m", Tool.store.get(), "-p", CommandTests.prompt, "-n", "8", "--temp", "0", "--mem-limit",
      "80M", "-c", "128", "--trace", pipe,
    ])
    #expect(outcome.status == 0 && outcome.error.contains("Broken pipe"), "\(outcome.error)")
  }

  @Test func aRunThatIsRefusedLeavesTheFileAsItWas() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let (old, new) = (folder.path + "/old", folder.path + "/new")
    try Data("kept".utf8).write(to: URL(filePath: old))
    for path in [old, new] {
      for command in [["run", "-p", "x"], ["bench", "-p", "0", "-n", "1"]] {
        let outcome = try Tool.run(
          [command[0], "-m", Tool.store.get(), "--mem-limit", "1M", "--trace", path]
            + command.dropFirst())
        #expect(outcome.status == 3, "\(outcome.error)")
      }
    }
    #expect(try FolderListing.names(folder.path) == ["old"])
    #expect(try String(contentsOfFile: old, encoding: .utf8) == "kept")
    let page = try Tool.run(["io", "probe", folder.path + "/none", "--html", old])
    #expect(page.status == 66)
    #expect(try String(contentsOfFile: old, encoding: .utf8) == "kept")
  }

  @Test func aPlaceThatCannotBeWrittenIsSaidBeforeTheModelIsOpened() throws {
    let outcome = try Tool.run([
      "-m", Tool.store.get(), "-p", "x", "--trace", "/nowhere/at.json",
    ])
    #expect(outcome.status == 74)
    #expect(outcome.error.contains("--trace /nowhere/at.json cannot be written: No such file"))
    #expect(!outcome.error.contains("context"))
  }

  @Test func benchTracesTheRepetitionsThatCount() throws {
    let path = Tool.folder + "/bench.json"
    let outcome = try Tool.run([
      "bench", "-m", Tool.store.get(), "-p", "8", "-n", "4", "-r", "2", "-t", "1,2", "--trace",
      path, "-o", "jsonl",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let events = try Self.events(path)
    #expect(events.filter { $0["name"] as? String == "flashrun" }.count == 2)
    #expect(events.filter { $0["name"] as? String == "totals" }.count == 8)
    let report = try Tool.run(["io", "trace", path])
    #expect(report.output.contains("2 runs"))
  }
}

/// Files that are no traces, and places where none can be written.
struct TraceUsageTests {
  @Test(arguments: [
    ("", "is empty"), ("[", "ends within its first event"),
    ("{\"a\":1}", "is no trace of flashrun"),
    ("[{\"name\":\"thread_name\",\"ph\":\"M\"}]", "it is \"thread_name\""),
    ("[{\"name\":\"flashrun\",\"ph\":\"M\",\"args\":{\"format\":7}}]", "of format 7"),
  ])
  func whatIsNoTraceIsBadData(contents: String, words: String) throws {
    let path = Tool.folder + "/foreign-\(contents.utf8.count).json"
    try Data(contents.utf8).write(to: URL(fileURLWithPath: path))
    let outcome = try Tool.run(["io", "trace", path])
    #expect(outcome.status == 65)
    #expect(outcome.error.contains(path) && outcome.error.contains(words), "\(outcome.error)")
  }

  @Test func aFileThatIsNotThereIsNoInput() throws {
    let outcome = try Tool.run(["io", "trace", "/nowhere/at.json"])
    #expect(outcome.status == 66 && outcome.error.contains("/nowhere/at.json"))
  }
}
