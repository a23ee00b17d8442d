package import FlashIO

/// One load of a probe: reads of one size at one queue depth, in one way.
package struct ProbeCell: Sendable {
  package var method: ReadLoad.Method
  package var isRandom: Bool
  package var byteCount: Int
  package var depth: Int
  package var readCount: Int
  package var nanoseconds: Int
  /// From when a read was wanted until it was complete, as a run waits for it.
  package var latency: LatencyHistogram
  /// Of that, from when the kernel had it: what fio calls completion latency. Next to nothing where
  /// a cache answers while the read is handed over.
  package var completion: LatencyHistogram
  /// Of that, until the kernel had it.
  package var submission: LatencySum
  package var processor: ProcessorUse

  package var seconds: Double { Double(max(1, nanoseconds)) / 1e9 }
  package var readsPerSecond: Double { Double(readCount) / seconds }
  package var bytesPerSecond: Double { readsPerSecond * Double(byteCount) }

  /// - Parameter processor: what the load took of the processor.
  package init(_ load: ReadLoad, _ result: ReadLoadResult, processor: ProcessorUse) {
    method = load.method
    if case .random = load.places { isRandom = true } else { isRandom = false }
    byteCount = load.byteCount
    depth = load.depth
    readCount = result.samples.count
    nanoseconds = result.nanoseconds
    latency = LatencyHistogram()
    completion = LatencyHistogram()
    submission = LatencySum()
    for sample in result.samples {
      latency.record(nanoseconds: sample.total)
      completion.record(nanoseconds: sample.latency)
      submission.add(sample.submission)
    }
    self.processor = processor
  }

  package func p(_ percent: Double) -> Int { latency.nanoseconds(atPercentile: percent) }
}

/// Sums of nanoseconds, of which only mean, deviation and extremes are wanted.
package struct LatencySum: Sendable, Equatable {
  package private(set) var count = 0
  package private(set) var minimum = 0
  package private(set) var maximum = 0
  private var sum = 0.0
  private var squares = 0.0

  package init() {}

  package mutating func add(_ nanoseconds: Int) {
    minimum = count == 0 ? nanoseconds : min(minimum, nanoseconds)
    maximum = max(maximum, nanoseconds)
    count += 1
    sum += Double(nanoseconds)
    squares += Double(nanoseconds) * Double(nanoseconds)
  }

  package var mean: Double { count == 0 ? 0 : sum / Double(count) }
  package var deviation: Double {
    count == 0 ? 0 : max(0, squares / Double(count) - mean * mean).squareRoot()
  }
}

/// How fast long reads in order went over time.
package struct BurstCurve: Sendable, Equatable {
  /// Seconds of each entry.
  package var interval: Double
  package var bytesPerSecond: [Double]

  /// A device that keeps this part of its first speed does not slow down.
  static let steadyPart = 0.85

  package init(interval: Double, bytesPerSecond: [Double]) {
    self.interval = interval
    self.bytesPerSecond = bytesPerSecond
  }

  /// Counts completions by the interval they fall in; the last one, which is not whole, is left
  /// out.
  package init(_ result: ReadLoadResult, interval: Double) {
    self.interval = interval
    let width = interval * 1e9
    let count = Int(Double(result.nanoseconds) / width)
    bytesPerSecond = Array(repeating: 0, count: count)
    for sample in result.samples {
      let index = Int(Double(sample.completion) / width)
      if index < count { bytesPerSecond[index] += Double(result.byteCount) / interval }
    }
  }

  /// The mean of the first tenth; nil where there are too few intervals.
  package var burst: Double? {
    guard bytesPerSecond.count >= 6 else { return nil }
    let first = bytesPerSecond.prefix(max(3, bytesPerSecond.count / 10))
    return first.reduce(0, +) / Double(first.count)
  }

  /// The median of the last third.
  package var sustained: Double? {
    guard bytesPerSecond.count >= 6 else { return nil }
    let last = bytesPerSecond.suffix(bytesPerSecond.count / 3).sorted()
    return last[last.count / 2]
  }

  /// When it fell to half way between both and stayed there for five intervals; nil where it did
  /// not slow down.
  package var slowdownSeconds: Double? {
    guard let burst, let sustained, sustained < Self.steadyPart * burst else { return nil }
    let middle = (burst + sustained) / 2
    let run = min(5, bytesPerSecond.count / 3)
    let index = bytesPerSecond.indices.dropLast(run - 1).first { start in
      bytesPerSecond[start..<start + run].allSatisfy { $0 < middle }
    }
    return index.map { Double($0) * interval }
  }

  /// What is to be said of it.
  package var sentence: String {
    let seconds = Quantity.number(interval * Double(bytesPerSecond.count))
    guard let burst, let sustained else { return "too short to see whether it slows down" }
    let rates = "\(Quantity.bandwidth(burst)) at first, \(Quantity.bandwidth(sustained)) at last"
    guard let slowdownSeconds else { return "\(rates): no slowing down in \(seconds) s" }
    return "\(rates): it slows down after \(Quantity.number(slowdownSeconds)) s"
  }
}
