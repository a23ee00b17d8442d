import FlashIO
import Foundation
import Testing

@testable import FlashProfiler

/// What is written is valid at every moment, and read back as it was.
struct TraceFileTests {
  /// An event with its times counted from the header's.
  private static func relative(_ event: TraceEvent) -> TraceItem {
    let base = TraceSamples.header.startNanoseconds
    var event = event
    switch event {
    case .forwardBegan(var forward):
      forward.time -= base
      event = .forwardBegan(forward)
    case .forwardEnded(let time, let bytes, let isWhole):
      event = .forwardEnded(time: time - base, windowByteCount: bytes, isWhole: isWhole)
    case .layerBegan(let layer, let time): event = .layerBegan(layer: layer, time: time - base)
    case .layerEnded(var layer):
      layer.time -= base
      event = .layerEnded(layer)
    case .span(var span):
      span.start -= base
      span.end -= base
      event = .span(span)
    case .read(var read):
      read.start -= base
      read.end -= base
      event = .read(read)
    case .strides: return .strides(layer: 0, [0, 40, 95])
    case .readsInFlight(let count, let time):
      event = .readsInFlight(count: count, time: time - base)
    }
    return .event(event)
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let path = TraceSamples.path()
    try TraceSamples.write(path, count: 3)
    let (items, isCut) = try TraceSamples.items(path)
    #expect(!isCut)
    var expected = [TraceItem.header(TraceSamples.header)]
    for index in 0..<3 {
      var events = TraceSamples.events(index: index).map(Self.relative)
      events.insert(.strides(layer: 0, [0, 40, 95]), at: events.count - 1)
      expected += events
    }
    expected.append(.totals(TraceSamples.totals))
    #expect(items == expected)
  }

  @Test func theFileIsValidJSONAfterEveryChunk() throws {
    let path = TraceSamples.path()
    let file = try TraceFile(path: path)
    file.begin(TraceSamples.header)
    var last = 0
    for index in 0..<4 {
      TraceSamples.append(TraceSamples.events(index: index), to: file)
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      let events = try #require(
        JSONSerialization.jsonObject(with: data) as? [[String: Any]])
      #expect(events.count > last)
      last = events.count
      for event in events {
        #expect(event["name"] is String && event["ph"] is String && event["ts"] is NSNumber)
        #expect(event["pid"] as? Int == 1 && event["tid"] is Int)
      }
    }
  }

  @Test func aFlowGoesFromAReadToItsLayer() throws {
    let path = TraceSamples.path()
    try TraceSamples.write(path, count: 1)
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let events = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    func ids(_ phase: String) -> [Int] {
      events.filter { $0["ph"] as? String == phase }.compactMap { $0["id"] as? Int }.sorted()
    }
    // Demand and stream; a guess may be wanted by nobody, a row belongs to no layer.
    #expect(ids("s") == [1, 3] && ids("f") == [1, 3])
    #expect(ids("b") == [1, 2, 3, 4] && ids("e") == [1, 2, 3, 4])
  }

  @Test func aReadAheadFlowsToTheLayerWhenItBegins() throws {
    let path = TraceSamples.path()
    let file = try TraceFile(path: path)
    file.begin(TraceSamples.header)
    let read = TraceRead(
      number: 8, fileIndex: 0, extent: FileExtent(offset: 0, byteCount: 512),
      label: ReadLabel(layer: 1, purpose: .stream), start: 2_000, end: 3_000)
    TraceSamples.append(
      [
        .layerBegan(layer: 0, time: 1_500), .read(read), .layerEnded(.init(layer: 0, time: 4_000)),
        .layerBegan(layer: 1, time: 5_000),
      ], to: file)
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let events = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    let arrival = try #require(events.first { $0["ph"] as? String == "f" })
    #expect(arrival["id"] as? Int == 8 && arrival["ts"] as? Double == 4)
    #expect(arrival["bp"] as? String == "e" && arrival["cat"] as? String == "flow")
  }

  @Test func aFullDiskEndsTheTraceAndNothingElse() throws {
    let file = try TraceFile(path: "/dev/full")
    file.begin(TraceSamples.header)
    for index in 0..<3 { TraceSamples.append(TraceSamples.events(index: index), to: file) }
    file.append(TraceSamples.totals)
    file.close()
    #expect(file.failure?.code == ENOSPC)
    #expect(file.failure?.byteCount == 0)
  }

  @Test func aPathThatCannotBeWrittenIsRefused() {
    for path in ["/", "/nowhere/at/all.json", "/proc/trace.json"] {
      #expect(throws: FileFailure.self) { try TraceFile(path: path) }
    }
  }

  @Test(arguments: [0, 7, 10, 99, 100, 12_345, Int.max, -1, Int.min])
  func numbersAreWrittenWhole(number: Int) throws {
    var text = TraceText(capacity: 64)
    defer { text.deallocate() }
    text.append(number)
    #expect(unsafe String(decoding: text.bytes, as: UTF8.self) == "\(number)")
    text.removeAll()
    text.append(microseconds: number)
    let (whole, rest) = number.magnitude.quotientAndRemainder(dividingBy: 1_000)
    let fraction = String("\(rest + 1_000)".dropFirst())
    let sign = number < 0 ? "-" : ""
    #expect(unsafe String(decoding: text.bytes, as: UTF8.self) == "\(sign)\(whole).\(fraction)")
  }

  @Test func severalRunsAreToldApart() throws {
    let path = TraceSamples.path()
    let file = try TraceFile(path: path)
    for _ in 0..<2 {
      file.begin(TraceSamples.header)
      TraceSamples.append(TraceSamples.events(index: 0), to: file)
    }
    file.close()
    let items = try TraceSamples.items(path).items
    #expect(items.filter { $0 == .header(TraceSamples.header) }.count == 2)
    #expect(try String(contentsOfFile: path, encoding: .utf8).contains(#""pid":2"#))
  }
}
