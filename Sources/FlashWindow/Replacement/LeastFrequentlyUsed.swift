/// `lfu`: the stride with the fewest uses goes first.
///
/// Uses are counted from the first token on, in DRAM or not; they never fade, so that what a text
/// has left behind stays until something else was used as often.
enum LeastFrequentlyUsed {
  static func score(_ score: UInt32, afterUseAt clock: ReplacementClock) -> UInt32 { score + 1 }
}
