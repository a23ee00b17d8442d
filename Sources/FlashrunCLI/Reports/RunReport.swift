/// What a run tells about itself: the values behind the footer and `--stats json`.
package struct RunReport: Sendable, Equatable {
  /// Prefill or decode: how long it took, and where the time and the bytes went.
  package struct Phase: Sendable, Equatable {
    package var tokens = 0
    package var seconds = 0.0
    /// Time in which arithmetic waited for bytes, the part of it that went to guessing the next
    /// layer's neurons, and time of arithmetic.
    package var stallSeconds = 0.0
    package var lookAheadSeconds = 0.0
    package var arithmeticSeconds = 0.0
    package var flashBytes = 0
    package var flashReads = 0
    package var ringCalls = 0
    package var windowHits = 0
    package var windowMisses = 0
    /// How much of the shorter of reading and arithmetic the longer one hid, 0 to 1, and bytes read
    /// for each byte wanted; nil when nothing was read.
    package var overlap: Double?
    package var readAmplification: Double?
    /// Reads on a guess of what the next layer wants, those of them that were wanted, and the bytes
    /// of the others.
    package var lookAheadReads = 0
    package var lookAheadUsed = 0
    package var lookAheadWastedBytes = 0

    package init() {}

    package var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }
    /// Of the neurons that were needed, the fraction found in DRAM; nil when none was looked up.
    package var hitRate: Double? {
      let lookups = windowHits + windowMisses
      return lookups > 0 ? Double(windowHits) / Double(lookups) : nil
    }
  }

  /// The engine in words: `io_uring (depth 64, fixed buffers, O_DIRECT 512)`.
  package var engine = ""
  package var mode = ""
  /// What the mode costs; nil for one that is lossless.
  package var certificate: CertificateSummary?
  package var instructionSet = ""
  package var threads = 0
  package var contextLength = 0
  package var seed: UInt64 = 0
  package var stopReason = ""
  /// Tokens chosen; the last one needs no decode pass.
  package var generatedTokens = 0
  /// Whether the weights are random (`synth`).
  package var isSynthetic = false
  package var memoryLimit: Int?
  package var plannedBytes = 0
  package var loadSeconds = 0.0
  package var loadBytes = 0
  package var prompt = Phase()
  package var decode = Phase()
  /// Seconds of each generated token.
  package var tokenSeconds: [Double] = []
  /// Bytes written to storage by the engine; nil where the kernel does not say.
  package var writtenBytes: Int?
  /// VmHWM; nil where the kernel does not say.
  package var peakBytes: Int?
  /// Parts of the plan by kind, in the order they are printed: weights, kv, window, scratch, other.
  package var memory: [MemoryPart] = []
  package var majorFaults = 0

  package init() {}

  /// The phase whose flash figures the footer shows: decode, or the prompt if nothing was decoded.
  var shown: Phase { decode.tokens > 0 ? decode : prompt }

  /// A percentile of the tokens' times by nearest rank, in milliseconds; nil without tokens.
  package func milliseconds(percentile: Double) -> Double? {
    guard !tokenSeconds.isEmpty else { return nil }
    let sorted = tokenSeconds.sorted()
    let rank = Int((percentile / 100 * Double(sorted.count)).rounded(.up))
    return sorted[min(sorted.count, max(1, rank)) - 1] * 1000
  }
}

/// Bytes of one kind in the memory plan.
package struct MemoryPart: Sendable, Equatable {
  package var name: String
  package var byteCount: Int

  package init(_ name: String, _ byteCount: Int) {
    self.name = name
    self.byteCount = byteCount
  }
}
