import FlashIO
import FlashTestSupport
import Foundation
import Glibc
import Testing

@testable import FlashWindow

/// Guesses are delivered where they are demanded and dropped where not; a failed one is asked for
/// again.
struct LookAheadAreaTests {
  private static let strideByteCount = 1536
  private static let slotByteCount = 2048

  /// An area over two files, of which the second holds 200 strides, each filled with its number.
  private final class Fixture {
    let folder: ProjectFiles.TemporaryFolder
    let arena: DirectArena
    let engine: SimulatedReadEngine
    let area: LookAheadArea

    init(queueDepth: Int = 64, seed: UInt64 = 1) throws {
      folder = try ProjectFiles.TemporaryFolder()
      let path = folder.path + "/bundles"
      let bytes = (0..<200).flatMap {
        [UInt8](repeating: UInt8($0), count: LookAheadAreaTests.strideByteCount)
      }
      try Data(bytes).write(to: URL(filePath: path))
      let files = try (0..<2).map { _ in try FlashFile(path: path, support: .unit(512)) }
      arena = try DirectArena(
        byteCount: (LookAheadArea.slotCount + 200) * LookAheadAreaTests.slotByteCount)
      engine = SimulatedReadEngine(files: files, queueDepth: queueDepth, seed: seed)
      area = unsafe LookAheadArea(
        engine: engine, base: arena.base, slotByteCount: LookAheadAreaTests.slotByteCount)
    }

    /// Where a demand of a stride is to go.
    func slot(_ stride: Int) -> UnsafeMutableRawPointer {
      unsafe arena.base + (LookAheadArea.slotCount + stride) * LookAheadAreaTests.slotByteCount
    }

    func extent(_ stride: Int) -> FileExtent {
      let byteCount = LookAheadAreaTests.strideByteCount
      return FileExtent(offset: stride * byteCount, byteCount: byteCount)
    }

    func guess(_ strides: [Int], layer: Int) {
      area.begin(layer: layer)
      for stride in strides where !area.isFull { area.add(Int32(stride), extent(stride)) }
      area.submit()
    }

    func holds(_ stride: Int) -> Bool {
      let start = unsafe slot(stride)
      return unsafe UnsafeRawBufferPointer(
        start: start, count: LookAheadAreaTests.strideByteCount
      ).allSatisfy { $0 == UInt8(stride) }
    }

    func waitUntilFree() { while !area.isFree { sched_yield() } }
  }

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func demandedGuessesAreDeliveredAlsoInFlight(seed: UInt64) throws {
    let fixture = try Fixture(seed: seed)
    fixture.guess([7, 3, 150, 42], layer: 5)
    if seed % 2 == 0 { fixture.waitUntilFree() }
    #expect(unsafe !fixture.area.demand(3, of: 4, slot: fixture.slot(3)), "another layer")
    #expect(unsafe !fixture.area.demand(8, of: 5, slot: fixture.slot(8)), "not guessed")
    for stride in [3, 42] {
      #expect(unsafe fixture.area.demand(Int32(stride), of: 5, slot: fixture.slot(stride)))
    }
    unsafe fixture.area.deliver { _, _ in Issue.record("nothing is missing") }
    #expect(fixture.holds(3) && fixture.holds(42) && !fixture.holds(7))
    #expect(fixture.area.statistics.issued == 4 && fixture.area.statistics.used == 2)
    #expect(fixture.area.statistics.usedByteCount == 2 * Self.strideByteCount)
    #expect(unsafe !fixture.area.demand(7, of: 5, slot: fixture.slot(7)), "dropped")
  }

  @Test func aWrongGuessIsDroppedAndItsSlotsAreUsedWhenItCameBack() throws {
    let fixture = try Fixture()
    fixture.guess(Array(0..<20), layer: 1)
    unsafe fixture.area.deliver { _, _ in Issue.record("nothing was demanded") }
    fixture.waitUntilFree()
    fixture.guess([100], layer: 2)
    #expect(unsafe fixture.area.demand(100, of: 2, slot: fixture.slot(100)))
    unsafe fixture.area.deliver { _, _ in Issue.record("nothing is missing") }
    #expect(fixture.holds(100))
  }

  @Test func thereAreNeverMoreGuessesThanSlotsOrTheQueueTakes() throws {
    for queueDepth in [1, 8, 64] {
      let fixture = try Fixture(queueDepth: queueDepth)
      let most = min(queueDepth, LookAheadArea.slotCount)
      for layer in 0..<5 {
        fixture.guess(Array(0..<200), layer: layer)
        #expect(fixture.area.statistics.issued == (layer + 1) * most)
        unsafe fixture.area.deliver { _, _ in }
        fixture.waitUntilFree()
      }
      #expect(fixture.engine.statistics.maximumInFlight == most)
    }
  }

  @Test func aGuessThatCannotBeReadIsAskedForAgainOnlyWhereItIsDemanded() throws {
    let fixture = try Fixture()
    fixture.engine.faults.failureChance = 1
    fixture.guess([1, 2, 3], layer: 0)
    #expect(unsafe fixture.area.demand(2, of: 0, slot: fixture.slot(2)))
    var missing: [FileExtent] = []
    unsafe fixture.area.deliver { extent, slot in
      unsafe #expect(slot == fixture.slot(2))
      missing.append(extent)
    }
    #expect(missing == [fixture.extent(2)] && fixture.area.statistics.used == 0)
    fixture.guess([4], layer: 1)
    unsafe fixture.area.deliver { _, _ in Issue.record("nothing was demanded") }
    fixture.waitUntilFree()
    #expect(unsafe !fixture.area.demand(4, of: 1, slot: fixture.slot(4)))
  }

  @Test func afterAResetNothingIsLeft() throws {
    let fixture = try Fixture()
    fixture.guess([1, 2], layer: 0)
    fixture.engine.drain()
    fixture.area.reset()
    #expect(fixture.area.isFree)
    #expect(unsafe !fixture.area.demand(1, of: 0, slot: fixture.slot(1)))
  }
}
