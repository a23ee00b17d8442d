import FlashIO
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWindow

/// The ring lends every segment's bytes in order, whatever order the device completes them in.
struct StreamRingTests {
  private static let segmentByteCount = 8192

  /// A ring of three buffers over a file of `count` segments, each filled with its own number.
  private final class Fixture {
    let folder: ProjectFiles.TemporaryFolder
    let arena: DirectArena
    let engine: SimulatedReadEngine
    let ring: StreamRing

    init(count: Int, bodyCount: Int, seed: UInt64) throws {
      folder = try ProjectFiles.TemporaryFolder()
      let path = folder.path + "/segments"
      let bytes = (0..<count).flatMap {
        [UInt8](repeating: UInt8($0 + 1), count: StreamRingTests.segmentByteCount)
      }
      try Data(bytes).write(to: URL(filePath: path))
      let file = try FlashFile(path: path)
      let shape = StreamRingShape(
        bufferCount: 3, bufferByteCount: StreamRingTests.segmentByteCount)
      arena = try DirectArena(byteCount: shape.byteCount)
      engine = SimulatedReadEngine(files: [file], seed: seed)
      let segments = (0..<count).map {
        StreamRing.Segment(
          fileIndex: 0,
          extent: FileExtent(
            offset: $0 * StreamRingTests.segmentByteCount,
            byteCount: StreamRingTests.segmentByteCount))
      }
      ring = unsafe StreamRing(
        engine: engine, segments: segments, bodyCount: bodyCount, shape: shape, base: arena.base)
    }

    /// Uses the segments `range` and says whether each held its own bytes.
    func use(_ range: Range<Int>) throws -> Bool {
      var isRight = true
      for segment in range {
        let bytes = try unsafe ring.acquire(segment)
        for offset in stride(from: 0, to: StreamRingTests.segmentByteCount, by: 511) {
          let value = unsafe bytes.load(fromByteOffset: offset, as: UInt8.self)
          if value != UInt8(segment + 1) { isRight = false }
        }
        try ring.release()
      }
      return isRight
    }
  }

  @Test(arguments: [0, 1, 2, 3, 4, 9], [0, 1, 2, 5])
  func passesWithAndWithoutTheHeadReadTheirOwnBytes(bodyCount: Int, headCount: Int) throws {
    guard bodyCount + headCount > 0 else { return }
    for seed in UInt64(1)...4 {
      let fixture = try Fixture(
        count: bodyCount + headCount, bodyCount: bodyCount, seed: seed)
      for includesHead in [false, true, true, false, false, true] {
        try fixture.ring.begin(includesHead: includesHead)
        #expect(try fixture.use(0..<bodyCount + (includesHead ? headCount : 0)))
        fixture.ring.end()
      }
      fixture.engine.drain()
    }
  }

  @Test func resetInTheMiddleStartsThePassAgain() throws {
    for stop in 0..<6 {
      let fixture = try Fixture(count: 6, bodyCount: 4, seed: UInt64(stop))
      try fixture.ring.begin(includesHead: true)
      #expect(try fixture.use(0..<stop))
      fixture.ring.reset()
      try fixture.ring.begin(includesHead: false)
      #expect(try fixture.use(0..<4))
      fixture.ring.end()
      fixture.engine.drain()
    }
  }

  @Test func aPassIsReadOnceWhateverIsReadAhead() throws {
    let fixture = try Fixture(count: 6, bodyCount: 4, seed: 3)
    for _ in 0..<5 {
      try fixture.ring.begin(includesHead: true)
      #expect(try fixture.use(0..<6))
      fixture.ring.end()
    }
    fixture.engine.drain()
    // Three buffers are read ahead into a sixth pass.
    let segments = fixture.engine.statistics.byteCount / Self.segmentByteCount
    #expect(segments >= 30 && segments <= 33)
  }
}
