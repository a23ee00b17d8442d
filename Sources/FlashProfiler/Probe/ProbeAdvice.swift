/// What the measurements mean for a model: how deep the queue, which neurons are read together.
package struct ProbeAdvice: Sendable, Equatable {
  /// The size that neurons are read in, or 4 KiB where no store was probed.
  package var readByteCount: Int
  package var readsPerSecond: Double
  /// The smallest depth that brings nearly all of them.
  package var queueDepth: Int
  /// Whether a deeper queue was not tried.
  package var isDeepest: Bool
  package var bandwidth: Double
  /// Unwanted bytes that take as long as one more read.
  package var mergeGap: Int
  /// The smallest size at which random reads reach nine tenths of the bandwidth; nil where none
  /// does.
  package var kneeByteCount: Int?

  static let nearlyFull = 0.9

  /// Nil where neither random reads nor reads in order were measured.
  package init?(_ result: ProbeResult) {
    let cells = result.randomCells
    guard !cells.isEmpty, let ceiling = result.ceiling else { return nil }
    readByteCount = result.store.first?.byteCount ?? result.sizes.first ?? 4096
    let random = RandomReadRate(ofByteCount: readByteCount, in: cells)
    readsPerSecond = random.perSecond
    queueDepth = random.queueDepth
    isDeepest = random.queueDepth == result.depths.last
    bandwidth = ceiling
    mergeGap = Int(ceiling / random.perSecond)
    kneeByteCount = result.sizes.first { size in
      let best = result.sweep.filter { $0.byteCount == size }.map(\.bytesPerSecond).max() ?? 0
      return best >= Self.nearlyFull * ceiling
    }
  }

  /// Bundles that are read together cost no more than one where they lie side by side.
  package var bundlesPerRead: Int {
    max(1, Int((Double(mergeGap) / Double(readByteCount)).rounded(.down)) + 1)
  }

  /// A sentence each, without a full stop.
  package var sentences: [String] {
    let size = Quantity.bytes(readByteCount)
    let short = Quantity.bandwidth(readsPerSecond * Double(readByteCount))
    var lines = [
      "queue depth \(queueDepth): \(Quantity.count(readsPerSecond)) reads a second of \(size) "
        + "(\(short)); "
        + (isDeepest ? "the deepest that was tried" : "a deeper queue brings under 5 % more"),
      "merge gap \(Quantity.bytes(mergeGap)): unwanted bytes up to that cost less than a second "
        + "read (bandwidth / IOPS)",
    ]
    if bundlesPerRead > 1 {
      lines.append(
        "bundle grouping: up to \(bundlesPerRead) neighbours of \(size) in one read cost about as "
          + "much as two reads")
    } else {
      lines.append("bundle grouping: reads of \(size) are bound by bandwidth, not by their number")
    }
    if let kneeByteCount {
      lines.append(
        "the knee: random reads of \(Quantity.bytes(kneeByteCount)) reach nine tenths of the "
          + "\(Quantity.bandwidth(bandwidth)) of reads in order")
    } else {
      lines.append(
        "the knee: no random read measured reaches nine tenths of the "
          + "\(Quantity.bandwidth(bandwidth)) of reads in order")
    }
    return lines
  }
}
