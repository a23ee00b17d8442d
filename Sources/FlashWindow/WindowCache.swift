/// Which strides of bundles are in DRAM, and in which slots: the window of LLM in a Flash
/// (arXiv 2312.11514, section 3.1) over preallocated slots, under one of several policies.
///
/// Every layer has its own slots. Which stride goes when another needs its slot is the policy's
/// choice; what the current token uses never goes, so a working set larger than the slots cannot
/// thrash: the surplus gets no slot. A slot becomes valid in `finishLoading` only. Nothing
/// allocates after `init`.
package struct WindowCache {
  /// Where a stride that is wanted is to be found.
  package enum Placement: Equatable, Sendable {
    /// In DRAM.
    case hit(SlotIndex)
    /// To be read into a slot, which is the stride's from `finishLoading` on.
    case miss(SlotIndex)
    /// To be read elsewhere: every slot is in use by this token, or holds what is worth more.
    case noSlot
  }

  package let policy: ReplacementPolicy
  package internal(set) var statistics = WindowStatistics()
  var layers: [SlotTable]
  private var clock = ReplacementClock()
  /// Slots that are being loaded: all in `loadingLayer`.
  private var loading: [Int32]
  private(set) var loadingCount = 0
  private var loadingLayer = 0

  /// - Parameters:
  ///   - stridesPerLayer: how many strides each layer has.
  ///   - slotsPerLayer: how many of them fit; 0 for none.
  package init(stridesPerLayer: [Int], slotsPerLayer: [Int], policy: ReplacementPolicy) {
    precondition(stridesPerLayer.count == slotsPerLayer.count, "one number of slots a layer")
    if case .window(let tokens) = policy {
      precondition(tokens ?? 1 > 0, "a window has at least the current token")
    }
    self.policy = policy
    layers = zip(stridesPerLayer, slotsPerLayer).map {
      SlotTable(strideCount: $0, slotCount: $1, policy: policy)
    }
    loading = Array(repeating: 0, count: slotsPerLayer.max() ?? 0)
  }

  package func slotCount(of layer: LayerIndex) -> Int { layers[layer.value].strideInSlot.count }

  /// Slots of all layers that hold a stride.
  package var filledSlotCount: Int { layers.reduce(0) { $0 + $1.queue.usedCount } }

  /// Says what of a layer this token wants: what of it is there cannot be evicted for the rest.
  /// Counts no hits.
  ///
  /// Without it a miss may evict what the same token asks for later: with slots for a tenth and for
  /// half of the strides that cost 7 and 5 points of hit rate on a trained model.
  ///
  /// - Parameter isAll: whether with these everything that the token wants of the layer was said;
  ///   before that, a policy that keeps scores gives up nothing that the last token used.
  /// - Complexity: O(1) for each stride.
  package mutating func use(_ strides: Span<Int32>, in layer: LayerIndex, isAll: Bool = true) {
    layers[layer.value].setKnown(isAll)
    for index in strides.indices {
      _ = layers[layer.value].use(Int(strides[index]), clock)
    }
  }

  /// Finds a stride or gives it a slot. All misses until `finishLoading` or `cancelLoading` must be
  /// of one layer, and a stride may be asked for once between them.
  ///
  /// - Complexity: O(1) for a hit, O(log slots) for a miss, spread over the uses before it.
  package mutating func request(_ stride: StrideIndex, in layer: LayerIndex) -> Placement {
    precondition(loadingCount == 0 || loadingLayer == layer.value, "one layer loads at a time")
    if let slot = layers[layer.value].use(stride.value, clock) {
      statistics.hits += 1
      return .hit(SlotIndex(slot))
    }
    statistics.misses += 1
    guard let taken = layers[layer.value].take(for: stride.value, clock) else {
      return .noSlot
    }
    if taken.evicted { statistics.evictions += 1 }
    loadingLayer = layer.value
    loading[loadingCount] = Int32(taken.slot)
    loadingCount += 1
    return .miss(SlotIndex(taken.slot))
  }

  /// Whether a stride has a slot; changes nothing.
  package func holds(_ stride: StrideIndex, in layer: LayerIndex) -> Bool {
    layers[layer.value].slotOfStride[stride.value] >= 0
  }

  /// The slots handed out since the last call hold their strides.
  package mutating func finishLoading() { loadingCount = 0 }

  /// The slots handed out since the last `finishLoading` hold nothing: their reads failed.
  package mutating func cancelLoading() {
    for index in 0..<loadingCount { layers[loadingLayer].free(Int(loading[index])) }
    loadingCount = 0
  }

  /// Gives up the stride of a layer that is worth least of those that this token used and kept from
  /// eviction; nil where there are none. Returns the slot that it had.
  ///
  /// - Precondition: nothing is being loaded.
  /// - Complexity: O(slots).
  package mutating func giveUp(in layer: LayerIndex) -> SlotIndex? {
    precondition(loadingCount == 0, "loading ends before something is given up")
    guard let slot = layers[layer.value].freeLeastOfHeld() else { return nil }
    statistics.evictions += 1
    return SlotIndex(slot)
  }

  /// Begins the next token; a sliding window drops what none of its tokens used.
  ///
  /// - Precondition: nothing is being loaded.
  /// - Complexity: O(log slots) for each stride that the token before loaded.
  package mutating func advanceToken() {
    precondition(loadingCount == 0, "loading ends before the token does")
    clock.token += 1
    for layer in layers.indices { layers[layer].advance(to: clock) }
    switch policy {
    case .window(let tokens):
      let first = SlidingWindow.firstToken(
        of: tokens ?? SlidingWindow.defaultTokens, at: clock.token)
      for layer in layers.indices {
        statistics.evictions += layers[layer].dropUses(before: first)
      }
    case .lfru:
      clock.weight = DecayedFrequency.weight(after: clock.weight)
      if clock.weight > DecayedFrequency.largestWeight {
        for layer in layers.indices { layers[layer].divideScores(by: clock.weight) }
        clock.weight = 1
      }
    case .lru, .lfu: break
    }
  }
}

/// What the window cache did.
package struct WindowStatistics: Sendable, Equatable {
  /// Strides that were wanted and in DRAM, wanted and not, and dropped.
  package var hits = 0
  package var misses = 0
  package var evictions = 0
  /// Bytes of the misses, and bytes asked of flash for them: merged and in whole units.
  package var wantedByteCount = 0
  package var readByteCount = 0
  package var lookAhead = LookAheadStatistics()

  package init() {}
}
