internal import Crypto
internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import FlashWindow

/// Pricing a store that has predictors or thresholds: the certificate.
extension Calibrator {
  /// - Parameter heldByteCount: of predictors that this process holds beside the decoder's.
  func price(
    _ staged: WeightStore, layers: [PricedLayer], heldByteCount: Int,
    progress: (CalibrationStage, Int, Int) -> Void, isCancelled: () -> Bool
  ) throws -> Certificate {
    var quality = try QualityMeasurement(
      chunks: text.pricing, vocabularySize: store.configuration.vocabularySize, folder: folder)
    let tokenCount = quality.tokenCount
    let total = 2 * tokenCount
    progress(.price, 0, total)
    do {
      let dense = try decoder(staged) {
        $0.callerItems.append(held(heldByteCount))
        $0.sparsity = .auto
        $0.logitsRowCapacity = Self.logitsRows
      }
      try quality.runDense(dense, isCancelled: isCancelled) { progress(.price, $0, total) }
    }
    let predicted = try decoder(staged) {
      $0.callerItems.append(held(heldByteCount))
      $0.sparsity = mode == .threshold ? .threshold : .predicted
      $0.allowsUnpriced = true
      $0.logitsRowCapacity = Self.logitsRows
    }
    try quality.runPredicted(predicted, isCancelled: isCancelled) {
      progress(.price, tokenCount + $0, total)
    }
    let share =
      try mode == .threshold ? 0 : predictorTimeShare(predicted, isCancelled: isCancelled)
    return certificate(quality, layers: layers, timeShare: share)
  }

  /// What this process holds beside the decoder that is to be opened: BLAS keeps its packing
  /// buffers and the allocator what training gave back, 100 MB for layers of 16,384 neurons.
  private func held(_ predictorByteCount: Int) -> MemoryPlan.Item {
    ProcessMemory.giveBackFree()
    var item = memory.pricing(predictorByteCount: predictorByteCount)
    item.byteCount = max(item.byteCount, ProcessMemory()?.anonymous ?? 0)
    return item
  }

  /// Rows of logits handed out at a time.
  private static let logitsRows = 16
  /// Tokens that are decoded one by one to see what a token takes.
  private static let timedTokens = 32

  /// Predictors' part of a token's arithmetic, which is its time where all weights are resident: of
  /// tokens decoded one by one the least of each, because other processes of the host only add, and
  /// to the predictors' many short calls more than to the rest (31 % of a token for 3 %).
  private func predictorTimeShare(
    _ decoder: Decoder, isCancelled: () -> Bool
  ) throws -> Double {
    decoder.reset()
    var predictors = Int.max
    var arithmetic = Int.max
    for token in text.pricing[0].prefix(min(Self.timedTokens, decoder.contextLength)) {
      let before = decoder.statistics
      try unsafe decoder.forward(
        [token], logits: .last, isCancelled: isCancelled, onLogits: { _, _ in })
      let spent = decoder.statistics - before
      predictors = min(predictors, spent.predictorNanoseconds)
      arithmetic = min(arithmetic, spent.arithmeticNanoseconds)
    }
    return min(1, Double(predictors) / Double(max(1, arithmetic)))
  }

  private func certificate(
    _ quality: QualityMeasurement, layers: [PricedLayer], timeShare: Double
  ) -> Certificate {
    let bundles = store.manifest.bundles
    let curves = layers.map(\.computedCurve)
    let newBytes = (0..<WindowCurve.windowCount).map { window in
      zip(curves, bundles).reduce(0.0) { sum, pair in
        sum + pair.0.newNeuronsPerToken[window] * Double(bytesPerNeuron(pair.1))
      }
    }
    let allBytes = zip(curves, bundles).reduce(0.0) { sum, pair in
      sum + Double(pair.0.total) / Double(max(1, pair.0.tokenCount))
        * Double(bytesPerNeuron(pair.1))
    }
    // Predictors and thresholds that are only priced keep what is known of their training.
    let trained = text.training.isEmpty ? store.calibration?.certificate : nil
    var certificate = Certificate(
      layers: layers.map(\.line), densePerplexity: quality.dense.estimate,
      predictedPerplexity: quality.predicted.estimate,
      meanKLDivergence: quality.meanDivergence, p99KLDivergence: quality.p99Divergence,
      topTokenAgreement: quality.agreement, newBytesPerToken: newBytes,
      newFractionPerWindow: newBytes.map { allBytes > 0 ? $0 / allBytes : 0 },
      predictorByteCount: layers.reduce(0) { $0 + $1.byteCount }, predictorTimeShare: timeShare,
      trainingTokens: trained?.trainingTokens ?? text.training.reduce(0) { $0 + $1.count },
      pricingTokens: text.pricing.reduce(0) { $0 + $1.count },
      seed: trained?.seed ?? options.seed,
      trainingTextDigest: trained?.trainingTextDigest ?? Self.digest(text.training),
      pricingTextDigest: Self.digest(text.pricing), textName: text.name)
    certificate.mode = mode
    return certificate
  }

  /// Bytes that are read of a neuron: all its parts, or those behind a gate that is resident.
  private func bytesPerNeuron(_ layout: BundleLayout) -> Int {
    layout.frontBytesPerNeuron + (mode == .threshold ? 0 : layout.lastPartByteCount)
  }

  private static func digest(_ chunks: [[Int32]]) -> String {
    var hash = SHA256()
    for chunk in chunks {
      hash.update(
        data: chunk.flatMap { token in
          (0..<4).map { UInt8(truncatingIfNeeded: UInt32(bitPattern: token) >> (8 * UInt32($0))) }
        })
    }
    return hash.finalize().flatMap { [$0 >> 4, $0 & 15] }
      .reduce(into: "") { $0 += String($1, radix: 16) }
  }
}
