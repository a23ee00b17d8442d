import FlashIO
import FlashTestSupport
import FlashWindow
import Foundation
import Testing

@testable import FlashProfiler

/// A trace as the run that it recorded.
struct RecordedRunTests {
  @Test func chunksSetsAndTimesAreFound() throws {
    let path = RecordedRunSamples.path()
    try RecordedRunSamples.write(path)
    let run = try RecordedRunSamples.run(path)
    #expect(run.forwards.count == 5 && run.firstDecoded == 1 && run.hasSets && !run.isCut)
    #expect(run.sets.tokenCount == 5)
    #expect(Array(run.sets.strides(token: 2, layer: LayerIndex(1))) == [2, 4, 6])
    #expect(run.reads.count == 20 && run.reads.map(\.forward) == (0..<20).map { $0 / 4 })
    let decode = try #require(run.decode)
    #expect(decode.tokenCount == 4 && decode.readCount == 4 && decode.readByteCount == 16_384)
    #expect(abs(decode.seconds - 0.01) < 1e-9 && abs(decode.arithmetic - 0.007) < 1e-9)
    #expect(abs(decode.gateUp - 0.003) < 1e-9 && abs(decode.stall - 0.002) < 1e-9)
    #expect(decode.hitRate == 1.0 / 3)
  }

  @Test func aDenseRunHasNoSets() throws {
    let path = RecordedRunSamples.path()
    try RecordedRunSamples.write(
      path, header: RecordedRunSamples.header(feedForward: "streamed"), wanted: nil,
      purpose: .stream)
    let run = try RecordedRunSamples.run(path)
    #expect(!run.hasSets && run.decode?.hitRate == nil && run.decode?.tokenCount == 4)
  }

  @Test func aCutTraceKeepsItsWholeChunks() throws {
    let path = RecordedRunSamples.path()
    try RecordedRunSamples.write(path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    var counts: Set<Int> = []
    for part in stride(from: 0.55, to: 1, by: 0.05) {
      try bytes.prefix(Int(Double(bytes.count) * part)).write(to: URL(fileURLWithPath: path))
      let run = try RecordedRunSamples.run(path)
      #expect(run.isCut && run.sets.tokenCount == run.forwards.count)
      counts.insert(run.forwards.count)
    }
    #expect(counts.count > 1 && counts.isSubset(of: [1, 2, 3, 4, 5]))
  }

  @Test func ofALongRunTheBeginningIsTaken() throws {
    let path = TraceSamples.path()
    try RecordedRunSamples.write(path, tokens: RecordedRun.mostTokens + 3)
    let run = try RecordedRunSamples.run(path)
    #expect(run.isShortened && run.decode?.tokenCount == RecordedRun.mostTokens)
    #expect(run.sets.tokenCount == RecordedRun.mostTokens + 1)
    try RecordedRunSamples.write(path, tokens: 3)
    #expect(try !RecordedRunSamples.run(path).isShortened)
  }

  @Test func aSetThatNoLayerCanWantIsNoTrace() throws {
    for wanted in [[3, 9], [0, 31]] {
      let path = RecordedRunSamples.path()
      try RecordedRunSamples.write(path, wanted: { _, _ in wanted })
      #expect(throws: TraceError.self) { try RecordedRunSamples.run(path) }
    }
  }
}

/// Reads issued again.
struct ReadReplayTests {
  /// Notes what is submitted and awaited, and reads nothing.
  private final class Spy: ReadEngine {
    var description = ReadEngineDescription(kind: .simulated, queueDepth: 4, capacity: 64)
    let files: [FlashFile]
    var statistics = ReadStatistics()
    var recorder: TraceRecorder?
    var calls: [String] = []
    private var count = 0

    init(files: [FlashFile]) { self.files = files }

    func submit(_ requests: UnsafeBufferPointer<ReadRequest>) throws(ReadFailure) -> ReadBatch {
      let offsets = unsafe requests.map { unsafe "\($0.extent.offset / 4096)" }
      calls.append("submit " + offsets.joined(separator: " "))
      count += 1
      return ReadBatch(slot: count, generation: 0)
    }
    func submit(
      _ requests: UnsafeBufferPointer<ReadRequest>, addingTo batch: ReadBatch
    ) throws(ReadFailure) {}
    func wait(for batch: ReadBatch) throws(ReadFailure) { calls.append("wait \(batch.slot)") }
    func isComplete(_ batch: ReadBatch) -> Bool { true }
    func drain() {}
    func collectReads() {}
  }

  private static func file(_ byteCount: Int = RecordedRunSamples.fileByteCount) throws -> String {
    let path = RecordedRunSamples.path() + ".bin"
    try Data(repeating: 7, count: byteCount).write(to: URL(fileURLWithPath: path))
    return path
  }

  private static func calls(tokens: Int, purpose: ReadLabel.Purpose) throws -> [String] {
    let path = RecordedRunSamples.path()
    let file = try file()
    try RecordedRunSamples.write(
      path, header: RecordedRunSamples.header(path: file), tokens: tokens, purpose: purpose)
    let run = try RecordedRunSamples.run(path)
    let target = try ReplayTarget(run, device: nil, isFolder: false, direct: .off)
    let spy = Spy(files: target.files)
    let arena = try DirectArena(byteCount: 1 << 20)
    _ = try unsafe ReadReplay(run, target: target, engine: spy, memory: arena.bytes).replay()
    return spy.calls
  }

  @Test func aLayersDemandsAreAwaitedBeforeTheNextLayers() throws {
    let calls = try Self.calls(tokens: 1, purpose: .demand)
    #expect(
      calls == [
        "submit 0 1", "wait 1", "submit 2 3", "wait 2", "submit 0 1", "wait 3", "submit 2 3",
        "wait 4",
      ])
  }

  @Test func weightsInOrderAreReadAheadAsFarAsTheyWere() throws {
    // Two reads were in flight at a time.
    let calls = try Self.calls(tokens: 1, purpose: .stream)
    #expect(
      calls.prefix(6) == [
        "submit 0", "submit 1", "wait 1", "submit 2", "wait 2", "submit 3",
      ])
    #expect(calls.count == 16)
  }

  @Test func decodedTokensAreCounted() throws {
    let path = RecordedRunSamples.path()
    let file = try Self.file()
    try RecordedRunSamples.write(path, header: RecordedRunSamples.header(path: file), tokens: 3)
    let run = try RecordedRunSamples.run(path)
    let target = try ReplayTarget(run, device: file, isFolder: false, direct: .auto)
    let arena = try DirectArena(byteCount: 1 << 20)
    let engine = try PreadReadEngine(files: target.files)
    let outcome = try unsafe ReadReplay(
      run, target: target, engine: engine, memory: arena.bytes
    ).replay()
    #expect(outcome.decodedTokenCount == 3 && outcome.readCount == 12)
    #expect(outcome.byteCount == 12 * 4096 && engine.statistics.readCount == 16)
    #expect((outcome.tokensPerSecond ?? 0) > 0 && outcome.decodeSeconds > 0)
  }

  @Test func whatCannotBeReadIsNamed() throws {
    let path = RecordedRunSamples.path()
    try RecordedRunSamples.write(path)
    let run = try RecordedRunSamples.run(path)
    #expect(throws: ReplayTarget.Failure.self) {
      try ReplayTarget(run, device: nil, isFolder: false, direct: .auto)
    }
    let short = try Self.file(4096)
    let failure = #expect(throws: ReplayTarget.Failure.self) {
      try ReplayTarget(run, device: short, isFolder: false, direct: .auto)
    }
    #expect(failure == .tooSmall(path: short, byteCount: 4096, readEnd: 16_384))
    var header = RecordedRunSamples.header()
    header.files = []
    try RecordedRunSamples.write(path, header: header)
    let nameless = try RecordedRunSamples.run(path)
    #expect(throws: ReplayTarget.Failure.unknownFile(index: 0)) {
      try ReplayTarget(nameless, device: nil, isFolder: false, direct: .auto)
    }
  }
}

/// A recorded run at other limits.
struct LimitModelTests {
  private static let device = DeviceProfile(
    bandwidth: 10e6, readsPerSecond: 1000, readByteCount: 4096)

  private func model(
    _ header: TraceHeader, wanted: Bool = true, replay: ReadReplay.Outcome? = nil
  ) throws -> LimitModel {
    let path = RecordedRunSamples.path()
    if wanted {
      try RecordedRunSamples.write(path, header: header)
    } else {
      try RecordedRunSamples.write(path, header: header, wanted: nil, purpose: .stream)
    }
    return try #require(
      LimitModel(try RecordedRunSamples.run(path), device: Self.device, replay: replay))
  }

  @Test func atItsOwnLimitARunIsPredictedAsItWas() throws {
    // Four reads take 4 ms, of which 2 ms stalled.
    let own = try model(RecordedRunSamples.header()).prediction(limit: 60_000) { slots in
      #expect(slots == [4, 4] || slots == [8, 8])
      return 4
    }
    let speed = try #require(own.speed)
    #expect(abs(speed.tokensPerSecond - 100) < 1e-6 && own.residency == .windowed)
    #expect(own.slotCount == 8 && own.reads.count == 4 && abs(own.hitRate! - 1.0 / 3) < 1e-9)
  }

  @Test func aDeviceThatIsSlowerWhenReplayedSaysNothingOfTheRun() throws {
    func tokensPerSecond(replayedIn seconds: Double) throws -> Double {
      let replay = ReadReplay.Outcome(decodeSeconds: seconds, decodedTokenCount: 1)
      let model = try model(RecordedRunSamples.header(), replay: replay)
      return try #require(model.prediction(limit: 50_000) { _ in 6 }.speed).tokensPerSecond
    }
    // The recorded token took 10 ms.
    #expect(try tokensPerSecond(replayedIn: 5) == tokensPerSecond(replayedIn: 0.01))
    #expect(try tokensPerSecond(replayedIn: 0.008) > tokensPerSecond(replayedIn: 0.01))
  }

  @Test func moreMemoryNeverMakesItSlower() throws {
    let model = try model(RecordedRunSamples.header())
    let speeds = stride(from: 30_000, through: 130_000, by: 5_000).compactMap { limit in
      model.prediction(limit: limit) { slots in max(0, 6 - Double(slots.reduce(0, +)) / 3) }
        .speed?.tokensPerSecond
    }
    #expect(speeds.count > 15 && zip(speeds, speeds.dropFirst()).allSatisfy { $0 <= $1 })
    // Without stalls 8 ms are left of 10.
    // Less a microsecond of looking neurons up.
    #expect(abs(speeds[speeds.count - 1] - 125) < 0.1)
    #expect(model.prediction(limit: 10_000) { _ in 6 }.residency == .tooSmall)
    #expect(model.prediction(limit: 120_000) { _ in 6 }.residency == .resident)
  }

  /// A window of neurons is filled before the first token, and one of experts is not.
  @Test func aWindowOfExpertsBeginsEmpty() throws {
    var header = RecordedRunSamples.header()
    func misses(_ mode: String) throws -> Double {
      header.run.mode = mode
      // Two slots more than the recorded eight of sixteen.
      return try model(header).prediction(limit: 70_000) { slots in
        6 - Double(slots.reduce(0, +)) / 4
      }.reads.count
    }
    #expect(try abs(misses("dense") - 3.5) < 1e-9)
    #expect(try abs(misses("exact") - 3) < 1e-9)
  }

  @Test func weightsThatFitAreNotReadInOrder() throws {
    let model = try model(RecordedRunSamples.header(feedForward: "streamed"), wanted: false)
    let less = model.prediction(limit: 56_000) { _ in 0 }
    // 16,384 bytes a token were read at 60,000.
    #expect(less.residency == .streamed && less.reads.byteCount == 20_384)
    #expect(model.prediction(limit: 70_000) { _ in 0 }.reads.byteCount == 6_384)
    #expect(model.prediction(limit: 10_000) { _ in 0 }.speed == nil)
  }

  @Test func belowTheFloorOfExactARunIsDense() throws {
    var header = RecordedRunSamples.header()
    let size = 1 << 20
    header.run.mode = "exact"
    header.model.headBytes = 10 * size
    (header.plan.limitBytes, header.plan.minimumBytes) = (1024 * size, 70 * size)
    (header.plan.residentBytes, header.plan.slotBytes) = (2048 * size, 100 * size)
    for index in header.layers.indices {
      header.layers[index].denseBytes = 0
      header.layers[index].decidingBytes = 100 * size
      header.layers[index].bytesPerNeuron = 25 * size
    }
    let model = try model(header)
    let dense = model.prediction(limit: 100 * size) { _ in 0 }
    // 36 MiB are left beside 64 MiB of buffers.
    #expect(dense.isDense && dense.residency == .streamed)
    #expect(dense.reads.byteCount == Double((10 + 2 * 300 - 36) * size) && dense.speed != nil)
    #expect(model.prediction(limit: 60 * size) { _ in 0 }.residency == .tooSmall)
    header.run.mode = "predicted"
    #expect(try self.model(header).prediction(limit: 100 * size) { _ in 0 }.speed == nil)
  }

  @Test func aReportHasAPageAndCurves() throws {
    let path = RecordedRunSamples.path()
    try RecordedRunSamples.write(path)
    let run = try RecordedRunSamples.run(path)
    let curves = MissRatioCurves(run)
    #expect(curves.demand == 6 && curves.demandByteCount == 6 * 4096 && curves.strideCount == 16)
    var report = ReplayReport(trace: path)
    report.recorded = .init(run, try #require(run.decode))
    report.window = .init(curves, run)
    report.remarks = ["a < b"]
    let window = try #require(report.window)
    #expect(window.curves.map(\.name) == ["window", "lru", "lfu", "lfru", "Bélády", "plain LRU"])
    for curve in window.curves {
      #expect(curve.points.allSatisfy { (0...1).contains($0.missRatio) })
    }
    let best = window.curves[4].points
    for curve in window.curves {
      for (point, bound) in zip(curve.points, best) {
        #expect(point.missRatio >= bound.missRatio - 1e-12, "\(curve.name)")
      }
    }
    report.ceiling = ReplayReport.Ceiling(
      engine: "io_uring", files: [], reads: 1, bytes: 4096, seconds: 10, promptSeconds: 0,
      bytesPerSecond: 410, tokensPerSecond: 0.1)
    let html = report.page.html
    #expect(html.contains("less than the run reached: the device is slower at this moment"))
    #expect(html.contains("plain LRU") && html.contains("a &lt; b") && !html.contains("http://"))
  }
}
