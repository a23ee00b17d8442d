import FlashIO
import FlashProfiler
import FlashTestSupport
import FlashWindow
import Testing

/// Stack distances against plain counts.
struct StackDistanceTests {
  private static func trace(seed: UInt64, strideCounts: [Int], tokens: Int) -> ActiveSetTrace {
    var random = SplitMix(seed: seed)
    var trace = ActiveSetTrace(strideCounts: strideCounts)
    for _ in 0..<tokens {
      for (layer, count) in strideCounts.enumerated() {
        for stride in 0..<count where random.chance(0.3) {
          trace.append(StrideIndex(stride), layer: LayerIndex(layer))
        }
      }
      trace.endToken()
    }
    return trace
  }

  /// A list of strides, the one used last in front: an LRU of every size is its beginning.
  private func naiveHits(_ trace: ActiveSetTrace, slots: [Int], from first: Int) -> Int {
    var hits = 0
    for layer in trace.strideCounts.indices {
      var stack: [Int32] = []
      for token in 0..<trace.tokenCount {
        for stride in trace.strides(token: token, layer: LayerIndex(layer)) {
          if let depth = stack.firstIndex(of: stride) {
            if depth < slots[layer], token >= first { hits += 1 }
            stack.remove(at: depth)
          }
          stack.insert(stride, at: 0)
        }
      }
    }
    return hits
  }

  @Test func distancesEqualAPlainCountAtEverySize() {
    for seed in 0..<6 as Range<UInt64> {
      let counts = [1, 9, 24]
      let trace = Self.trace(seed: seed, strideCounts: counts, tokens: 40)
      for first in [0, 7] {
        let distances = StackDistances(trace, countedFrom: first)
        for size in 0...24 {
          let slots = counts.map { min($0, size) }
          #expect(
            distances.hits(slotsPerLayer: slots) == naiveHits(trace, slots: slots, from: first),
            "seed \(seed), \(size) slots, from token \(first)")
        }
      }
    }
  }

  @Test func withLessRoomThanATokenUsesNothingIsFound() {
    // Every token uses the same ten of twenty strides.
    var trace = ActiveSetTrace(strideCounts: [20])
    for _ in 0..<30 {
      for stride in 0..<10 { trace.append(StrideIndex(stride), layer: LayerIndex(0)) }
      trace.endToken()
    }
    let distances = StackDistances(trace)
    #expect(distances.useCount == 300)
    for slots in 0..<10 { #expect(distances.hits(slotsPerLayer: [slots]) == 0) }
    #expect(distances.hits(slotsPerLayer: [10]) == 290)
    // The window keeps what the token uses.
    #expect(ReplacementReplay(trace).outcome(of: .lru, slotsPerLayer: [9]).hits == 29 * 9)
  }

  /// With one stride a token the window cache's LRU is the plain one.
  @Test func theWindowsLruIsThePlainOneWhereTokensUseOneStride() {
    var random = SplitMix(seed: 3)
    var trace = ActiveSetTrace(strideCounts: [12])
    for _ in 0..<300 {
      trace.append(
        StrideIndex(random.next(in: 0...random.next(in: 0...11))), layer: LayerIndex(0))
      trace.endToken()
    }
    let distances = StackDistances(trace, countedFrom: 20)
    for slots in 0...12 {
      #expect(
        ReplacementReplay(trace).outcome(of: .lru, slotsPerLayer: [slots], countedFrom: 20).hits
          == distances.hits(slotsPerLayer: [slots]))
    }
  }

  @Test func tokensThatFillTheWindowAreNotCounted() {
    let trace = Self.trace(seed: 1, strideCounts: [8, 16], tokens: 20)
    let replay = ReplacementReplay(trace)
    let slots = [4, 8]
    let all = replay.outcome(of: .lru, slotsPerLayer: slots)
    let late = replay.outcome(of: .lru, slotsPerLayer: slots, countedFrom: 10)
    let early = ReplacementReplay(trace.prefix(10)).outcome(of: .lru, slotsPerLayer: slots)
    #expect(all.hits == early.hits + late.hits && all.misses == early.misses + late.misses)
    let counted = replay.optimum(slotsPerLayer: slots, countedFrom: 10)
    #expect(counted.hits + counted.misses == late.hits + late.misses)
    #expect(counted.hits >= late.hits)
  }

  /// Asked for in parts, a set may lose what its later parts want, but nothing is counted twice.
  @Test func aSetThatIsCutIsAskedForInParts() {
    let trace = Self.trace(seed: 2, strideCounts: [30], tokens: 50)
    let replay = ReplacementReplay(trace)
    let whole = replay.outcome(of: .lfru, slotsPerLayer: [9])
    let cut = replay.outcome(of: .lfru, slotsPerLayer: [9], cuts: [[10, 20]])
    #expect(cut.hits + cut.misses == whole.hits + whole.misses && cut.hits <= whole.hits)
    #expect(replay.outcome(of: .lfru, slotsPerLayer: [9], cuts: [[]]) == whole)
  }
}
