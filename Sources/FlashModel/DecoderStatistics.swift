package import FlashIO

/// What a decoder has done so far; the difference of two is what happened between them.
package struct DecoderStatistics: Sendable, Equatable {
  /// Wall time inside `forward`.
  package var forwardNanoseconds = 0
  /// Wall time in kernels.
  package var arithmeticNanoseconds = 0
  package var reads = ReadStatistics()
  /// Bundles of the window cache that were wanted and there, wanted and not there, and dropped.
  package var windowHits = 0
  package var windowMisses = 0
  package var windowEvictions = 0

  package init() {}

  init(
    forwardNanoseconds: Int, arithmeticNanoseconds: Int, reads: ReadStatistics, windowHits: Int,
    windowMisses: Int, windowEvictions: Int
  ) {
    self.forwardNanoseconds = forwardNanoseconds
    self.arithmeticNanoseconds = arithmeticNanoseconds
    self.reads = reads
    self.windowHits = windowHits
    self.windowMisses = windowMisses
    self.windowEvictions = windowEvictions
  }

  /// Wall time in which arithmetic waited for bytes.
  package var stallNanoseconds: Int {
    let waited = reads.waited.components
    return Int(waited.seconds) * 1_000_000_000 + Int(waited.attoseconds / 1_000_000_000)
  }

  package static func - (later: Self, earlier: Self) -> Self {
    DecoderStatistics(
      forwardNanoseconds: later.forwardNanoseconds - earlier.forwardNanoseconds,
      arithmeticNanoseconds: later.arithmeticNanoseconds - earlier.arithmeticNanoseconds,
      reads: later.reads - earlier.reads,
      windowHits: later.windowHits - earlier.windowHits,
      windowMisses: later.windowMisses - earlier.windowMisses,
      windowEvictions: later.windowEvictions - earlier.windowEvictions)
  }
}
