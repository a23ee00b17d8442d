import FlashIO
import FlashTestSupport
import Glibc
import Testing

/// What only the ring has: registration, and few system calls.
@Suite(.enabled(if: UringReadEngine.probe() == nil, "the kernel forbids io_uring here"))
struct UringReadEngineTests {
  @Test(arguments: [1, 2, 5, 8, 64])
  func aLayerTakesTwoRingCallsForEachQueueDepth(queueDepth: Int) throws {
    let fixture = try Fixture(byteCount: 150 * 512)
    let engine = try UringReadEngine(
      files: [fixture.file], arenas: [fixture.arena], queueDepth: queueDepth)
    for count in 1...fixture.unitCount {
      let before = engine.statistics
      try unsafe engine.readAll((0..<count).map { unsafe fixture.request(units: $0..<$0 + 1) })
      let calls = (engine.statistics - before).ringCallCount
      #expect(calls <= 2 * ((count + queueDepth - 1) / queueDepth), "\(count) reads")
    }
    #expect(engine.statistics.retryCount == 0)
  }

  @Test func arenasAndFilesAreRegistered() throws {
    let fixture = try Fixture(byteCount: 4096)
    let engine = try UringReadEngine(files: [fixture.file], arenas: [fixture.arena])
    #expect(engine.description.usesRegisteredBuffers)
    #expect(engine.description.usesRegisteredFiles)
    #expect(engine.description.reasons.isEmpty)
    let unit = fixture.file.unit
    #expect(
      engine.description.summary == "io_uring (depth 64, fixed buffers, O_DIRECT \(unit))")
  }

  @Test func memoryOutsideTheArenaIsReadWithoutRegistration() throws {
    let fixture = try Fixture(byteCount: 8192)
    let other = try DirectArena(byteCount: 4096)
    let engine = try UringReadEngine(files: [fixture.file], arenas: [other])
    try unsafe engine.readAll(fixture.requestsForAll())
    #expect(fixture.holdsAll)
  }

  @Test func aSmallMemlockLimitForbidsRegistrationOnly() async {
    await #expect(processExitsWith: .success) {
      let fixture = try Fixture(byteCount: 1 << 20)
      var limit = rlimit(rlim_cur: 64 << 10, rlim_max: 64 << 10)
      unsafe setrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit)
      // Root may lock what it likes.
      if getuid() == 0 { precondition(setuid(65534) == 0) }
      let engine = try UringReadEngine(files: [fixture.file], arenas: [fixture.arena])
      precondition(!engine.description.usesRegisteredBuffers)
      precondition(engine.description.reasons.count == 1)
      precondition(engine.description.reasons[0].contains("RLIMIT_MEMLOCK is 65536 bytes"))
      try unsafe engine.readAll(fixture.requestsForAll())
      precondition(fixture.holdsAll)
      exit(EXIT_SUCCESS)
    }
  }
}
