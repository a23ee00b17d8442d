/// The last tokens and how often each occurs among them: a ring and a count per token.
struct RecentTokens {
  private let capacity: Int
  private var ring: [Int32] = []
  private var oldest = 0
  /// Occurrences in the ring, [vocabulary]; empty when the capacity is 0.
  private var counts: [Int32]

  init(capacity: Int, vocabularySize: Int) {
    precondition(capacity >= 0, "a ring holds no negative number of tokens")
    self.capacity = capacity
    ring.reserveCapacity(capacity)
    counts = Array(repeating: 0, count: capacity == 0 ? 0 : vocabularySize)
  }

  /// Forgets the oldest token when full. Tokens outside the vocabulary are not counted.
  mutating func append(_ token: Int32) {
    guard capacity > 0, counts.indices.contains(Int(token)) else { return }
    if ring.count < capacity {
      ring.append(token)
    } else {
      counts[Int(ring[oldest])] -= 1
      ring[oldest] = token
      oldest = (oldest + 1) % capacity
    }
    counts[Int(token)] += 1
  }

  /// Calls `body` once for each distinct token with its count.
  mutating func forEachDistinct(_ body: (_ token: Int, _ count: Int) -> Void) {
    // A negated count marks a token as visited, so that no set is needed.
    for token in ring where counts[Int(token)] > 0 {
      body(Int(token), Int(counts[Int(token)]))
      counts[Int(token)] = -counts[Int(token)]
    }
    for token in ring where counts[Int(token)] < 0 {
      counts[Int(token)] = -counts[Int(token)]
    }
  }
}
