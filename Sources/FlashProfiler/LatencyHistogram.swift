package import Histogram

/// How long reads took, in nanoseconds: an HDR histogram of three significant digits up to 100 s,
/// so that a percentile is off by at most 0.1 %.
///
/// All of it is reserved at `init` (about 100 KiB); recording allocates nothing.
package struct LatencyHistogram: Sendable {
  /// The histogram itself, for what needs every bin.
  package private(set) var bins: Histogram<UInt32>

  /// Longer latencies count as this one.
  package static let longest = 100_000_000_000

  package init() {
    bins = Histogram(
      highestTrackableValue: UInt64(Self.longest), numberOfSignificantValueDigits: .three)
  }

  /// Counts one read that took so many nanoseconds.
  package mutating func record(nanoseconds: Int) {
    bins.record(UInt64(min(max(nanoseconds, 0), Self.longest)))
  }

  /// Adds what another one counted.
  package mutating func add(_ other: Self) {
    bins.add(other.bins)
  }

  package var count: Int { Int(bins.totalCount) }

  /// The latency that `percent` of the reads did not exceed, in nanoseconds; 0 where none was
  /// recorded.
  package func nanoseconds(atPercentile percent: Double) -> Int {
    Int(bins.valueAtPercentile(percent))
  }

  package var minimum: Int { Int(bins.min) }
  package var maximum: Int { Int(bins.maxRecorded) }
  package var mean: Double { bins.mean }
  package var deviation: Double { bins.stdDeviation }
}
