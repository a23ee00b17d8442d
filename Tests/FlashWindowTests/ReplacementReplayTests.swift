import FlashTestSupport
import FlashWindow
import Testing

/// Policies over recorded active sets, beside the best that any could do.
struct ReplacementReplayTests {
  static let policies: [ReplacementPolicy] = [
    .window(tokens: 1), .window(tokens: 4), .window(tokens: nil), .lru, .lfu, .lfru,
  ]

  /// Tokens that keep some of the strides of the one before, in layers of different sizes.
  private static func trace(
    seed: UInt64, strideCounts: [Int], tokens: Int, keeps: Double = 0.5
  ) -> ActiveSetTrace {
    var random = SplitMix(seed: seed)
    var trace = ActiveSetTrace(strideCounts: strideCounts)
    var last = strideCounts.map { _ in Set<Int>() }
    for _ in 0..<tokens {
      for (layer, count) in strideCounts.enumerated() {
        let set = Set(
          (0..<count).filter {
            let wasUsed = last[layer].contains($0)
            return random.chance(wasUsed && random.chance(keeps) ? 1 : 0.2)
          })
        for stride in set.sorted() { trace.append(StrideIndex(stride), layer: LayerIndex(layer)) }
        last[layer] = set
      }
      trace.endToken()
    }
    return trace
  }

  private static func evenCuts(_ strideCount: Int, sliceCount: Int) -> [Int] {
    (1..<sliceCount).map { strideCount * $0 / sliceCount }
  }

  @Test func nothingBeatsTheOptimum() {
    for seed in 0..<12 as Range<UInt64> {
      let counts = [3, 20, 41]
      let replay = ReplacementReplay(
        Self.trace(seed: seed, strideCounts: counts, tokens: 80, keeps: Double(seed % 4) / 4))
      for fraction in [0, 0.1, 0.3, 0.6, 1] {
        let slots = counts.map { Int(Double($0) * fraction) }
        let optimum = replay.optimum(slotsPerLayer: slots)
        for policy in Self.policies {
          for sliceCount in [1, 3] {
            let outcome = replay.outcome(
              of: policy, slotsPerLayer: slots,
              cuts: counts.map { Self.evenCuts($0, sliceCount: sliceCount) })
            #expect(outcome.hits <= optimum.hits, "seed \(seed), \(policy), slots \(slots)")
            #expect(outcome.hits + outcome.misses == optimum.hits + optimum.misses)
          }
        }
      }
    }
  }

  /// The least number of misses over every sequence of contents, tried one by one.
  @Test func theOptimumEqualsExhaustiveSearch() {
    for seed in 0..<60 as Range<UInt64> {
      let strides = 2 + Int(seed % 4)
      let trace = Self.trace(seed: seed, strideCounts: [strides], tokens: 7, keeps: 0.3)
      for slots in 0...strides {
        let contents = (0..<1 << strides).filter { $0.nonzeroBitCount <= slots }
        var best = [0: 0]
        var uses = 0
        for token in 0..<trace.tokenCount {
          let wanted = trace.strides(token: token, layer: LayerIndex(0))
            .reduce(0) { $0 | 1 << Int($1) }
          uses += wanted.nonzeroBitCount
          var next: [Int: Int] = [:]
          for (content, hits) in best {
            let reached = hits + (content & wanted).nonzeroBitCount
            for target in contents where target & ~(content | wanted) == 0 {
              next[target] = max(next[target] ?? 0, reached)
            }
          }
          best = next
        }
        let found = ReplacementReplay(trace).optimum(slotsPerLayer: [slots])
        #expect(found == .init(hits: best.values.max()!, misses: uses - best.values.max()!))
      }
    }
  }

  /// Mattson's count: with one stride a token a use is a hit exactly when fewer other strides than
  /// there are slots were used since its last one.
  @Test func lruEqualsStackDistances() {
    for seed in 0..<8 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      let strides = 12
      var trace = ActiveSetTrace(strideCounts: [strides])
      var stack: [Int] = []
      var distances: [Int] = []
      for _ in 0..<400 {
        let stride = random.next(in: 0...random.next(in: 0...strides - 1))
        trace.append(StrideIndex(stride), layer: LayerIndex(0))
        trace.endToken()
        if let distance = stack.firstIndex(of: stride) {
          distances.append(distance)
          stack.remove(at: distance)
        }
        stack.insert(stride, at: 0)
      }
      for slots in 0...strides {
        let outcome = ReplacementReplay(trace).outcome(of: .lru, slotsPerLayer: [slots])
        #expect(outcome.hits == distances.filter { $0 < slots }.count, "\(slots) slots")
      }
    }
  }

  /// Tokens that use the same steady strides all the while and a few new ones each time: what they
  /// used last stays while not all is known that they use.
  @Test(arguments: [ReplacementPolicy.lru, .lfu, .lfru])
  func slicesGiveUpNothingThatTheTokenWantsLater(policy: ReplacementPolicy) {
    // The steady ones are those that were used least: they begin when all others were used often.
    var trace = ActiveSetTrace(strideCounts: [64])
    for token in 0..<120 {
      let steady = token < 60 ? Array(32..<56) : Array(40..<64)
      for stride in [token % 32] + steady {
        trace.append(StrideIndex(stride), layer: LayerIndex(0))
      }
      trace.endToken()
    }
    let replay = ReplacementReplay(trace)
    let whole = replay.outcome(of: policy, slotsPerLayer: [26])
    let sliced = replay.outcome(
      of: policy, slotsPerLayer: [26], cuts: [Self.evenCuts(64, sliceCount: 8)])
    #expect(sliced.hits >= whole.hits - 8, "\(sliced.hits) of \(whole.hits)")
  }

  @Test func aTraceHandsOutWhatWasNoted() {
    var trace = ActiveSetTrace(strideCounts: [4, 9])
    // Neighbouring neurons of one stride are noted once.
    for stride in [1, 1, 3] { trace.append(StrideIndex(stride), layer: LayerIndex(0)) }
    trace.endToken()
    trace.append(StrideIndex(8), layer: LayerIndex(1))
    trace.endToken()
    #expect(Array(trace.strides(token: 0, layer: LayerIndex(0))) == [1, 3])
    #expect(trace.strides(token: 0, layer: LayerIndex(1)).isEmpty)
    #expect(trace.strides(token: 1, layer: LayerIndex(0)).isEmpty)
    #expect(Array(trace.strides(token: 1, layer: LayerIndex(1))) == [8])
    #expect(trace.tokenCount == 2 && trace.useCount(layer: LayerIndex(0)) == 2)
  }

  @Test func theWindowIsTheLongestThatFits() {
    let curve = WindowCurve(activeByteCount: 100, newByteCounts: [40, 20, 10])
    #expect(
      [0, 100, 139, 140, 159, 160, 170, 1000].map { curve.tokens(fitting: $0) }
        == [1, 1, 1, 2, 2, 3, 4, 4])
  }
}
