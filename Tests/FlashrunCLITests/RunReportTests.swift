import FlashrunCLI
import Foundation
import Testing

/// The footer is a pure function of a report.
@Suite struct RunReportTests {
  /// The run of the example in the product's page.
  static var example: RunReport {
    var report = RunReport()
    report.engine = "io_uring (depth 64, fixed buffers, O_DIRECT 512)"
    report.mode = "exact"
    report.instructionSet = "avx512"
    report.threads = 2
    report.contextLength = 4096
    report.seed = 42
    report.stopReason = "maximum_tokens"
    report.memoryLimit = 2 << 30
    report.plannedBytes = Int(1.87 * 0x1p30)
    report.prompt.tokens = 42
    report.prompt.seconds = 3.11
    report.decode.tokens = 128
    report.decode.seconds = 41.3
    report.decode.stallSeconds = 41.3 * 0.44
    report.decode.arithmeticSeconds = 41.3 * 0.49
    report.decode.flashBytes = Int(38.2 * 0x1p30)
    report.decode.flashReads = 9_000_000
    report.decode.windowHits = 612
    report.decode.windowMisses = 388
    report.decode.overlap = 0.634
    report.decode.readAmplification = 1.25
    report.tokenSeconds =
      Array(repeating: 0.302, count: 120)
      + Array(repeating: 0.401, count: 7) + [0.702]
    report.writtenBytes = 0
    report.peakBytes = Int(1.94 * 0x1p30)
    report.memory = [
      MemoryPart("weights", Int(1.2 * 0x1p30)), MemoryPart("kv", Int(0.13 * 0x1p30)),
      MemoryPart("window", Int(0.41 * 0x1p30)), MemoryPart("scratch", Int(0.2 * 0x1p30)),
    ]
    return report
  }

  @Test func footerIsTheProductsExample() {
    #expect(
      Self.example.text == """
        flashrun: io_uring (depth 64, fixed buffers, O_DIRECT 512) · limit 2.00 GiB · \
        plan 1.87 GiB · exact · avx512, 2 threads
        prompt   42 tok   3.11 s   13.5 tok/s
        decode  128 tok  41.30 s    3.10 tok/s   p50 302 ms  p95 401 ms  max 702 ms
        flash   38.2 GiB read (306 MiB/token, 947 MiB/s, 0 B written) · hit 61.2% · stall 44% · \
        compute 49% · other 7% · overlap 0.63
        memory  peak 1.94 of 2.00 GiB (weights 1.20, kv 0.13, window 0.41, scratch 0.20) · \
        0 major faults
        """)
  }

  @Test func timeOfGuessesIsShownAsPartOfTheStall() {
    var report = Self.example
    report.decode.lookAheadSeconds = 41.3 * 0.19
    #expect(
      report.text.contains(" · stall 44% (look-ahead 19%) · compute 49% · other 7% · "))
  }

  @Test func aRunWithoutDecodeShowsThePromptsFigures() {
    var report = Self.example
    report.decode = RunReport.Phase()
    report.tokenSeconds = []
    report.prompt.flashBytes = 42 << 20
    report.memoryLimit = nil
    report.writtenBytes = nil
    report.peakBytes = 50 << 20
    report.memory = []
    report.isSynthetic = true
    report.majorFaults = 1
    #expect(
      report.text == """
        flashrun: io_uring (depth 64, fixed buffers, O_DIRECT 512) · plan 1.87 GiB · exact · \
        avx512, 2 threads · synthetic weights
        prompt   42 tok   3.11 s   13.5 tok/s
        flash   42.0 MiB read (1.00 MiB/token, 13.5 MiB/s) · stall 0% · compute 0% · other 100%
        memory  peak 50.0 MiB · 1 major fault
        """)
  }

  @Test func aLimitInAnotherUnitIsNamedWithIt() {
    var report = Self.example
    report.peakBytes = 72 << 20
    report.memory = [MemoryPart("weights", 24 << 20), MemoryPart("kv", 0)]
    #expect(report.text.hasSuffix("peak 72.0 MiB of 2.00 GiB (weights 24.0) · 0 major faults"))
  }

  @Test func percentilesAreByNearestRank() {
    var report = RunReport()
    #expect(report.milliseconds(percentile: 50) == nil)
    report.tokenSeconds = [0.003, 0.001, 0.002, 0.004]
    #expect(report.milliseconds(percentile: 0) == 1)
    #expect(report.milliseconds(percentile: 25) == 1)
    #expect(report.milliseconds(percentile: 50) == 2)
    #expect(report.milliseconds(percentile: 51) == 3)
    #expect(report.milliseconds(percentile: 100) == 4)
  }

  @Test func statisticsAreOneLineOfJSONWithStableKeys() throws {
    let json = Self.example.json
    #expect(!json.contains("\n"))
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(
      object.keys.sorted() == [
        "bytes_per_token", "context", "decode", "engine", "generated_tokens", "hit_rate", "isa",
        "limit_bytes",
        "load_bytes", "load_seconds", "major_faults", "max_ms", "memory", "mode", "p50_ms",
        "p95_ms", "p99_ms", "peak_bytes", "plan_bytes", "prompt", "seed", "stop_reason",
        "synthetic", "threads", "tokens_per_second", "written_bytes",
      ])
    let decode = try #require(object["decode"] as? [String: Any])
    #expect(
      decode.keys.sorted() == [
        "arithmetic_seconds", "flash_bytes", "flash_reads", "look_ahead_reads",
        "look_ahead_seconds",
        "look_ahead_used", "look_ahead_wasted_bytes", "overlap", "read_amplification",
        "ring_calls", "seconds", "stall_seconds", "tokens", "window_hits", "window_misses",
      ])
    #expect(object["limit_bytes"] as? Int == 2 << 30)
    #expect(decode["tokens"] as? Int == 128)
    let memory = try #require(object["memory"] as? [String: Any])
    #expect(memory.keys.sorted() == ["kv_bytes", "scratch_bytes", "weights_bytes", "window_bytes"])
  }
}
