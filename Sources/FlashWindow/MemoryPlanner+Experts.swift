import FlashIO
import FlashWeights

/// Whether a model with experts keeps those whole or their neurons, where either loses nothing.
extension MemoryPlanner {
  /// How many times less a window of neurons must take of the device than one of experts.
  ///
  /// What fires is guessed, and a device may be slower at small reads than it is taken to be:
  /// `smallthinker-4b` with 15 % active, where this came to 1.3 to 1.6, decoded 1.2 to 1.4 times as
  /// fast with experts kept whole at 70 to 90 % of its bytes (2.6 GB/s, 86,000 reads a second).
  private static let margin = 2.0

  /// A plan by neurons where everything is resident or less is read so; otherwise by experts.
  func planOfEitherUnit() throws(MemoryPlanError) -> MemoryPlan {
    var neurons = self
    neurons.demand.exact = .required
    var experts = self
    experts.demand.exact = .no
    let floors = (neurons.floorByteCount, experts.floorByteCount)
    let limit = options.memoryLimit ?? Int.max
    guard limit >= floors.0, limit >= floors.1 else {
      var plan = try (floors.0 < floors.1 ? neurons : experts).planOfOneUnit()
      plan.minimumByteCount = min(floors.0, floors.1)
      return plan
    }
    let plans = (try neurons.planOfOneUnit(), try experts.planOfOneUnit())
    let pays =
      neurons.missByteCount(of: plans.0) * Self.margin <= experts.missByteCount(of: plans.1)
    var plan = pays ? plans.0 : plans.1
    plan.minimumByteCount = min(floors.0, floors.1)
    return plan
  }

  private var floorByteCount: Int { sum(floorItems(floorContext)) }

  /// About how many bytes the device could read in the time that a token's misses take it: a read
  /// counts as many more as are read rather than left out between two.
  ///
  /// A window with room for a part of all, of which a token wants few, hits about the square root
  /// of it: `smallthinker-4b` 33, 72 and 83 % of neurons with room for 18, 44 and 62 %, and 56, 74
  /// and 82 % of experts with room for 33, 59 and 71 %.
  private func missByteCount(of plan: MemoryPlan) -> Double {
    let wanted = manifest.bundles.indices.reduce(0) { $0 + unitsPerToken(layer: $1) }
    let perRead = plan.slotByteCount + max(0, options.mergeGapByteCount)
    return wanted * (1 - manifest.windowRoom(plan).squareRoot()) * Double(perRead)
  }

  /// Experts of a token, or strides of their neurons of which one at least fires.
  private func unitsPerToken(layer: Int) -> Double {
    let bundle = manifest.bundles[layer]
    guard windowUnit == .neurons else {
      return bundle.expertCount == nil ? 0 : Double(activeExpertCount)
    }
    var silent = 1.0
    for _ in 0..<bundle.neuronsPerStride { silent *= 1 - demand.activeFraction }
    let neurons = manifest.configuration.neuronsPerToken(layer: layer)
    let strides = neurons / max(1, bundle.neuronsPerStride)
    return Double(strides) * (1 - silent)
  }
}
