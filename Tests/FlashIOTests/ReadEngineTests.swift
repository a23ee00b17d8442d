import FlashIO
import FlashTestSupport
import Testing

/// One body, three engines.
struct ReadEngineTests {
  @Test(arguments: EngineUnderTest.available, [1, 3, 64])
  func everyReadBringsItsOwnBytes(engine kind: EngineUnderTest, queueDepth: Int) throws {
    let content = TemporaryFile(byteCount: 300_000 + 77)
    let file = try FlashFile(path: content.path)
    let unit = max(file.unit, 512)
    let unitCount = (content.bytes.count + unit - 1) / unit
    let arena = try DirectArena(byteCount: unitCount * unit)
    let engine = try kind.make(files: [file], arena: arena, queueDepth: queueDepth)
    // Backwards and of one to three units, so that nothing depends on the order.
    var requests: [ReadRequest] = unsafe []
    var start = 0
    while start < unitCount {
      let count = min(1 + start % 3, unitCount - start)
      unsafe requests.append(
        ReadRequest(
          fileIndex: 0, extent: FileExtent(offset: start * unit, byteCount: count * unit),
          destination: arena.base + start * unit))
      start += count
    }
    unsafe requests.reverse()
    let batch = try unsafe engine.submit(requests)
    try engine.wait(for: batch)
    let found = unsafe Array(arena.bytes.prefix(content.bytes.count))
    #expect(found == content.bytes)
    #expect(unsafe engine.statistics.readCount == requests.count)
    #expect(engine.statistics.byteCount == content.bytes.count)
    #expect(engine.statistics.maximumInFlight <= queueDepth)
  }
}
