import FlashIO
import FlashTestSupport
import Glibc
import Testing

/// One body, three engines.
struct ReadEngineTests {
  @Test(arguments: EngineUnderTest.available, [1, 3, 64])
  func everyReadBringsItsOwnBytes(engine kind: EngineUnderTest, queueDepth: Int) throws {
    let fixture = try Fixture(byteCount: 300_000 + 77)
    let engine = try kind.make(
      files: [fixture.file], arena: fixture.arena, queueDepth: queueDepth)
    let requests = unsafe fixture.requestsForAll()
    try unsafe engine.readAll(requests)
    #expect(fixture.holdsAll)
    #expect(unsafe engine.statistics.readCount == requests.count)
    #expect(engine.statistics.byteCount == fixture.content.bytes.count)
    #expect(engine.statistics.maximumInFlight <= queueDepth)
  }

  @Test(
    arguments: EngineUnderTest.available,
    [
      FileKind(direct: .off), FileKind(support: .refused), FileKind(support: .unit(4096)),
      FileKind(folder: "/dev/shm"),
    ])
  func everyKindOfFileIsRead(engine kind: EngineUnderTest, file: FileKind) throws {
    for byteCount in [1, 511, 512, 513, 4096, 4097, 70_001] {
      let fixture = try Fixture(
        byteCount: byteCount, direct: file.direct, support: file.support, folder: file.folder)
      let engine = try kind.make(files: [fixture.file], arena: fixture.arena)
      try unsafe engine.readAll(fixture.requestsForAll())
      #expect(fixture.holdsAll)
      #expect(engine.description.directUnit == (file.support == .unit(4096) ? 4096 : nil))
      #expect(engine.description.reasons.isEmpty == (fixture.file.fallbackReason == nil))
    }
  }

  @Test(arguments: EngineUnderTest.available)
  func batchesAreAwaitedInAnyOrder(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 400 * 512)
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
      fixture.clear()
      let engine = try kind.make(files: [fixture.file], arena: fixture.arena, queueDepth: 4)
      let parts = [0..<100, 100..<300, 300..<fixture.unitCount]
      let batches = try parts.map { part in
        try unsafe engine.submit(part.map { unsafe fixture.request(units: $0..<$0 + 1) })
      }
      for index in order {
        try engine.wait(for: batches[index])
        #expect(fixture.holds(units: parts[index]))
      }
    }
  }

  @Test(arguments: EngineUnderTest.available, [1, 4, 64])
  func aBatchThatGrowsIsAwaitedAsOne(engine kind: EngineUnderTest, queueDepth: Int) throws {
    let fixture = try Fixture(byteCount: 400 * 512)
    let engine = try kind.make(
      files: [fixture.file], arena: fixture.arena, queueDepth: queueDepth)
    let parts = [0..<0, 0..<30, 30..<31, 31..<31, 31..<fixture.unitCount]
    let requests = unsafe parts.map { part in
      unsafe part.map { unsafe fixture.request(units: $0..<$0 + 1) }
    }
    let batch = try unsafe engine.submit(requests[0])
    for index in 1..<parts.count {
      try unsafe requests[index].withUnsafeBufferPointer {
        try unsafe engine.submit($0, addingTo: batch)
      }
    }
    try engine.wait(for: batch)
    #expect(fixture.holdsAll)
    #expect(engine.statistics.waitCount <= 1)
    // Readers begin when they wake, and the simulated device's time is its own.
    #expect(kind != .uring || engine.statistics.busy >= engine.statistics.waited)
  }

  @Test(arguments: EngineUnderTest.available)
  func pollingEndsWithoutWaiting(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 200 * 512)
    let engine = try kind.make(files: [fixture.file], arena: fixture.arena, queueDepth: 4)
    let batch = try unsafe engine.submit(fixture.requestsForAll())
    while !engine.isComplete(batch) { sched_yield() }
    #expect(fixture.holdsAll)
    try engine.wait(for: batch)
    #expect(engine.statistics.waitCount == 0)
  }

  @Test(arguments: EngineUnderTest.available)
  func anEmptyBatchIsCompleteAtOnce(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 512)
    let engine = try kind.make(files: [fixture.file], arena: fixture.arena)
    let batch = try unsafe engine.submit([])
    #expect(engine.isComplete(batch))
    try engine.wait(for: batch)
    #expect(engine.statistics == ReadStatistics())
  }

  @Test(arguments: EngineUnderTest.available)
  func everyFileIsReadByItsIndex(engine kind: EngineUnderTest) throws {
    let fixtures = try (1...3).map { try Fixture(byteCount: 5000, seed: $0) }
    let engine = try kind.make(files: fixtures.map(\.file), arena: fixtures[0].arena)
    for index in fixtures.indices {
      let count = fixtures[index].unitCount
      try unsafe engine.readAll([fixtures[index].request(units: 0..<count, fileIndex: index)])
      #expect(fixtures[index].holdsAll)
    }
  }

  @Test(arguments: EngineUnderTest.available, [DirectMode.auto, .off])
  func aFileThatShrankIsNamedAndTheEngineLivesOn(
    engine kind: EngineUnderTest, direct: DirectMode
  ) throws {
    let fixture = try Fixture(byteCount: 100 * 512, direct: direct)
    let engine = try kind.make(files: [fixture.file], arena: fixture.arena, queueDepth: 4)
    unsafe truncate(fixture.content.path, 50 * 512)
    let last = fixture.unitCount - 1
    let batch = try unsafe engine.submit(
      (0...last).map { unsafe fixture.request(units: $0..<$0 + 1) })
    let failure = try #require(throws: ReadFailure.self) { try engine.wait(for: batch) }
    #expect(failure.code == nil)
    #expect(failure.path == fixture.content.path)
    #expect(failure.extent.offset >= 50 * 512)
    #expect(failure.description.contains("shorter than when it was opened"))
    try unsafe engine.readAll([fixture.request(units: 0..<10)])
    #expect(fixture.holds(units: 0..<10))
  }

  @Test(arguments: EngineUnderTest.available)
  func drainingForgetsEverythingAndTheEngineLivesOn(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 200 * 512)
    let engine = try kind.make(
      files: [fixture.file], arena: fixture.arena, queueDepth: 4, capacity: 300)
    for _ in 0..<ReadTable.batchCapacity + 1 {
      _ = try unsafe engine.submit(fixture.requestsForAll())
      engine.drain()
    }
    fixture.clear()
    try unsafe engine.readAll(fixture.requestsForAll())
    #expect(fixture.holdsAll)
  }

  @Test(arguments: EngineUnderTest.available)
  func anEngineMayGoWithReadsInFlight(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 200 * 512)
    do {
      let engine = try kind.make(files: [fixture.file], arena: fixture.arena)
      _ = try unsafe engine.submit(fixture.requestsForAll())
    }
    fixture.clear()
    let engine = try kind.make(files: [fixture.file], arena: fixture.arena)
    try unsafe engine.readAll(fixture.requestsForAll())
    #expect(fixture.holdsAll)
  }

  @Test(arguments: EngineUnderTest.available)
  func aReadMayCrossTheBorderOfRegisteredBuffers(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 8192)
    let border = DirectArena.registeredBufferLimit
    let arena = try DirectArena(byteCount: border + 8192)
    #expect(unsafe arena.registeredBuffers.map(\.count) == [border, 8192])
    let engine = try kind.make(files: [fixture.file], arena: arena)
    for start in [border - 4096, border, border - 8192] {
      try unsafe engine.readAll([
        ReadRequest(
          fileIndex: 0, extent: FileExtent(offset: 0, byteCount: 8192),
          destination: arena.base + start)
      ])
      #expect(unsafe arena.bytes[start..<start + 8192].elementsEqual(fixture.content.bytes))
    }
  }
}

/// How a test's file is opened.
struct FileKind: Sendable, CustomTestStringConvertible {
  var direct = DirectMode.auto
  var support = DirectSupport.asReported
  var folder = TemporaryFile.buildFolder

  var testDescription: String { "direct \(direct), \(support), in \(folder)" }
}
