/// How the misses of a token spread over layers that want a few experts each.
///
/// What a layer computes hides only reads of that layer, so of two layers with one miss between
/// them the one without has nothing to hide, and the other may wait. A mean over layers would hide
/// both: with 87 % of hits it told OLMoE 25 tok/s where it reached 21. Each expert is taken to be
/// missing with the same chance.
package struct MissSpread: Sendable, Equatable {
  /// Layers with experts.
  package var layerCount: Double
  /// Experts that each of them wants.
  package var wanted: Int
  /// Experts that are missing, of all layers.
  package var misses: Double

  package init(layerCount: Double, wanted: Int, misses: Double) {
    self.layerCount = layerCount
    self.wanted = wanted
    self.misses = misses
  }

  /// Seconds in which arithmetic waits, where the misses' reads take `flashSeconds` and everything
  /// that goes on meanwhile `coveringSeconds`, all of a token.
  func stallSeconds(flashSeconds: Double, coveringSeconds: Double) -> Double {
    guard misses > 0, wanted > 0, layerCount > 0 else { return 0 }
    let chance = min(1, misses / (layerCount * Double(wanted)))
    let (read, covering) = (flashSeconds / misses, coveringSeconds / layerCount)
    guard chance < 1 else { return max(0, flashSeconds - coveringSeconds) }
    // The binomial distribution, from no miss on.
    var part = 1.0
    for _ in 0..<wanted { part *= 1 - chance }
    var sum = 0.0
    for count in 1...wanted {
      part *= Double(wanted - count + 1) / Double(count) * chance / (1 - chance)
      sum += part * max(0, Double(count) * read - covering)
    }
    return layerCount * sum
  }

  /// The covering that leaves this stall.
  func coveringSeconds(flashSeconds: Double, stallSeconds: Double) -> Double {
    // With so much no layer waits.
    var (least, most) = (0.0, flashSeconds * layerCount * Double(wanted) / max(1e-9, misses))
    for _ in 0..<50 {
      let middle = (least + most) / 2
      if self.stallSeconds(flashSeconds: flashSeconds, coveringSeconds: middle) > stallSeconds {
        least = middle
      } else {
        most = middle
      }
    }
    return most
  }
}
