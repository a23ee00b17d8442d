/// `lfru`: the stride with the lowest decayed frequency goes first; a newcomer contests its slot.
///
/// The score of a stride at token t is the sum over its uses u of 2^((u - t) / 64): the "combined
/// recency and frequency" of LRFU with lambda = 1/64 (Lee et al., IEEE Transactions on Computers
/// 50(12), 2001), counted also while a stride is not in DRAM. A half-life near 1 is LRU, an endless
/// one LFU. Since all scores decay alike, none is touched between uses: a use adds 2^(t / 64)
/// instead, and weights are divided when they become large.
///
/// Whether a stride of a lower score than every stride in a slot gets one is decided by
/// `AdmissionContest`. Strides that no token used lately are not protected beyond that: keeping
/// those of the last 1, 2, 4 and 8 tokens cost 1 to 4 points of hit rate on a trained model.
enum DecayedFrequency {
  /// Tokens after which a use counts half. 32 to 256 were within 0.5 points of one another on a
  /// trained and on a synthetic model.
  static let halfLife = 64
  /// 2^(1 / 64).
  private static let growth: Float = 1.010_889_3
  /// The weight at which all scores are divided by it; sums stay far below the largest Float.
  static let largestWeight: Float = 0x1p64

  static func score(_ score: UInt32, afterUseAt clock: ReplacementClock) -> UInt32 {
    (Float(bitPattern: score) + clock.weight).bitPattern
  }

  /// The bits of a float that is not negative are in its order.
  static func score(_ score: UInt32, dividedBy weight: Float) -> UInt32 {
    (Float(bitPattern: score) / weight).bitPattern
  }

  static func weight(after weight: Float) -> Float { weight * growth }
}
