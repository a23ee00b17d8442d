import FlashIO
import FlashWeights
import FlashWindow

/// A chunk's experts that are wanted whole, one after another.
extension ExpertFeedForward {
  /// Computes every expert of the load, in whichever order they are there; when the last read came
  /// back, those of the next layer begin, which fly while the rest is computed and through the next
  /// layer's attention.
  func computeChunk(
    _ weights: LayerWeights, layer: Int, tokenCount: Int
  ) throws(ReadFailure) {
    let residency = core.residency
    var looksAhead = residency.looksAhead && residency.lackedExperts
    for taken in 0..<core.loadedExpertCount {
      let place = try residency.nextExpert(takenCount: taken)
      unsafe core.scratch.experts.group[0] = try work(place, layer: layer, firstRow: 0)
      if looksAhead, residency.areExpertsLoaded {
        looksAhead = false
        try core.lookingAhead { () throws(ReadFailure) in
          try guessNext(after: layer, tokenCount: tokenCount)
        }
      }
      compute(weights, 1, tokenCount: tokenCount)
      try residency.releaseExpert(place)
    }
  }

  private func guessNext(after layer: Int, tokenCount: Int) throws(ReadFailure) {
    let layers = neurons.layers
    guard layer + 1 < layers.count else { return }
    let count = try ExpertRouter(core: core).guess(layers[layer + 1], tokenCount: tokenCount)
    guard count > 0 else { return }
    let guesses = unsafe UnsafeBufferPointer<Int32>(
      start: core.scratch.experts.guesses, count: count)
    unsafe core.residency.lookAhead(layer: layer + 1, experts: guesses, isChunk: true)
  }
}
