import Testing

@testable import FlashProfiler

struct LatencyHistogramTests {
  @Test func percentilesAreWithinATenthOfAPercent() {
    var histogram = LatencyHistogram()
    for index in 1...10_000 { histogram.record(nanoseconds: index * 1_000) }
    #expect(histogram.count == 10_000)
    for percent in [50.0, 90, 99, 99.9, 100] {
      let expected = percent * 100_000
      #expect(abs(Double(histogram.nanoseconds(atPercentile: percent)) - expected) < expected / 999)
    }
    #expect(histogram.minimum == 1_000 || histogram.minimum == 1_023)
  }

  @Test func noReadHasNoLatencyAndALongOneCounts() {
    var histogram = LatencyHistogram()
    #expect(histogram.nanoseconds(atPercentile: 99) == 0)
    #expect(histogram.count == 0)
    histogram.record(nanoseconds: .max)
    histogram.record(nanoseconds: -1)
    #expect(histogram.count == 2)
    #expect(histogram.maximum >= LatencyHistogram.longest)
  }
}
