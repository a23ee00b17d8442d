import FlashTestSupport
import FlashWindow
import Testing

struct WindowCacheTests {
  static let policies: [ReplacementPolicy] =
    (1...8).map { .window(tokens: $0) } + [.lru, .lfu, .lfru]

  /// Random operations beside a dictionary, with the invariants after each.
  @Test(arguments: policies)
  func theSlotTableEqualsADictionary(policy: ReplacementPolicy) {
    for seed in 0..<10 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      let strides = (0..<3).map { _ in random.next(in: 1...12) }
      let slots = strides.map { random.next(in: 0...$0 + 1) }
      var cache = WindowCache(stridesPerLayer: strides, slotsPerLayer: slots, policy: policy)
      var model = WindowModel(slotsPerLayer: slots, policy: policy)
      for step in 0..<300 {
        if random.chance(0.3) {
          cache.advanceToken()
          model.advanceToken()
        } else {
          let layer = random.next(in: 0...2)
          let wanted = (0..<strides[layer]).filter { _ in random.chance(0.4) }
          if random.chance(0.5) {
            use(wanted, of: layer, in: &cache)
            model.use(wanted, layer: layer)
          }
          for stride in wanted {
            let found = cache.request(StrideIndex(stride), in: LayerIndex(layer))
            cache.checkInvariants()
            if let flaw = model.flaw(in: found, for: stride, layer: layer) {
              Issue.record("\(policy), seed \(seed), step \(step), slots \(slots): \(flaw)")
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
      var cache = WindowCache(
        stridesPerLayer: [4], slotsPerLayer: [4], policy: .window(tokens: window))
      _ = request([2], of: &cache)
      for _ in 0..<age { cache.advanceToken() }
      let isThere = age <= window
      #expect(cache.request(StrideIndex(2), in: LayerIndex(0)).isHit == isThere, "age \(age)")
    }
  }

  @Test(arguments: [ReplacementPolicy.lru, .lfu, .lfru])
  func withoutAWindowAStrideStaysWhileThereIsRoom(policy: ReplacementPolicy) {
    var cache = WindowCache(stridesPerLayer: [4], slotsPerLayer: [3], policy: policy)
    _ = request([0, 1, 2], of: &cache)
    for _ in 0..<1000 { cache.advanceToken() }
    #expect(request([0, 2], of: &cache).allSatisfy { $0.isHit })
    cache.advanceToken()
    // 3 takes the place of 1, whose last use is oldest and which was used least.
    #expect(!request([3], of: &cache)[0].isHit)
    cache.advanceToken()
    #expect(request([0, 2, 3], of: &cache).allSatisfy { $0.isHit })
    #expect(cache.statistics.evictions == 1)
  }

  /// A stride that was used often comes back after it was evicted: `lfu` and `lfru` know it, and
  /// give it the place of what was used once, later.
  @Test(arguments: [ReplacementPolicy.lru, .lfu, .lfru])
  func countsSurviveEviction(policy: ReplacementPolicy) {
    var cache = WindowCache(stridesPerLayer: [4], slotsPerLayer: [2], policy: policy)
    for _ in 0..<5 {
      _ = request([0], of: &cache)
      cache.advanceToken()
    }
    for _ in 0..<7 {
      _ = request([1, 2], of: &cache)
      cache.advanceToken()
    }
    #expect(cache.statistics.evictions == 1)
    _ = request([0], of: &cache)
    cache.advanceToken()
    _ = request([3], of: &cache)
    cache.advanceToken()
    // 1 or 2 went for 0, whose sixth use does not make it the most used; then 3, used once, took a
    // place: by counts that of 0, by recency that of the one of 1 and 2 that was left.
    #expect(cache.request(StrideIndex(0), in: LayerIndex(0)).isHit == (policy == .lru))
  }

  @Test func whatATokenWantsIsNotEvictedByItsMisses() {
    for isTold in [false, true] {
      var cache = WindowCache(stridesPerLayer: [4], slotsPerLayer: [2], policy: .lru)
      _ = request([3], of: &cache)
      cache.advanceToken()
      _ = request([2], of: &cache)
      cache.advanceToken()
      if isTold { use([0, 3], of: 0, in: &cache) }
      #expect(request([0, 3], of: &cache).map(\.isHit) == [false, isTold])
    }
  }

  /// Where newcomers are never used again, refusing them keeps what is; where they are used again
  /// at once, each gets a slot. The contest must find out which, in a layer of its own.
  @Test func theContestFollowsTheLayer() {
    var cache = WindowCache(stridesPerLayer: [1000, 1000], slotsPerLayer: [8, 8], policy: .lfru)
    var hits = [0, 0]
    for token in 0..<300 {
      // Eight strides that are used every other token, and hundreds that are used once.
      let steady = (0..<8).filter { ($0 + token) % 2 == 0 } + [8 + token]
      // Each stride is used four times in a row and then for long not.
      let bursts = (0..<4).map { 3 * (token + $0) }
      for (layer, strides) in [steady, bursts].enumerated() {
        use(strides, of: layer, in: &cache)
        for stride in strides
        where cache.request(StrideIndex(stride), in: LayerIndex(layer)).isHit {
          hits[layer] += token < 100 ? 0 : 1
        }
        cache.finishLoading()
      }
      cache.advanceToken()
      cache.checkInvariants()
    }
    // The eight fit; three of a burst's four uses can be hits.
    #expect(hits[0] == 200 * 4)
    #expect(hits[1] == 200 * 3)
  }

  /// Weights grow until all scores are divided; what is kept must not notice.
  @Test func decayGoesOnForThousandsOfTokens() {
    var cache = WindowCache(stridesPerLayer: [6], slotsPerLayer: [3], policy: .lfru)
    for token in 0..<10_000 {
      let often = token < 9000 ? [0, 1] : [2, 3]
      _ = request(token % 7 == 0 ? often + [5] : often, of: &cache)
      cache.advanceToken()
    }
    cache.checkInvariants()
    #expect(request([2, 3], of: &cache).allSatisfy { $0.isHit })
    #expect(cache.statistics.misses < 10_000 / 7 + 100)
  }

  @Test func aTokenNeverEvictsWhatItUses() {
    var cache = WindowCache(stridesPerLayer: [9], slotsPerLayer: [3], policy: .window(tokens: 2))
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
    var cache = WindowCache(stridesPerLayer: [3, 3], slotsPerLayer: [0, 3], policy: .lfru)
    #expect(request([0, 1, 2], of: &cache).allSatisfy { $0 == .noSlot })
    cache.checkInvariants()
  }

  @Test func afterACancelledLoadNothingOfItIsThere() {
    var cache = WindowCache(stridesPerLayer: [6], slotsPerLayer: [4], policy: .lru)
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
      var cache = WindowCache(stridesPerLayer: [2, 2], slotsPerLayer: [2, 2], policy: .lru)
      _ = cache.request(StrideIndex(0), in: LayerIndex(0))
      _ = cache.request(StrideIndex(0), in: LayerIndex(1))
    }
  }

  private func use(_ strides: [Int], of layer: Int, in cache: inout WindowCache) {
    let wanted = strides.map(Int32.init)
    cache.use(wanted.span, in: LayerIndex(layer))
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
