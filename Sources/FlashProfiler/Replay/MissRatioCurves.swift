package import FlashWindow

/// What each policy would have missed in a recorded run, against the size of the window.
package struct MissRatioCurves: Sendable {
  /// One policy at one size.
  package struct Point: Encodable, Sendable, Equatable {
    /// Of all strides, those that there are slots for.
    package var fraction: Double
    /// Bytes of the slots.
    package var byteCount: Int
    package var missRatio: Double
  }

  package struct Curve: Encodable, Sendable, Equatable {
    package var name: String
    package var points: [Point]
  }

  private let replay: ReplacementReplay
  private let distances: StackDistances
  private let cuts: [[Int]]
  private let slotByteCount: Int
  private let strideCounts: [Int]
  private let first: Int
  /// Mean of what a decoded token uses of all layers, in strides.
  package let demand: Double

  /// - Precondition: `run.hasSets`.
  package init(_ run: RecordedRun) {
    first = run.firstDecoded
    let sets = run.sets
    replay = ReplacementReplay(sets)
    distances = StackDistances(sets, countedFrom: first)
    cuts = run.header.layers.map { Self.cuts($0, sliceByteCount: run.header.run.sliceBytes) }
    slotByteCount = max(1, run.header.plan.slotBytes)
    strideCounts = run.header.layers.map(\.strides)
    demand = Double(distances.useCount) / Double(max(1, sets.tokenCount - first))
  }

  /// Bytes of the slots that a token's strides take.
  package var demandByteCount: Int { Int(demand * Double(slotByteCount)) }

  /// Decoded tokens that the curves are of.
  package var tokenCount: Int { max(0, replay.trace.tokenCount - first) }

  /// Tokens of a sliding window where the run had another policy.
  package static let defaultWindowTokens = 5

  package var strideCount: Int { strideCounts.reduce(0, +) }

  /// The same part of each layer, as the memory plan cuts it.
  package func slots(fraction: Double) -> [Int] {
    strideCounts.map { min($0, Int((fraction * Double($0)).rounded())) }
  }

  /// Misses of a decoded token.
  package func missesPerToken(_ policy: ReplacementPolicy, slotsPerLayer: [Int]) -> Double {
    let outcome = replay.outcome(
      of: policy, slotsPerLayer: slotsPerLayer, countedFrom: first, cuts: cuts)
    return (1 - outcome.hitRate) * demand
  }

  /// Sizes at which curves are drawn.
  package static let fractions = [
    0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1,
  ]

  /// All curves: the window cache's policies as they run, the best that any could do, and an LRU
  /// that knows nothing of tokens.
  ///
  /// - Parameter windowTokens: the length of the sliding window.
  /// - Complexity: O(policies · sizes · uses · log slots).
  package func curves(fractions: [Double], windowTokens: Int) -> [Curve] {
    let policies: [ReplacementPolicy] = [.window(tokens: windowTokens), .lru, .lfu, .lfru]
    func curve(_ name: String, _ missRatio: ([Int]) -> Double) -> Curve {
      Curve(
        name: name,
        points: fractions.map { fraction in
          let slots = slots(fraction: fraction)
          return Point(
            fraction: fraction, byteCount: slots.reduce(0, +) * slotByteCount,
            missRatio: missRatio(slots))
        })
    }
    return policies.map { policy in
      curve(policy.name) {
        1 - replay.outcome(of: policy, slotsPerLayer: $0, countedFrom: first, cuts: cuts).hitRate
      }
    } + [
      curve("Bélády") { 1 - replay.optimum(slotsPerLayer: $0, countedFrom: first).hitRate },
      curve("plain LRU") {
        1 - Double(distances.hits(slotsPerLayer: $0)) / Double(max(1, distances.useCount))
      },
    ]
  }

  /// Where a layer's set is cut when its rows that decide are multiplied slice by slice, in
  /// strides; as the decoder cuts it, but for its rounding to 64 strides.
  private static func cuts(_ layer: TraceHeader.Layer, sliceByteCount: Int) -> [Int] {
    guard sliceByteCount > 0, layer.decidingBytes > sliceByteCount else { return [] }
    let slices = layer.decidingBytes / sliceByteCount
    return (1..<max(2, slices)).map { layer.strides * $0 / slices }
  }
}
