/// Chooses a threshold for each layer: all layers keep the same part of what their neurons
/// contribute, so that layers whose contributions come from few neurons compute few.
struct ThresholdChoice {
  /// What is asked for.
  enum Target: Equatable {
    /// This part of the contributions.
    case kept(Double)
    /// This part of a token's neurons, over all layers.
    case active(Double)
  }

  let layers: [MagnitudeHistogram]
  /// Of each layer those that a token may use.
  let neuronCounts: [Int]

  /// For each layer, nil where it has no neurons.
  func thresholds(_ target: Target) -> [Float?] {
    switch target {
    case .kept(let part): return thresholds(keeping: part)
    case .active(let part):
      var (low, high) = (0.0, 1.0)
      for _ in 0..<40 {
        let middle = (low + high) / 2
        if activity(thresholds(keeping: middle)) <= part { low = middle } else { high = middle }
      }
      return thresholds(keeping: low)
    }
  }

  private func thresholds(keeping part: Double) -> [Float?] {
    zip(layers, neuronCounts).map { $1 > 0 ? $0.threshold(keeping: part) : nil }
  }

  /// Of a token's neurons, those that fire.
  private func activity(_ thresholds: [Float?]) -> Double {
    var sum = 0.0
    for (index, threshold) in thresholds.enumerated() {
      guard let threshold else { continue }
      sum += layers[index].activity(above: threshold) * Double(neuronCounts[index])
    }
    return sum / Double(max(1, neuronCounts.reduce(0, +)))
  }
}
