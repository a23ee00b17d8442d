/// What each policy would have read in a recorded run, and what no policy can do better than.
///
/// It replays active sets through the window cache itself, without bytes: in each layer a token's
/// set is looked up as a whole or in slices, and misses are given slots or read past the window.
package struct ReplacementReplay: Sendable {
  /// Strides found in DRAM and not, of all layers and tokens.
  package struct Outcome: Sendable, Equatable {
    package var hits = 0
    package var misses = 0
    package var hitRate: Double { Double(hits) / Double(max(1, hits + misses)) }

    package init(hits: Int = 0, misses: Int = 0) {
      self.hits = hits
      self.misses = misses
    }
  }

  package let trace: ActiveSetTrace

  package init(_ trace: ActiveSetTrace) { self.trace = trace }

  /// - Parameters:
  ///   - slotsPerLayer: slots of each layer.
  ///   - sliceCount: parts of a layer that are asked for one after another, as where gates are
  ///     multiplied in slices.
  /// - Complexity: O(uses · log slots).
  package func outcome(
    of policy: ReplacementPolicy, slotsPerLayer: [Int], sliceCount: Int = 1
  ) -> Outcome {
    precondition(sliceCount > 0, "a layer has a slice")
    var cache = WindowCache(
      stridesPerLayer: trace.strideCounts, slotsPerLayer: slotsPerLayer, policy: policy)
    for token in 0..<trace.tokenCount {
      for layer in trace.strideCounts.indices.map(LayerIndex.init) {
        let strides = trace.strides(token: token, layer: layer)
        var first = strides.startIndex
        for slice in 1...sliceCount {
          let end = trace.strideCounts[layer.value] * slice / sliceCount
          let last = strides[first...].firstIndex { $0 >= end } ?? strides.endIndex
          let part = strides[first..<last]
          first = last
          cache.use(part.span, in: layer, isAll: slice == sliceCount)
          for stride in part { _ = cache.request(StrideIndex(Int(stride)), in: layer) }
        }
        cache.finishLoading()
      }
      cache.advanceToken()
    }
    return Outcome(hits: cache.statistics.hits, misses: cache.statistics.misses)
  }

  /// The fewest misses possible with so many slots: Bélády's rule for sets (IBM Systems Journal
  /// 5(2), 1966). After each token those strides stay whose next use is nearest, of what was there
  /// and what the token used, so that reading past the slots is allowed too.
  ///
  /// A stride kept from one use to its next saves one miss and takes one slot in between; so the
  /// most intervals of which no more than the slots overlap are wanted, and giving up the one that
  /// ends last wherever there are too many finds them.
  ///
  /// - Complexity: O(uses · log uses), and memory for as many.
  package func optimum(slotsPerLayer: [Int]) -> Outcome {
    precondition(slotsPerLayer.count == trace.strideCounts.count, "one number of slots a layer")
    var outcome = Outcome()
    for (layer, slots) in slotsPerLayer.enumerated() {
      let hits = hits(ofOptimum: LayerIndex(layer), slots: slots)
      outcome.hits += hits
      outcome.misses += trace.useCount(layer: LayerIndex(layer)) - hits
    }
    return outcome
  }

  private func hits(ofOptimum layer: LayerIndex, slots: Int) -> Int {
    let never = trace.tokenCount
    let nextUses = nextUses(layer: layer, never: never)
    // For each stride the token of its next use, while it is kept.
    var keptUntil = [Int?](repeating: nil, count: trace.strideCounts[layer.value])
    // For each token, the kept strides that it uses next; the last token is given up first.
    var ending = [[Int32]](repeating: [], count: trace.tokenCount)
    var last = 0
    var kept = 0
    var hits = 0
    var place = 0
    for token in 0..<trace.tokenCount {
      for stride in trace.strides(token: token, layer: layer) {
        if keptUntil[Int(stride)] == token {
          hits += 1
          kept -= 1
        }
        keptUntil[Int(stride)] = nil
        let next = nextUses[place]
        place += 1
        guard next != never else { continue }
        keptUntil[Int(stride)] = next
        ending[next].append(stride)
        last = max(last, next)
        kept += 1
      }
      while kept > slots {
        while ending[last].isEmpty { last -= 1 }
        keptUntil[Int(ending[last].removeLast())] = nil
        kept -= 1
      }
    }
    return hits
  }

  /// For each use of a layer, in order, the token of the stride's next one.
  private func nextUses(layer: LayerIndex, never: Int) -> [Int] {
    var next = [Int](repeating: never, count: trace.strideCounts[layer.value])
    var result = [Int](repeating: never, count: trace.useCount(layer: layer))
    var place = result.count
    for token in (0..<trace.tokenCount).reversed() {
      for stride in trace.strides(token: token, layer: layer).reversed() {
        place -= 1
        result[place] = next[Int(stride)]
        next[Int(stride)] = token
      }
    }
    return result
  }
}
