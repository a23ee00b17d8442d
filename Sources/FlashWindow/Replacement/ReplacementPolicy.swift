/// Which stride of a layer goes when another needs its slot (`--cache-policy`).
///
/// Whatever the policy, nothing that the current token uses goes, and the answer never depends on
/// it. Each policy gives a stride a score, which a use only raises; the lowest score goes first, of
/// equal ones the one whose last use is oldest. Scores belong to strides and not to slots, so that
/// they outlive eviction: a stride that comes back is known ("ghosts").
///
/// What counts as a use is a forward pass, be it of one token or of a chunk of a prompt: a slot
/// saves one read in either.
package enum ReplacementPolicy: Sendable, Hashable {
  /// Oldest use first, and gone after `tokens` tokens without a use, room or not; nil chooses from
  /// `StorageOptions.windowCurve`. See `SlidingWindow`.
  case window(tokens: Int?)
  /// Oldest use first. See `LeastRecentlyUsed`.
  case lru
  /// Fewest uses first. See `LeastFrequentlyUsed`.
  case lfu
  /// Lowest decayed frequency first, where newcomers contest their slots. See `DecayedFrequency`.
  case lfru

  /// As `--cache-policy` spells it.
  package var name: String {
    switch self {
    case .window: "window"
    case .lru: "lru"
    case .lfu: "lfu"
    case .lfru: "lfru"
    }
  }

  /// Whether strides have scores beside the time of their last use.
  var keepsScores: Bool {
    switch self {
    case .window, .lru: false
    case .lfu, .lfru: true
    }
  }
}

/// What tells tokens apart in every layer's table.
struct ReplacementClock: Equatable {
  /// Counts tokens (in prefill: chunks), from 1.
  var token: Int32 = 1
  /// What a use of this token adds to a decayed frequency.
  var weight: Float = 1
}
