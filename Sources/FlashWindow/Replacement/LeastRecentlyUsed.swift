/// `lru`: the stride whose last use is oldest goes first.
///
/// All scores are equal, so that the time of the last use decides alone; of those that one token
/// used last, any may go.
enum LeastRecentlyUsed {
  static let score: UInt32 = 0
}
