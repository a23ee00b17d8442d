import FlashIO
import FlashProfiler
import Foundation
import Testing

/// What `io trace` makes of a trace whose sums are known.
struct TraceAnalysisTests {
  private static func analysis(_ path: String, count: Int = 3) throws -> TraceAnalysis {
    try TraceSamples.write(path, count: count)
    return try TraceAnalysis(try TraceReader(path: path))
  }

  @Test func sumsByPhaseLayerAndKindAreThoseOfTheEvents() throws {
    let analysis = try Self.analysis(TraceSamples.path())
    #expect(analysis.runCount == 1 && !analysis.isCut && analysis.totals == [TraceSamples.totals])
    #expect(analysis.prompt.tokens == 3 && analysis.prompt.chunks == 1)
    #expect(analysis.decode.tokens == 2 && analysis.decode.chunks == 2)
    #expect(analysis.decode.duration == 2 * 99_000)
    #expect(analysis.decode.readCount == 8 && analysis.decode.byteCount == 8 * 512)
    #expect(analysis.decode.hits == 6 && analysis.decode.misses == 8)
    for kind in TraceSpan.Kind.allCases { #expect(analysis.decode[kind] == 2 * 999) }
    #expect(analysis.decode.arithmetic == 2 * 6 * 999 && analysis.decode.stall == 2 * 2 * 999)
    let layer = analysis.layers[0]
    #expect(layer.readCount == 9 && layer.misses == 12 && layer.neurons == 21)
    #expect(layer.readAmplification == 2_048.0 / 1_600 && layer.hitRate == 3.0 / 7)
    #expect(layer.duration == 3 * 89_999 && layer.stall == 3 * 2 * 999)
    #expect(analysis.outside.readCount == 3 && analysis.outside.arithmetic == 3 * 999)
    #expect(analysis.failedReadCount == 3)
    #expect(analysis.forwards.map(\.byteCount) == [2_048, 2_048, 2_048])
  }

  @Test func readsThatOverlapCountTheirTimeOnce() throws {
    let layer = try Self.analysis(TraceSamples.path(), count: 1).layers[0]
    // From 0 to 123,476 ns, three reads over one another.
    #expect(layer.busy == 123_456 + 20)
    #expect(abs((layer.overlap ?? 0) - (1 - 2.0 * 999 / 123_476)) < 1e-9)
  }

  @Test func theSlowestReadsAreTheSlowestInOrder() throws {
    let analysis = try Self.analysis(TraceSamples.path(), count: 5)
    #expect(analysis.slowest.count == 10)
    #expect(analysis.slowest.allSatisfy { $0.read.duration == 123_456 })
    #expect(analysis.latency.count == 20)
    #expect(analysis.scale.counts == [0, 0, 0, 0, 0, 0, 20])
    #expect(
      analysis.scale.lines.last == "        64 -> 127        : 20       |"
        + String(repeating: "*", count: 40) + "|")
  }

  @Test func aCutTraceCountsWhatIsBeforeTheCut() throws {
    let path = TraceSamples.path()
    try TraceSamples.write(path, count: 3)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let half = try #require(bytes.range(of: Data(#""index":2"#.utf8)))
    try bytes[..<(half.upperBound + 700)].write(to: URL(fileURLWithPath: path))
    let analysis = try TraceAnalysis(try TraceReader(path: path))
    #expect(analysis.isCut && analysis.forwards.count == 3)
    #expect(analysis.decode.tokens == 2 && analysis.totals.isEmpty)
  }

  @Test func powersOfTwoHoldTheirBounds() {
    var histogram = PowerHistogram()
    for (microseconds, place) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1_023, 9), (1_024, 10)] {
      let before = histogram.counts
      histogram.record(nanoseconds: microseconds * 1_000 + 999)
      let bounds = PowerHistogram.bounds(place)
      #expect(bounds.low <= microseconds && microseconds <= bounds.high)
      #expect(histogram.counts[place] == (before.indices.contains(place) ? before[place] : 0) + 1)
    }
  }

  @Test func thePageDrawsTheMedianAndTheSlowestToken() throws {
    let path = TraceSamples.path()
    let analysis = try Self.analysis(path, count: 4)
    let chunks = analysis.chunksToDraw
    #expect(chunks.map(\.index) == [2, 3])
    let timelines = try TraceTimeline.read(path, chunks: chunks)
    #expect(timelines.map(\.title) == chunks.map(\.title))
    let html = TracePage(analysis, path: path, timelines: timelines).page.html
    for part in ["The median token", "The slowest token", "Every layer", "attention", "in flight"] {
      #expect(html.contains(part), "\(part)")
    }
    #expect(!html.contains("<script") && !html.contains("http"))
    #expect(html.contains("modèle"))
  }
}
