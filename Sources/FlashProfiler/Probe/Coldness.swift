/// Whether reads came from the device, or from a memory in front of it that a larger model would
/// not find.
package struct Coldness: Sendable, Equatable {
  /// What speaks against the device.
  package enum Reason: Sendable, Equatable {
    /// The file system is memory.
    case memoryFileSystem(String)
    /// Reads go through the page cache, which kept what was read.
    case pageCache
    /// The same places were read much faster the second time: a host or a controller kept them.
    case fastSecondRead
    /// Single reads are answered faster than flash can.
    case fastReads
  }

  package var reasons: [Reason]
  /// Medians of single 4 KiB reads, in nanoseconds: of places not read before, and of the same
  /// places again. Zero where there was no read.
  package var firstMedian: Int
  package var secondMedian: Int

  package var isCold: Bool { reasons.isEmpty }

  /// Flash takes longer than this for one read; a cache seldom does.
  static let fastestFlash = 40_000
  /// A second read that takes less than this part of the first was not the device's.
  static let secondReadPart = 0.5
  /// Fewer reads than this say nothing.
  static let leastSamples = 8

  /// Judges latencies of single 4 KiB reads, in nanoseconds.
  ///
  /// - Parameters:
  ///   - first: of places not read before; `second`: of the same places in the same order.
  ///   - isDirect: whether the page cache was passed by.
  package init(fileSystem: String, isInMemory: Bool, isDirect: Bool, first: [Int], second: [Int]) {
    firstMedian = Self.median(first)
    secondMedian = Self.median(second)
    reasons = []
    if isInMemory { reasons.append(.memoryFileSystem(fileSystem)) }
    guard first.count >= Self.leastSamples, second.count >= Self.leastSamples else { return }
    let isFasterAgain = Double(secondMedian) < Self.secondReadPart * Double(firstMedian)
    let isFast = firstMedian < Self.fastestFlash
    if !isDirect {
      if isFasterAgain || isFast || secondMedian < Self.fastestFlash { reasons.append(.pageCache) }
      return
    }
    if isFasterAgain { reasons.append(.fastSecondRead) }
    if isFast { reasons.append(.fastReads) }
  }

  /// A sentence for each reason, or one that says that none was found.
  package var sentences: [String] {
    let first = Quantity.duration(nanoseconds: Double(firstMedian))
    let second = Quantity.duration(nanoseconds: Double(secondMedian))
    if isCold {
      return firstMedian == 0
        ? ["not checked: no read was finished"]
        : ["cold: the same places again took \(second) a read, \(first) the first time"]
    }
    return reasons.map { reason in
      switch reason {
      case .memoryFileSystem(let name):
        "not cold: \(name) is memory, and no device is behind it"
      case .pageCache:
        "not cold: the page cache answers (\(first) a read, the same places again \(second))"
      case .fastSecondRead:
        "not cold: the same places again took \(second) a read, \(first) the first time: a cache "
          + "of the host or the controller answers"
      case .fastReads:
        "not cold: one 4 KiB read takes \(first), less than flash does: a cache of the host or the "
          + "controller answers"
      }
    }
  }

  static func median(_ values: [Int]) -> Int {
    values.isEmpty ? 0 : values.sorted()[values.count / 2]
  }
}
