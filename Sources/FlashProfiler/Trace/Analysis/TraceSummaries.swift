package import FlashIO

/// What one layer came to, over all chunks of tokens. Times are nanoseconds.
package struct LayerSummary: Sendable {
  package var readCount = 0
  package var byteCount = 0
  package var latency = LatencyHistogram()
  package var hits = 0
  package var misses = 0
  package var neurons = 0
  package var wantedByteCount = 0
  package var askedByteCount = 0
  package var guessesIssued = 0
  package var guessesUsed = 0
  package var duration = 0
  package var arithmetic = 0
  package var stall = 0
  /// Time in which reads for the layer were in flight, up to when their completion was seen.
  package var busy = 0

  package init() {}

  package var hitRate: Double? {
    hits + misses > 0 ? Double(hits) / Double(hits + misses) : nil
  }

  /// Bytes asked of flash for each byte that the window wanted; nil where it wanted none.
  package var readAmplification: Double? {
    wantedByteCount > 0 ? Double(askedByteCount) / Double(wantedByteCount) : nil
  }

  /// The part of the layer's reading in which nobody waited for it; nil where nothing was read.
  package var overlap: Double? {
    busy > 0 ? max(0, 1 - Double(stall) / Double(busy)) : nil
  }
}

/// What prefill or decode came to. Times are nanoseconds.
package struct PhaseSummary: Sendable {
  package var chunks = 0
  package var tokens = 0
  package var duration = 0
  package var readCount = 0
  package var byteCount = 0
  package var hits = 0
  package var misses = 0
  /// By `TraceSpan.Kind`.
  package var times = [Int](repeating: 0, count: TraceSpan.Kind.allCases.count)

  package init() {}

  package subscript(_ kind: TraceSpan.Kind) -> Int { times[Int(kind.rawValue)] }

  package var arithmetic: Int { sum(where: \.isArithmetic) }
  /// With the time of guessing, as in the footer.
  package var stall: Int { sum(where: \.isStall) }
  /// What is neither: choosing tokens, finding what fires, copying, and writing the trace.
  package var other: Int { max(0, duration - arithmetic - stall) }

  package var hitRate: Double? {
    hits + misses > 0 ? Double(hits) / Double(hits + misses) : nil
  }

  private func sum(where isWanted: (TraceSpan.Kind) -> Bool) -> Int {
    TraceSpan.Kind.allCases.reduce(0) { isWanted($1) ? $0 + self[$1] : $0 }
  }
}

/// Counts by powers of two of microseconds, as biolatency shows them.
package struct PowerHistogram: Sendable, Equatable {
  /// Counts of 0 to 1 µs, 2 to 3, 4 to 7, …
  package private(set) var counts: [Int] = []

  package init() {}

  package mutating func record(nanoseconds: Int) {
    let microseconds = max(1, nanoseconds / 1_000)
    let place = Int.bitWidth - 1 - microseconds.leadingZeroBitCount
    while counts.count <= place { counts.append(0) }
    counts[place] += 1
  }

  /// The microseconds that a place counts, both ends among them.
  package static func bounds(_ place: Int) -> (low: Int, high: Int) {
    (place == 0 ? 0 : 1 << place, (2 << place) - 1)
  }

  /// A line with a bar for each place.
  package var lines: [String] {
    guard let most = counts.max() else { return [] }
    let width = 40
    let rows = counts.indices.map { place in
      let (low, high) = Self.bounds(place)
      let bar = String(repeating: "*", count: counts[place] * width / most)
      return "\(low)".filled(before: 10) + " -> " + "\(high)".filled(after: 10) + " : "
        + "\(counts[place])".filled(after: 8) + " |" + bar.filled(after: width) + "|"
    }
    return ["     usecs               : count     distribution"] + rows
  }
}

extension String {
  fileprivate func filled(before width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }

  fileprivate func filled(after width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}

/// For each layer the time in which its reads were in flight, chunk by chunk.
struct FlightTimes {
  /// By layer; the last is for what belongs to none.
  private var intervals: [[(start: Int, end: Int)]]
  private var began: [Int?]

  init(layerCount: Int) {
    intervals = Array(repeating: [], count: layerCount + 1)
    began = Array(repeating: nil, count: layerCount)
  }

  mutating func widen(to layerCount: Int) {
    while began.count < layerCount {
      began.append(nil)
      // Before the last, which belongs to no layer.
      intervals.insert([], at: intervals.count - 1)
    }
  }

  mutating func begin(layer: Int, at time: Int) {
    if began.indices.contains(layer) { began[layer] = time }
  }

  /// The layer's duration; 0 where its beginning is not known.
  mutating func end(layer: Int, at time: Int) -> Int {
    guard began.indices.contains(layer), let start = began[layer] else { return 0 }
    began[layer] = nil
    return time - start
  }

  mutating func add(_ read: TraceRead) {
    let layer = read.label.layer
    let place = began.indices.contains(layer) ? layer : intervals.count - 1
    intervals[place].append((read.start, read.end))
  }

  /// For each layer with reads, -1 for what belongs to none, the length of their union; forgets
  /// them.
  mutating func take() -> [(layer: Int, busy: Int)] {
    var busy: [(Int, Int)] = []
    for place in intervals.indices where !intervals[place].isEmpty {
      intervals[place].sort { $0.start < $1.start }
      var (length, end) = (0, Int.min)
      for interval in intervals[place] where interval.end > end {
        length += interval.end - max(interval.start, end)
        end = interval.end
      }
      busy.append((place < began.count ? place : -1, length))
      intervals[place].removeAll(keepingCapacity: true)
    }
    return busy
  }
}
