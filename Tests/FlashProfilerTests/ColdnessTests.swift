import Testing

@testable import FlashProfiler

struct ColdnessTests {
  private static func judge(
    first: Int, second: Int, isDirect: Bool = true, isInMemory: Bool = false
  ) -> Coldness {
    Coldness(
      fileSystem: isInMemory ? "tmpfs" : "ext4", isInMemory: isInMemory, isDirect: isDirect,
      first: Array(repeating: first, count: 64), second: Array(repeating: second, count: 64))
  }

  @Test func aDeviceThatTakesItsTimeTwiceIsCold() {
    let coldness = Self.judge(first: 95_000, second: 88_000)
    #expect(coldness.isCold)
    #expect(
      coldness.sentences == ["cold: the same places again took 88 µs a read, 95 µs the first time"])
  }

  /// A virtual disk whose host keeps what was read, whether or not it knew it before.
  @Test func aHostsCacheIsRecognised() {
    #expect(Self.judge(first: 140_000, second: 52_000).reasons == [.fastSecondRead])
    #expect(Self.judge(first: 28_000, second: 27_000).reasons == [.fastReads])
    #expect(Self.judge(first: 39_000, second: 12_000).reasons == [.fastSecondRead, .fastReads])
  }

  @Test func aPageCacheHitIsRecognised() {
    #expect(Self.judge(first: 90_000, second: 800, isDirect: false).reasons == [.pageCache])
    #expect(Self.judge(first: 900, second: 800, isDirect: false).reasons == [.pageCache])
    #expect(Self.judge(first: 90_000, second: 85_000, isDirect: false).isCold)
  }

  @Test func memoryIsNotColdHoweverSlow() {
    let coldness = Self.judge(first: 90_000, second: 90_000, isDirect: false, isInMemory: true)
    #expect(coldness.reasons == [.memoryFileSystem("tmpfs")])
    #expect(coldness.sentences == ["not cold: tmpfs is memory, and no device is behind it"])
  }

  @Test func fewReadsSayNothing() {
    let coldness = Coldness(
      fileSystem: "ext4", isInMemory: false, isDirect: true, first: [1, 2, 3], second: [1])
    #expect(coldness.isCold && coldness.firstMedian == 2)
    let none = Coldness(
      fileSystem: "ext4", isInMemory: false, isDirect: true, first: [], second: [])
    #expect(none.sentences == ["not checked: no read was finished"])
  }

  @Test func slowingDownIsSeenWhereItBegins() throws {
    let steady = BurstCurve(interval: 0.1, bytesPerSecond: Array(repeating: 2e9, count: 100))
    #expect(steady.slowdownSeconds == nil)
    #expect(steady.sentence == "2 GB/s at first, 2 GB/s at last: no slowing down in 10 s")
    let falling = BurstCurve(
      interval: 0.1,
      bytesPerSecond: Array(repeating: 2e9, count: 40) + Array(repeating: 5e8, count: 60))
    #expect(falling.burst == 2e9 && falling.sustained == 5e8)
    #expect(abs(try #require(falling.slowdownSeconds) - 4) < 1e-9)
    #expect(BurstCurve(interval: 0.1, bytesPerSecond: [1, 2]).burst == nil)
  }
}
