package import FlashIO

/// What asking for reads takes of the processor, and arithmetic then lacks: so much for each time
/// that reads are handed over and seen complete, and so much for each of them.
///
/// On a virtual disk the first is 16 µs and the second 2.5: a layer whose misses go out slice by
/// slice pays for a dozen calls, whatever its reads hide behind.
package struct ReadCost: Sendable, Equatable {
  package var secondsPerCall: Double
  package var secondsPerRead: Double

  package init(secondsPerCall: Double, secondsPerRead: Double) {
    self.secondsPerCall = secondsPerCall
    self.secondsPerRead = secondsPerRead
  }

  package static let none = ReadCost(secondsPerCall: 0, secondsPerRead: 0)
  private static let depth = 16

  /// Reads of one at a time against many at a time, in about 0.12 s; nil where they fail.
  ///
  /// - Parameter readByteCount: the size of a read, rounded up to whole units.
  package static func measure(file: FlashFile, readByteCount: Int) -> ReadCost? {
    let size = max(1, (readByteCount + file.unit - 1) / file.unit) * file.unit
    let stride = (size + 4095) / 4096 * 4096
    guard size <= file.byteCount,
      let arena = try? DirectArena(byteCount: depth * stride, prefault: true)
    else { return nil }
    func secondsPerRead(depth: Int) -> Double? {
      var load = ReadLoad(
        method: UringReadEngine.probe() == nil ? .uring : .pread,
        places: .random(seed: .random(in: .min ... .max)), byteCount: size, depth: depth,
        duration: .milliseconds(20))
      load.isInBatches = true
      // The least of some: a host that takes the processor away shows as work of ours.
      let found = (0..<3).compactMap { _ -> Double? in
        let before = ProcessorUse.now()
        guard let result = try? load.run(file: file, arena: arena), !result.samples.isEmpty else {
          return nil
        }
        let use = ProcessorUse.now() - before
        return (use.userSeconds + use.systemSeconds) / Double(result.samples.count)
      }
      return found.min()
    }
    guard let alone = secondsPerRead(depth: 1), let together = secondsPerRead(depth: depth) else {
      return nil
    }
    return ReadCost(alone: alone, together: together, count: Double(depth))
  }

  /// From what a read takes alone and among `count`.
  init(alone: Double, together: Double, count: Double) {
    secondsPerCall = max(0, alone - together) * count / (count - 1)
    secondsPerRead = max(0, together - secondsPerCall / count)
  }

  package func seconds(calls: Double, reads: Double) -> Double {
    calls * secondsPerCall + reads * secondsPerRead
  }

  /// Calls of a layer whose reads are known slice by slice: slices in which something is missing,
  /// were misses independent.
  package static func calls(reads: Double, slices: Double) -> Double {
    guard reads > 0, slices > 1 else { return min(1, reads) }
    var none = 1.0
    // (1 - 1 / slices) ^ reads without a library of mathematics: squaring and multiplying.
    var factor = 1 - 1 / slices
    var count = Int(reads.rounded())
    while count > 0 {
      if count & 1 == 1 { none *= factor }
      factor *= factor
      count >>= 1
    }
    return slices * (1 - none)
  }
}
