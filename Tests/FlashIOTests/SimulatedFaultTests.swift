import FlashIO
import FlashTestSupport
import Glibc
import Testing

/// Seeded faults: a batch ends with the right bytes or with a named failure, and nothing of it is
/// left in flight.
struct SimulatedFaultTests {
  @Test func everyHistoryEndsInBytesOrAFailure() throws {
    let fixture = try Fixture(byteCount: 120 * 512 + 3)
    var failed = 0
    for seed in 0..<500 as Range<UInt64> {
      let engine = SimulatedReadEngine(
        files: [fixture.file], queueDepth: 1 + Int(seed % 9), seed: seed, faults: faults(seed))
      fixture.clear()
      do throws(ReadFailure) {
        try unsafe engine.readAll(fixture.requestsForAll())
        #expect(fixture.holdsAll, "seed \(seed)")
      } catch {
        failed += 1
        #expect(error.code == EIO || error.code == ENODEV || error.code == EINTR, "seed \(seed)")
        #expect(error.path == fixture.content.path && engine.faultCount > 0, "seed \(seed)")
        // Nothing writes into the arena any more: its bytes stay.
        fixture.clear()
        engine.drain()
        #expect(fixture.isClear, "seed \(seed)")
      }
    }
    #expect(failed > 50 && failed < 450)
  }

  private func faults(_ seed: UInt64) -> SimulatedFaults {
    var faults = SimulatedFaults()
    switch seed % 5 {
    case 0: faults.shortReadChance = 0.5
    case 1: faults.failureChance = 0.01
    case 2: faults.interruptionChance = 0.3
    case 3: faults.deviceGoneAfter = Int(seed % 80)
    default: (faults.shortReadChance, faults.failureChance) = (0.2, 0.005)
    }
    return faults
  }

  @Test func oneSeedGivesOneHistory() throws {
    let fixture = try Fixture(byteCount: 50 * 512)
    let histories = try (0..<2).map { _ in
      let engine = SimulatedReadEngine(
        files: [fixture.file], queueDepth: 5, seed: 42, faults: faults(0))
      try unsafe engine.readAll(fixture.requestsForAll())
      return engine.statistics
    }
    #expect(histories[0] == histories[1])
    #expect(histories[0].retryCount > 0 && histories[0].waited > .zero)
  }

  @Test func whoLooksTooEarlySeesGarbage() throws {
    let fixture = try Fixture(byteCount: 512)
    let engine = SimulatedReadEngine(files: [fixture.file], seed: 1)
    let batch = try unsafe engine.submit(fixture.requestsForAll())
    #expect(unsafe fixture.arena.bytes.prefix(512).allSatisfy { $0 == 0xEE })
    try engine.wait(for: batch)
    #expect(fixture.holdsAll)
  }
}
