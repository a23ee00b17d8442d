package import FlashWindow

/// How deep in a least-recently-used stack each use of a stride was found: the misses of an LRU of
/// every size at once (Mattson et al., IBM Systems Journal 9(2), 1970).
///
/// This LRU knows nothing of tokens: uses follow one another, a token's in ascending order. With
/// room for fewer strides than a token uses it drops each before the next token comes to it and
/// hits nothing. The window cache does not, since it keeps what the token uses.
package struct StackDistances: Sendable, Equatable {
  /// For each layer, how many uses were at each depth from 0; first uses are not among them.
  private let counts: [[Int]]
  /// All uses that count.
  package let useCount: Int

  /// - Parameter first: the first token that counts; those before fill the stack.
  /// - Complexity: O(uses · log uses).
  package init(_ trace: ActiveSetTrace, countedFrom first: Int = 0) {
    var useCount = 0
    counts = trace.strideCounts.indices.map { layer in
      let (counts, uses) = Self.counts(trace, LayerIndex(layer), countedFrom: first)
      useCount += uses
      return counts
    }
    self.useCount = useCount
  }

  /// Hits of an LRU with so many slots in each layer.
  package func hits(slotsPerLayer: [Int]) -> Int {
    precondition(slotsPerLayer.count == counts.count, "one number of slots a layer")
    return zip(counts, slotsPerLayer).reduce(0) { sum, layer in
      sum + layer.0.prefix(layer.1).reduce(0, +)
    }
  }

  private static func counts(
    _ trace: ActiveSetTrace, _ layer: LayerIndex, countedFrom first: Int
  ) -> ([Int], Int) {
    var counts = [Int](repeating: 0, count: trace.strideCounts[layer.value])
    var uses = 0
    // A one at the place of each stride's last use, summed over powers of two (Fenwick, Software:
    // Practice and Experience 24(3), 1994): the strides used since are the ones behind it.
    var sums = [Int32](repeating: 0, count: trace.useCount(layer: layer) + 1)
    var lastPlace = [Int](repeating: 0, count: trace.strideCounts[layer.value])
    var place = 0
    var held = 0
    func add(_ value: Int32, at place: Int) {
      var index = place
      while index < sums.count {
        sums[index] += value
        index += index & -index
      }
    }
    func sum(upTo place: Int) -> Int {
      var index = place
      var total = 0
      while index > 0 {
        total += Int(sums[index])
        index -= index & -index
      }
      return total
    }
    for token in 0..<trace.tokenCount {
      for stride in trace.strides(token: token, layer: layer) {
        let last = lastPlace[Int(stride)]
        place += 1
        if last > 0 {
          if token >= first { counts[held - sum(upTo: last)] += 1 }
          add(-1, at: last)
        } else {
          held += 1
        }
        if token >= first { uses += 1 }
        add(1, at: place)
        lastPlace[Int(stride)] = place
      }
    }
    return (counts, uses)
  }
}
