internal import FlashModel
internal import FlashWeights
internal import FlashWindow

/// What calibration takes beside the decoder, and how many positions of a sample a limit allows.
struct CalibrationMemory {
  let configuration: ModelConfiguration
  /// The largest rank that the budget may lead to.
  let highestRank: Int
  let threadCount: Int

  /// Positions of the two parts of the sample.
  static let trainingPositions = 16_384
  static let pricingPositions = 4096
  /// Fewer positions than these train nothing.
  static let leastPositions = 256
  /// Bytes of the largest sample of states in memory, whatever the limit.
  private static let statesByteCount = 256 << 20
  /// Bytes of the largest sample on disk.
  private static let scratchByteCount = 6 << 30
  /// Tokens that a decoder sends through a layer together, at most.
  private var recordedTokens: Int { configuration.routing == nil ? 64 : 512 }

  private var width: Int { configuration.width }
  /// Neurons of the widest layer, or of an expert: what is looked at at a time.
  private var widest: Int { configuration.layers.map(\.expertWidth).max() ?? 0 }
  private var neuronCount: Int { configuration.layers.reduce(0) { $0 + $1.feedForwardWidth } }

  /// Bytes of a neuron's counts, of both parts of the text.
  private static let countsByteCount = 40

  /// While the model runs: what one chunk of a layer saw, and counts of all layers.
  ///
  /// - Parameter isMetered: whether contributions are measured by magnitude too.
  func recording(isMetered: Bool) -> MemoryPlan.Item {
    let metered = isMetered ? MagnitudeMeter.byteCounts : (perValue: 0, perNeuron: 0)
    let staging = recordedTokens * (6 * width + (12 + metered.perValue) * widest)
    return .init(
      "calibration", staging + (Self.countsByteCount + metered.perNeuron) * neuronCount,
      "one layer's sample of \(recordedTokens) tokens, counts of all neurons")
  }

  /// While the staged store is priced: the predictors that were made, counts, and curves of what
  /// was seen last.
  func pricing(predictorByteCount: Int) -> MemoryPlan.Item {
    .init(
      "calibration", predictorByteCount + 36 * neuronCount,
      "predictors and counts of all neurons")
  }

  /// While predictors are made, with so many positions; `gateByteCount` is of one layer's packed
  /// deciding rows.
  func training(
    positions: Int, gateByteCount: Int, budget: Int, candidateCount: Int = 3
  ) -> [MemoryPlan.Item] {
    let states = 4 * positions * width
    let parameters = 4 * highestRank * (width + widest)
    return [
      .init(
        "process", ProcessBudget.byteCount(threadCount: threadCount), "code, runtime, stacks"),
      .init(
        "sample", 2 * states + positions * (widest / 8 + 2 * widest),
        "states and firings of one layer, \(positions) positions"),
      .init("gates", gateByteCount + 4 * 1024 * width, "deciding rows of one layer"),
      .init(
        "training", 8 * parameters + 4 * 2 * 128 * widest,
        "weights, gradients and moments of rank \(highestRank)"),
      .init("predictors", candidateCount * budget, "candidates of all layers"),
      // And places in their order.
      .init("counts", (Self.countsByteCount + 16) * neuronCount, "counts of all neurons"),
      .init("BLAS", threadCount * (32 << 20), "packing buffers of \(threadCount) threads"),
    ]
  }

  /// The most positions of the training sample that the limit allows.
  ///
  /// - Throws: `MemoryPlanError` where not even the fewest fit.
  func trainingPositions(
    limit: Int?, available: Int, gateByteCount: Int, budget: Int
  ) throws(MemoryPlanError) -> Int {
    let perPosition = ActivationSample.byteCountPerPosition(
      width: width,
      neuronCounts: configuration.layers.indices.map { configuration.neuronsPerToken(layer: $0) },
      activity: 0.5)
    let positions = min(
      available, Self.trainingPositions, Self.statesByteCount / max(1, 4 * width),
      Self.scratchByteCount / max(1, perPosition))
    guard let limit else { return positions }
    return try fitting(
      positions, available: available, limit: limit, fixes: ["a smaller --budget"]
    ) {
      training(positions: $0, gateByteCount: gateByteCount, budget: budget)
    }
  }

  /// The most positions on which the limit allows to price predictors that were not made here.
  ///
  /// - Throws: `MemoryPlanError` where not even the fewest fit.
  func pricingPositions(
    limit: Int?, available: Int, predictorByteCount: Int
  ) throws(MemoryPlanError) -> Int {
    let positions = min(
      available, Self.pricingPositions, Self.statesByteCount / max(1, 4 * width))
    guard let limit else { return positions }
    return try fitting(positions, available: available, limit: limit, fixes: []) { positions in
      [
        .init(
          "process", ProcessBudget.byteCount(threadCount: threadCount), "code, runtime, stacks"),
        .init(
          "sample", positions * (4 * width + widest / 8 + 3 * widest),
          "states and firings of one layer, \(positions) positions"),
        .init("predictors", 2 * predictorByteCount, "one layer's, as stored and as run"),
      ]
    }
  }

  private func fitting(
    _ most: Int, available: Int, limit: Int, fixes: [String],
    _ items: (Int) -> [MemoryPlan.Item]
  ) throws(MemoryPlanError) -> Int {
    func sum(_ positions: Int) -> Int { items(positions).reduce(0) { $0 + $1.byteCount } }
    let least = min(available, Self.leastPositions)
    var positions = most
    while positions > least, sum(positions) > limit { positions = max(least, positions * 3 / 4) }
    guard sum(positions) <= limit else {
      throw MemoryPlanError(
        limit: limit, requiredByteCount: sum(positions), items: items(positions),
        fixes: fixes + ["--mem-limit \(sum(positions))"])
    }
    return positions
  }
}
