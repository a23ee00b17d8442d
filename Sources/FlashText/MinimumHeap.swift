/// A binary heap that gives back the smallest number first.
struct MinimumHeap {
  private var keys: [UInt64] = []

  /// - Complexity: O(log n).
  mutating func insert(_ key: UInt64) {
    keys.append(key)
    var child = keys.count - 1
    while child > 0, keys[child] < keys[(child - 1) / 2] {
      keys.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Removes the smallest; `nil` where nothing is left.
  ///
  /// - Complexity: O(log n).
  mutating func popMinimum() -> UInt64? {
    guard let minimum = keys.first, let last = keys.popLast() else { return nil }
    if keys.isEmpty { return minimum }
    keys[0] = last
    var parent = 0
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < keys.count && keys[child] < keys[smallest] {
        smallest = child
      }
      if smallest == parent { return minimum }
      keys.swapAt(parent, smallest)
      parent = smallest
    }
  }
}
