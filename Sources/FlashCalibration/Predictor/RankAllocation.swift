/// Spends the bytes that predictors may take where they save most reading.
enum RankAllocation {
  /// A larger predictor must save at least this part of its own growth in bytes named for each
  /// token: it is read from DRAM, what it saves partly from flash, which is slower many times.
  private static let leastSaving = 0.25

  /// Predicted over true activity that every layer is brought under first: beyond it most of what
  /// a layer reads is for nothing. On other text the ratio is a little higher.
  private static let firstAim = 2.25

  /// Chooses one candidate of each layer, by its index.
  ///
  /// Every layer starts with its smallest; then, again and again, the growth that saves most bytes
  /// for each byte it takes and still fits is made: first among layers above the aim, where savings
  /// count relative to what fires, then among all.
  ///
  /// - Parameters:
  ///   - layers: candidates of rising size and falling activity, at least one each.
  ///   - trueActivities: the part of each layer's neurons that fires.
  ///   - bundleByteCounts: bytes of all bundles of each layer.
  static func choose(
    _ layers: [[PredictorCandidate]], trueActivities: [Double], bundleByteCounts: [Int],
    budget: Int
  ) -> [Int] {
    var chosen = layers.map { _ in 0 }
    var left = budget - layers.reduce(0) { $0 + $1[0].byteCount }
    func grow(leastSaving: Double, where isEligible: (Int) -> Bool, weight: (Int) -> Double) {
      while true {
        var best: (rate: Double, layer: Int, index: Int)?
        for (layer, candidates) in layers.enumerated() where isEligible(layer) {
          let current = candidates[chosen[layer]]
          for index in candidates.indices.dropFirst(chosen[layer] + 1) {
            let growth = candidates[index].byteCount - current.byteCount
            guard growth <= left else { break }
            let saving =
              (current.predictedActivity - candidates[index].predictedActivity) * weight(layer)
            let rate = saving / Double(max(1, growth))
            if rate >= leastSaving, rate > best?.rate ?? 0 { best = (rate, layer, index) }
          }
        }
        guard let best else { return }
        let candidates = layers[best.layer]
        left -= candidates[best.index].byteCount - candidates[chosen[best.layer]].byteCount
        chosen[best.layer] = best.index
      }
    }
    grow(
      leastSaving: 0,
      where: {
        layers[$0][chosen[$0]].predictedActivity > firstAim * trueActivities[$0]
      },
      weight: { 1 / max(trueActivities[$0], 1e-6) })
    grow(
      leastSaving: leastSaving, where: { _ in true }, weight: { Double(bundleByteCounts[$0]) })
    return chosen
  }
}
