package import FlashIO
package import FlashWindow

/// What a decoder has done so far; the difference of two is what happened between them.
package struct DecoderStatistics: Sendable, Equatable {
  /// Wall time inside `forward`.
  package var forwardNanoseconds = 0
  /// Wall time in kernels.
  package var arithmeticNanoseconds = 0
  /// Wall time in which the next layer's neurons were guessed while this one's were awaited; the
  /// answer's arithmetic stands still in it.
  package var lookAheadNanoseconds = 0
  /// Of the wall time in kernels, the part in which predictors named neurons.
  package var predictorNanoseconds = 0
  /// Neurons of all layers that were computed: all, or those that fire; once for a chunk of tokens.
  package var neurons = 0
  package var reads = ReadStatistics()
  /// Bundles of the window cache that were wanted and there, wanted and not there, and dropped.
  package var windowHits = 0
  package var windowMisses = 0
  package var windowEvictions = 0
  /// Bytes that bundles wanted by the window take, and bytes asked of flash for them: merged and
  /// in whole units.
  package var windowWantedByteCount = 0
  package var windowReadByteCount = 0
  /// Reads on a guess of what the next layer wants.
  package var lookAhead = LookAheadStatistics()

  package init() {}

  init(
    forwardNanoseconds: Int, arithmeticNanoseconds: Int, lookAheadNanoseconds: Int,
    predictorNanoseconds: Int, neurons: Int, reads: ReadStatistics, window: WindowStatistics
  ) {
    self.forwardNanoseconds = forwardNanoseconds
    self.arithmeticNanoseconds = arithmeticNanoseconds
    self.lookAheadNanoseconds = lookAheadNanoseconds
    self.predictorNanoseconds = predictorNanoseconds
    self.neurons = neurons
    self.reads = reads
    windowHits = window.hits
    windowMisses = window.misses
    windowEvictions = window.evictions
    windowWantedByteCount = window.wantedByteCount
    windowReadByteCount = window.readByteCount
    lookAhead = window.lookAhead
  }

  /// Wall time in which arithmetic waited for bytes, that of guesses among it.
  package var stallNanoseconds: Int { Self.nanoseconds(reads.waited) + lookAheadNanoseconds }

  /// Wall time in which reads were surely in flight.
  package var readNanoseconds: Int { Self.nanoseconds(reads.busy) }

  /// How much of the shorter of reading and arithmetic the longer one hid:
  /// (T_flash + T_dram - T) / min(T_flash, T_dram), from 0 (one after the other) to 1; nil where
  /// nothing was read.
  ///
  /// T is the wall time of `forward`, T_dram that of the kernels, and T_flash the time in which
  /// reads were surely in flight (`ReadStatistics.busy`), so that the value is a lower bound.
  package var overlapEfficiency: Double? {
    let flash = readNanoseconds
    let shorter = min(flash, arithmeticNanoseconds)
    guard reads.byteCount > 0, shorter > 0 else { return nil }
    let hidden = flash + arithmeticNanoseconds - forwardNanoseconds
    return min(1, max(0, Double(hidden) / Double(shorter)))
  }

  /// Bytes read for each byte that was wanted; nil where nothing was read.
  package var readAmplification: Double? {
    let wanted = reads.byteCount - windowReadByteCount + windowWantedByteCount
    guard reads.byteCount > 0, wanted > 0 else { return nil }
    return Double(reads.byteCount) / Double(wanted)
  }

  private static func nanoseconds(_ duration: Duration) -> Int {
    let parts = duration.components
    return Int(parts.seconds) * 1_000_000_000 + Int(parts.attoseconds / 1_000_000_000)
  }

  /// Adds what happened elsewhere.
  package static func += (sum: inout Self, other: Self) {
    sum = sum - (Self() - other)
  }

  package static func - (later: Self, earlier: Self) -> Self {
    var difference = later
    difference.forwardNanoseconds -= earlier.forwardNanoseconds
    difference.arithmeticNanoseconds -= earlier.arithmeticNanoseconds
    difference.lookAheadNanoseconds -= earlier.lookAheadNanoseconds
    difference.predictorNanoseconds -= earlier.predictorNanoseconds
    difference.neurons -= earlier.neurons
    difference.reads = later.reads - earlier.reads
    difference.windowHits -= earlier.windowHits
    difference.windowMisses -= earlier.windowMisses
    difference.windowEvictions -= earlier.windowEvictions
    difference.windowWantedByteCount -= earlier.windowWantedByteCount
    difference.windowReadByteCount -= earlier.windowReadByteCount
    difference.lookAhead = later.lookAhead - earlier.lookAhead
    return difference
  }
}
