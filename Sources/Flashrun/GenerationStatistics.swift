package import FlashModel

/// Where the time and the bytes of a generation went.
package struct GenerationStatistics: Sendable {
  /// Tokens that went through the decoder, and what it did for them.
  package struct Phase: Sendable {
    package var tokenCount = 0
    package var duration = Duration.zero
    package var decoder = DecoderStatistics()
  }

  package var prefill = Phase()
  /// One forward pass a token; the last token chosen needs none.
  package var decode = Phase()
  /// Of each decode pass, with the choice of its token.
  package var tokenDurations: [Duration] = []
  /// Bytes the engine wrote to storage; nil where the kernel does not count.
  package var writtenByteCount: Int?
  /// Page faults of the process meanwhile that had to read a disk.
  package var majorFaultCount = 0
}
