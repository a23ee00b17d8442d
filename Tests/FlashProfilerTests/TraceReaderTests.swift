import FlashIO
import FlashProfiler
import FlashTestSupport
import Foundation
import Testing

/// A trace that is not whole, not ours, or not even JSON.
struct TraceReaderTests {
  private func write(_ bytes: some Sequence<UInt8>, _ path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private func error(_ text: String, _ path: String = #function) throws -> TraceError.Kind? {
    let path = TraceSamples.path(path)
    try write(text.utf8, path)
    do {
      _ = try TraceSamples.items(path)
      return nil
    } catch let error as TraceError {
      #expect(error.path == path && error.description.hasPrefix(path))
      return error.kind
    }
  }

  @Test func aTraceThatIsCutAnywhereGivesWhatIsBeforeTheCut() throws {
    let path = TraceSamples.path()
    try TraceSamples.write(path, count: 2)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let whole = try TraceSamples.items(path).items
    for cut in stride(from: 0, to: bytes.count - 3, by: 31) {
      try write(bytes[..<cut], path)
      do {
        let (items, isCut) = try TraceSamples.items(path)
        #expect(isCut)
        #expect(items == Array(whole.prefix(items.count)))
        #expect(!items.isEmpty)
      } catch let error as TraceError {
        #expect(error.kind == (cut == 0 ? .empty : .cutInHeader))
      }
    }
  }

  @Test func whiteSpaceAndEventsOfOthersArePassedOver() throws {
    let path = TraceSamples.path()
    try TraceSamples.write(path, count: 1)
    let whole = try TraceSamples.items(path).items
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let spread = text.replacing("{\"name\"", with: "\n  {  \"name\"").replacing(
      "\n]", with: ",{\"ph\":\"i\",\"name\":\"a \\\" }\",\"args\":{}} , {} ]")
    try write(spread.utf8, path)
    #expect(try TraceSamples.items(path).items == whole)
  }

  @Test func whatIsNoTraceIsSaidToBeNone() throws {
    #expect(try error("") == .empty)
    #expect(try error(" \n") == .empty)
    #expect(try error("[") == .cutInHeader)
    #expect(try error("[]") == .empty)
    #expect(try error("hello") == .foreign(found: "no JSON array of events"))
    #expect(try error("{\"traceEvents\":[]}") == .foreign(found: "no JSON array of events"))
    #expect(
      try error("[{\"name\":\"sched\",\"ph\":\"X\"}]") == .foreign(found: "\"sched\""))
    #expect(try error("[{}]") == .foreign(found: "no event"))
    #expect(
      try error("[{\"name\":\"flashrun\",\"ph\":\"M\",\"args\":{\"format\":99}}]")
        == .otherVersion(found: 99))
    let kind = try error("[{\"name\":\"flashrun\",\"ph\":\"M\",\"args\":{\"format\":1}}]")
    guard case .foreign? = kind else {
      Issue.record("a header without its fields is none: \(String(describing: kind))")
      return
    }
  }

  @Test func aDamagedEventIsNamedByItsPlace() throws {
    let path = TraceSamples.path()
    try TraceSamples.write(path, count: 1)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for (from, to) in [
      ("\"gaps\":\"AnB2B\"", "\"gaps\":\"AnB2\""), ("\"offset\":512", "\"offset\":\"far\""),
      ("\"dur\":0.999", "\"dur\":x"), ("\"purpose\":\"demand\"", "\"purpose\":\"fun\""),
      ("\"hits\":3,", ""),
    ] {
      #expect(text.contains(from))
      let kind = try error(text.replacing(from, with: to, maxReplacements: 1))
      guard case .malformed(let offset, _)? = kind else {
        Issue.record("\(from) to \(to) is not noticed: \(String(describing: kind))")
        continue
      }
      #expect(offset > 0 && offset < text.utf8.count)
    }
  }

  @Test func aMissingFileIsAFileFailure() {
    #expect(throws: FileFailure.self) { try TraceReader(path: "/nowhere/at/all.json") }
  }

  @Test func gapsRoundTrip() {
    var random = SplitMix(seed: 5)
    for limit in [1, 2, 40, 1_000, 300_000] {
      for step in [1, 3, 50] {
        var numbers: [Int32] = []
        var next = random.next(in: 0...step)
        while next < limit {
          numbers.append(Int32(next))
          next += random.next(in: 1...step)
        }
        let collector = Collector()
        let recorder = TraceRecorder(sink: collector, readCapacity: 1, strideCapacity: limit)
        unsafe numbers.withUnsafeBufferPointer {
          unsafe recorder.record(neurons: $0, perStride: 1, layer: 0)
        }
        recorder.flush()
        #expect(StrideGaps.decode(collector.text) == numbers)
      }
    }
    #expect(StrideGaps.decode("g".utf8) == nil)
    #expect(StrideGaps.decode("ggggggggA".utf8) == nil)
    #expect(StrideGaps.decode("!".utf8) == nil)
  }
}

/// Keeps what a recorder hands over.
final class Collector: TraceSink {
  private(set) var events: [TraceEvent] = []
  private(set) var text: [UInt8] = []

  func write(_ events: UnsafeBufferPointer<TraceEvent>, text: UnsafeBufferPointer<UInt8>) {
    unsafe self.events += Array(events)
    unsafe self.text += Array(text)
  }
}
