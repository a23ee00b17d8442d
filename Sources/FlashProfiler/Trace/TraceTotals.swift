/// The footer's figures of one generation, as the trace's last word on it: its sums must agree.
package struct TraceTotals: Codable, Sendable, Equatable {
  /// Prefill or decode.
  package struct Phase: Codable, Sendable, Equatable {
    package var tokens: Int
    /// Wall time of the phase, with the choice of tokens.
    package var nanoseconds: Int
    /// Wall time in the decoder, and parts of it. `stallNanoseconds` has `lookAheadNanoseconds`.
    package var forwardNanoseconds: Int
    package var arithmeticNanoseconds: Int
    package var stallNanoseconds: Int
    package var lookAheadNanoseconds: Int
    package var flashBytes: Int
    package var flashReads: Int
    package var windowHits: Int
    package var windowMisses: Int

    package init(
      tokens: Int, nanoseconds: Int, forwardNanoseconds: Int, arithmeticNanoseconds: Int,
      stallNanoseconds: Int, lookAheadNanoseconds: Int, flashBytes: Int, flashReads: Int,
      windowHits: Int, windowMisses: Int
    ) {
      self.tokens = tokens
      self.nanoseconds = nanoseconds
      self.forwardNanoseconds = forwardNanoseconds
      self.arithmeticNanoseconds = arithmeticNanoseconds
      self.stallNanoseconds = stallNanoseconds
      self.lookAheadNanoseconds = lookAheadNanoseconds
      self.flashBytes = flashBytes
      self.flashReads = flashReads
      self.windowHits = windowHits
      self.windowMisses = windowMisses
    }
  }

  package var prompt: Phase
  package var decode: Phase
  /// Why the generation ended.
  package var reason: String

  package init(prompt: Phase, decode: Phase, reason: String) {
    self.prompt = prompt
    self.decode = decode
    self.reason = reason
  }
}
