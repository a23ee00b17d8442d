/// How long layers waited for flash, by how many experts each missed.
package struct LayerStalls: Sendable, Equatable {
  /// Layers with so many misses, and their stalls' nanoseconds.
  private var counts: [Int] = []
  private var nanoseconds: [Int] = []

  /// Fewer layers than this, whose host may have stood still once, tell nothing.
  private static let leastCount = 64

  package init() {}

  package mutating func add(misses: Int, nanoseconds stall: Int) {
    while counts.count <= misses {
      counts.append(0)
      nanoseconds.append(0)
    }
    counts[misses] += 1
    nanoseconds[misses] += stall
  }

  /// Seconds by which one miss more lengthens a stall: the slope of a line through layers with two
  /// misses or more, by least squares. One miss is often hidden whole.
  ///
  /// Nil where there are too few of them, and where it is not positive.
  package var secondsPerMiss: Double? {
    var (weight, misses, stall) = (0.0, 0.0, 0.0)
    for index in counts.indices.dropFirst(2) {
      weight += Double(counts[index])
      misses += Double(index * counts[index])
      stall += Double(nanoseconds[index]) / 1e9
    }
    guard weight >= Double(Self.leastCount) else { return nil }
    let (meanMisses, meanStall) = (misses / weight, stall / weight)
    var (together, squares) = (0.0, 0.0)
    for index in counts.indices.dropFirst(2) {
      let distance = Double(index) - meanMisses
      together += distance * (Double(nanoseconds[index]) / 1e9 - Double(counts[index]) * meanStall)
      squares += Double(counts[index]) * distance * distance
    }
    return squares > 0 && together > 0 ? together / squares : nil
  }
}
