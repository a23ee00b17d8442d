internal import FlashIO
internal import FlashModel
internal import Flashrun

/// One repetition of a test.
struct BenchSample: Sendable {
  var nanoseconds: Int
  /// Of each generated token.
  var tokenNanoseconds: [Int]
  var decoder: DecoderStatistics
  var majorFaults: Int
  /// Bytes a second at which DRAM was read just before and after; nil where it was not measured.
  var memoryBandwidth: Double?

  /// The device's rates, the better of just before and after; nil where they were not measured.
  var device: DeviceProfile?

  /// Nil for a repetition that was interrupted.
  init?(_ result: GenerationResult, of test: BenchTest) {
    guard result.reason != .cancelled else { return nil }
    let statistics = result.statistics
    nanoseconds = 0
    decoder = DecoderStatistics()
    tokenNanoseconds = []
    if test.promptCount > 0 {
      nanoseconds += Self.nanoseconds(statistics.prefill.duration)
      decoder += statistics.prefill.decoder
    }
    if test.generationCount > 0 {
      nanoseconds += Self.nanoseconds(statistics.decode.duration)
      decoder += statistics.decode.decoder
      tokenNanoseconds = statistics.tokenDurations.map(Self.nanoseconds)
    }
    majorFaults = statistics.majorFaultCount
  }

  /// Notes what DRAM and the device gave before and after the repetition.
  mutating func note(
    _ before: (memory: Double?, device: DeviceProfile?),
    _ after: (memory: Double?, device: DeviceProfile?)
  ) {
    if let first = before.memory, let second = after.memory {
      memoryBandwidth = (first + second) / 2
    }
    guard let first = before.device, let second = after.device else { return }
    device = DeviceProfile(
      bandwidth: max(first.bandwidth, second.bandwidth),
      readsPerSecond: max(first.readsPerSecond, second.readsPerSecond),
      readByteCount: first.readByteCount)
  }

  private static func nanoseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
  }
}

/// A test's samples under one configuration, and what they come to.
struct BenchResult: Sendable {
  var test: BenchTest
  var cacheState: CacheState
  /// At least one.
  var samples: [BenchSample]
  /// When the first sample began, in UTC.
  var time: String
  /// VmHWM since the model was opened under this configuration; of the whole process where the
  /// kernel does not set it back.
  var peakByteCount: Int?
  var roofline: RooflineShare?

  /// Tokens a second of each sample.
  var rates: [Double] {
    samples.map { Double(test.tokenCount) * 1e9 / Double(max(1, $0.nanoseconds)) }
  }

  /// A percentile of all samples' tokens by nearest rank; nil where no token was generated.
  func tokenNanoseconds(percentile: Double) -> Int? {
    let sorted = samples.flatMap(\.tokenNanoseconds).sorted()
    guard !sorted.isEmpty else { return nil }
    let rank = Int((percentile / 100 * Double(sorted.count)).rounded(.up))
    return sorted[min(sorted.count, max(1, rank)) - 1]
  }

  /// What the decoder did in all samples together.
  var total: DecoderStatistics { samples.reduce(into: DecoderStatistics()) { $0 += $1.decoder } }

  /// The mean of a figure of the decoder over samples.
  func mean(_ value: (DecoderStatistics) -> Int) -> Int { value(total) / samples.count }

  /// Bytes read from flash for each token.
  var bytesPerToken: Int { total.reads.byteCount / max(1, test.tokenCount * samples.count) }

  /// Of the neurons that were wanted, the fraction in the window; nil without a window.
  var hitRate: Double? {
    let lookups = total.windowHits + total.windowMisses
    return lookups > 0 ? Double(total.windowHits) / Double(lookups) : nil
  }
}

/// Means and spreads, as llama-bench has them.
package enum SampleMath {
  package static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(max(1, values.count))
  }

  /// The deviation of a sample (n - 1); 0 for one value.
  package static func deviation(_ values: [Double]) -> Double {
    guard values.count > 1 else { return 0 }
    let mean = mean(values)
    let sum = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (sum / Double(values.count - 1)).squareRoot()
  }

  package static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
