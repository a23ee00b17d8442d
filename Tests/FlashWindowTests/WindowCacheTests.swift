import FlashTestSupport
import FlashWindow
import Testing

struct WindowCacheTests {
  /// Random operations beside a dictionary, with the invariants after each.
  @Test(arguments: [nil, 1, 2, 3, 4, 5, 6, 7, 8] as [Int?])
  func theSlotTableEqualsADictionary(window: Int?) {
    for seed in 0..<20 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      let strides = (0..<3).map { _ in random.next(in: 1...12) }
      let slots = strides.map { random.next(in: 0...$0 + 1) }
      var cache = WindowCache(stridesPerLayer: strides, slotsPerLayer: slots, window: window)
      var model = WindowModel(slotsPerLayer: slots, window: window)
      for step in 0..<300 {
        if random.chance(0.3) {
          cache.advanceToken()
          model.advanceToken()
        } else {
          let layer = random.next(in: 0...2)
          for stride in 0..<strides[layer] where random.chance(0.4) {
            let found = cache.request(StrideIndex(stride), in: LayerIndex(layer))
            cache.checkInvariants()
            if let flaw = model.flaw(in: found, for: stride, layer: layer) {
              Issue.record("seed \(seed), step \(step), slots \(slots): \(flaw)")
              return
            }
          }
          if random.chance(0.2) {
            cache.cancelLoading()
            model.cancelLoading()
          } else {
            cache.finishLoading()
            model.finishLoading()
          }
        }
        cache.checkInvariants()
        guard cache.statistics == model.statistics else {
          Issue.record("seed \(seed), step \(step): \(cache.statistics), not \(model.statistics)")
          return
        }
      }
    }
  }

  @Test(arguments: 1...8)
  func aStrideStaysForExactlyTheWindow(window: Int) {
    for age in 1...10 {
      var cache = WindowCache(stridesPerLayer: [4], slotsPerLayer: [4], window: window)
      _ = request([2], of: &cache)
      for _ in 0..<age { cache.advanceToken() }
      let isThere = age <= window
      #expect(cache.request(StrideIndex(2), in: LayerIndex(0)).isHit == isThere, "age \(age)")
    }
  }

  @Test func withoutAWindowAStrideStaysWhileThereIsRoom() {
    var cache = WindowCache(stridesPerLayer: [4], slotsPerLayer: [3], window: nil)
    _ = request([0, 1, 2], of: &cache)
    for _ in 0..<1000 { cache.advanceToken() }
    #expect(request([0], of: &cache).allSatisfy { $0.isHit })
    // 3 takes the place of 1, whose last use is oldest; 0 was used again and 2 is younger.
    #expect(!request([3], of: &cache)[0].isHit)
    cache.advanceToken()
    #expect(request([0, 2, 3], of: &cache).allSatisfy { $0.isHit })
    #expect(cache.statistics.evictions == 1)
  }

  @Test func aTokenNeverEvictsWhatItUses() {
    var cache = WindowCache(stridesPerLayer: [9], slotsPerLayer: [3], window: 2)
    // Three times the same nine strides: without that rule the first eviction would cost them all.
    for round in 0..<3 {
      let found = request(Array(0..<9), of: &cache)
      #expect(found.filter { $0 == .noSlot }.count == 6)
      #expect(found.prefix(3).allSatisfy { $0.isHit == (round > 0) })
      cache.advanceToken()
    }
    #expect(cache.statistics.hits == 6 && cache.statistics.misses == 21)
    #expect(cache.statistics.evictions == 0)
  }

  @Test func aLayerWithoutSlotsHasNoSlot() {
    var cache = WindowCache(stridesPerLayer: [3, 3], slotsPerLayer: [0, 3], window: 1)
    #expect(request([0, 1, 2], of: &cache).allSatisfy { $0 == .noSlot })
    cache.checkInvariants()
  }

  @Test func afterACancelledLoadNothingOfItIsThere() {
    var cache = WindowCache(stridesPerLayer: [6], slotsPerLayer: [4], window: nil)
    _ = request([0, 1], of: &cache)
    cache.advanceToken()
    #expect(cache.request(StrideIndex(1), in: LayerIndex(0)).isHit)
    for stride in [2, 3, 4] {
      #expect(!cache.request(StrideIndex(stride), in: LayerIndex(0)).isHit)
    }
    cache.cancelLoading()
    cache.checkInvariants()
    // 0 was evicted for 4, 1 was a hit and stays; what was cancelled is to be read anew.
    #expect(request([1], of: &cache)[0].isHit)
    #expect(request([2, 3, 4], of: &cache).allSatisfy { !$0.isHit && $0 != .noSlot })
  }

  @Test func twoLayersAtATimeTrap() async {
    await #expect(processExitsWith: .failure) {
      var cache = WindowCache(stridesPerLayer: [2, 2], slotsPerLayer: [2, 2], window: nil)
      _ = cache.request(StrideIndex(0), in: LayerIndex(0))
      _ = cache.request(StrideIndex(0), in: LayerIndex(1))
    }
  }

  /// Asks for strides of layer 0 and finishes loading.
  private func request(_ strides: [Int], of cache: inout WindowCache) -> [WindowCache.Placement] {
    let found = strides.map { cache.request(StrideIndex($0), in: LayerIndex(0)) }
    cache.finishLoading()
    return found
  }
}

extension WindowCache.Placement {
  var isHit: Bool {
    if case .hit = self { true } else { false }
  }
}
