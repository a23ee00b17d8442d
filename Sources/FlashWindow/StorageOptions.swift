package import FlashIO

/// How much memory the process may take and how flash is read.
package struct StorageOptions: Sendable {
  /// Bytes of the whole process; nil plans for everything resident.
  package var memoryLimit: Int?
  /// What goes first from the window cache.
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
  /// On: in `exact` at 65 % of memory a token took 2 to 20 % less time with it in six of six pairs
  /// of runs, and 97 % of the guesses were wanted (random weights).
  case auto
  case on, off
}
