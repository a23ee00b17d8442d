package import FlashIO
package import FlashWeights

/// How much memory the process may take and how flash is read.
package struct StorageOptions: Sendable {
  /// Bytes of the whole process; nil plans for everything resident.
  package var memoryLimit: Int?
  /// What goes first from the window cache. `lfru` hit most of all on a trained model of 13M
  /// parameters with room for 10, 25 and 50 % of its neurons, and on decilm-6b ReLU: 91.1 % in
  /// `exact` at 65 % of memory (`lru` 91.0 %), 92.7 % in `predicted` at 50 % (`lru` 92.5 %).
  package var policy = ReplacementPolicy.lfru
  /// What windows of one, two, … tokens leave to read, where that was measured: for
  /// `ReplacementPolicy.window` without a length.
  package var windowCurve: WindowCurve?
  package var engine = ReadEngineSelection.Choice.auto
  package var direct = DirectMode.auto
  package var queueDepth = 64
  /// Whether idle device time goes to reads that the next layer may want.
  package var lookAhead = LookAheadChoice.auto
  /// Unwanted bytes between two missing neurons up to which they are read together; 0 merges only
  /// what touches, a negative number nothing.
  package var mergeGapByteCount = DeviceProfile(
    bandwidth: 1.2e9, readsPerSecond: 100_000, readByteCount: 4608
  ).mergeGap
  /// A merged read brings at most this many times the bytes of separate ones.
  package var readAmplificationLimit = 2.0
  /// What is kept in memory from one token to the next.
  package var residency = Residency.whatFits
  /// Whether reads go on while there is arithmetic. Off, reads are waited for as soon as they are
  /// submitted and nothing is read before it is wanted; the answer is the same.
  package var overlapsReads = true
  /// The neurons' parts in files of their own, from which a windowed run then reads what it misses;
  /// nil reads bundles.
  package var separateParts: SeparateParts?

  /// How much of what would fit is kept: everything, but where an ablation takes it away.
  package enum Residency: Sendable {
    case whatFits
    /// Norms and biases: all other weights are read for every token.
    case nothing
    /// Also the tensors used whole; all neurons are read for every token.
    case dense
    /// Also the deciding rows; neurons that fire are read for every token.
    case decidingRows
    /// Also neurons that fired lately, but never all neurons as `resident` has them.
    case window
  }

  package init() {}

  /// The policy, with a length where it is a window.
  ///
  /// - Parameter windowByteCount: of all slots.
  func resolvedPolicy(windowByteCount: Int) -> ReplacementPolicy {
    guard policy == .window(tokens: nil) else { return policy }
    let tokens = windowCurve?.tokens(fitting: windowByteCount)
    return .window(tokens: tokens ?? SlidingWindow.defaultTokens)
  }
}

/// `--look-ahead`; never changes the answer.
package enum LookAheadChoice: String, CaseIterable, Sendable {
  /// On: in `exact` at 65 % of memory the median token took less time with it in eight of ten pairs
  /// of runs, and 97 % of the guesses were wanted (random weights). In `predicted` at 50 % three
  /// pairs of runs gained 12, 12 and 17 %.
  case auto
  case on, off
}
