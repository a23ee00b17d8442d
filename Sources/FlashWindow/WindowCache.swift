/// Which strides of bundles are in DRAM, and in which slots: the sliding window of LLM in a Flash
/// (arXiv 2312.11514, section 3.1) over preallocated slots.
///
/// Every layer has its own slots. A stride stays while one of the last `window` tokens used it, and
/// longer where there is room; the one whose last use is oldest goes first. What the current token
/// uses never goes, so a working set larger than the slots cannot thrash: the surplus gets no slot.
/// A slot becomes valid in `finishLoading` only. Nothing allocates after `init`.
package struct WindowCache {
  /// Where a stride that is wanted is to be found.
  package enum Placement: Equatable, Sendable {
    /// In DRAM.
    case hit(SlotIndex)
    /// To be read into a slot, which is the stride's from `finishLoading` on.
    case miss(SlotIndex)
    /// To be read elsewhere: every slot is in use by this token.
    case noSlot
  }

  /// Tokens for which a stride stays after its last use; nil keeps it as long as there is room.
  package let window: Int?
  package private(set) var statistics = WindowStatistics()
  var layers: [SlotTable]
  /// Counts tokens (in prefill: chunks), from 1.
  var token: Int32 = 1
  /// Slots that are being loaded: all in `loadingLayer`.
  private var loading: [Int32]
  private(set) var loadingCount = 0
  private var loadingLayer = 0

  /// - Parameters:
  ///   - stridesPerLayer: how many strides each layer has.
  ///   - slotsPerLayer: how many of them fit; 0 for none.
  package init(stridesPerLayer: [Int], slotsPerLayer: [Int], window: Int?) {
    precondition(stridesPerLayer.count == slotsPerLayer.count, "one number of slots a layer")
    precondition(window ?? 1 > 0, "a window has at least the current token")
    self.window = window
    layers = zip(stridesPerLayer, slotsPerLayer).map {
      SlotTable(strideCount: $0, slotCount: $1)
    }
    loading = Array(repeating: 0, count: slotsPerLayer.max() ?? 0)
  }

  /// Finds a stride or gives it a slot. All misses until `finishLoading` or `cancelLoading` must be
  /// of one layer, and a stride may be asked for once between them.
  ///
  /// - Complexity: O(1).
  package mutating func request(_ stride: StrideIndex, in layer: LayerIndex) -> Placement {
    precondition(loadingCount == 0 || loadingLayer == layer.value, "one layer loads at a time")
    if let slot = layers[layer.value].use(stride.value, token: token) {
      statistics.hits += 1
      return .hit(SlotIndex(slot))
    }
    statistics.misses += 1
    guard let taken = layers[layer.value].take(for: stride.value, token: token) else {
      return .noSlot
    }
    if taken.evicted { statistics.evictions += 1 }
    loadingLayer = layer.value
    loading[loadingCount] = Int32(taken.slot)
    loadingCount += 1
    return .miss(SlotIndex(taken.slot))
  }

  /// The slots handed out since the last call hold their strides.
  package mutating func finishLoading() { loadingCount = 0 }

  /// The slots handed out since the last `finishLoading` hold nothing: their reads failed.
  package mutating func cancelLoading() {
    for index in 0..<loadingCount { layers[loadingLayer].free(Int(loading[index])) }
    loadingCount = 0
  }

  /// Begins the next token and drops what no token of the window used.
  ///
  /// - Precondition: nothing is being loaded.
  package mutating func advanceToken() {
    precondition(loadingCount == 0, "loading ends before the token does")
    token += 1
    guard let window else { return }
    let oldest = token - Int32(clamping: window)
    for layer in layers.indices {
      statistics.evictions += layers[layer].dropUses(before: oldest)
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

  package init() {}
}
