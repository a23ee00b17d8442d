package import FlashIO
import FlashWeights

/// An expert's bundles in memory: as they lie on flash, or with the parts of all the layer's
/// neurons apart, each in a run of its own.
@safe package struct LentExpert {
  /// The stride of `firstNeuron`; where parts lie apart, that neuron's row of the first part.
  package let base: UnsafeRawPointer
  package let partsLieApart: Bool
  /// The layer's neuron that is first at the base: not the expert's where all of them lie there.
  package let firstNeuron: Int
}

/// Lends experts one by one: a token's, or in prefill a chunk's.
extension WeightResidency {
  /// Experts of the next layer that are guessed for a chunk at a time: in the time of a layer's
  /// attention this kind of device reads about as many of a few MiB.
  package static let chunkGuessLimit = 64

  /// Begins to bring in experts of a layer. Each is then taken and released, missing ones in
  /// ascending order or as `nextExpert` says, before `finishExperts`.
  ///
  /// - Parameter experts: ascending, each once, at least one.
  package func beginExperts(
    layer: Int, experts: UnsafeBufferPointer<Int32>
  ) throws(ReadFailure) {
    if let loader = self.experts { try unsafe loader.begin(layer: layer, experts: experts) }
  }

  /// Whether the window held an expert of the load, counted from its first.
  package func isExpertHit(_ index: Int) -> Bool { experts?.isHit(index) ?? true }

  /// Whether `takeExpert` would not wait.
  package func isExpertReady(_ index: Int) -> Bool { experts?.isReady(index) ?? true }

  /// The expert of the load that is best taken next, counted from its first: waits and idle places
  /// are then few.
  ///
  /// - Parameter takenCount: how many were taken.
  package func nextExpert(takenCount: Int) throws(ReadFailure) -> Int {
    guard let loader = experts else { return takenCount }
    return try loader.best()
  }

  /// Whether the window lacked experts of the load.
  package var lackedExperts: Bool { experts?.isMissing ?? false }

  /// Whether all experts of the load are in DRAM.
  package var areExpertsLoaded: Bool { experts?.isComplete ?? true }

  /// Waits for an expert of the load; what it lends is valid until `releaseExpert`.
  package func takeExpert(
    _ index: Int, _ expert: Int, layer: Int
  ) throws(ReadFailure) -> LentExpert {
    if let loader = experts {
      return unsafe LentExpert(
        base: try loader.take(index), partsLieApart: false,
        firstNeuron: expert * manifest.bundles[layer].neuronsPerExpert)
    }
    guard let offset = map.bundles[layer] else {
      preconditionFailure("experts are resident or windowed")
    }
    return unsafe LentExpert(
      base: UnsafeRawPointer(arena.base + offset), partsLieApart: map.partsLieApart(layer: layer),
      firstNeuron: 0)
  }

  package func releaseExpert(_ index: Int) throws(ReadFailure) { try experts?.release(index) }

  /// Ends the load.
  ///
  /// - Parameter isChunk: whether several tokens used it.
  package func finishExperts(isChunk: Bool) { experts?.finish(isChunk: isChunk) }

  /// Begins to read experts that a later layer may want, the likeliest first; goes on in `look`.
  /// Never changes what is computed.
  ///
  /// - Parameter isChunk: whether several tokens may want them.
  /// - Precondition: `areExpertsLoaded`.
  package func lookAhead(layer: Int, experts: UnsafeBufferPointer<Int32>, isChunk: Bool) {
    unsafe self.experts?.look(atLayer: layer, experts: experts, isChunk: isChunk)
  }
}
