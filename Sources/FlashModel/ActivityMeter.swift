import FlashWeights

/// Counts which neurons fire from token to token: the active fraction, and how much of a token's
/// active set fired some tokens before.
///
/// It wants one token at a time. It allocates; a decoder has one only where it was asked for.
package final class ActivityMeter {
  /// Distances in tokens at which reuse is measured.
  package static let lags = [1, 4, 16]

  private let neuronCounts: [Int]
  /// For each layer the active sets of the last tokens, newest last.
  private var history: [[Set<Int>]]
  private var activeTotal: [Int]
  private var tokenCounts: [Int]
  private var shared: [[Int]]
  private var compared: [[Int]]

  init(_ manifest: StoreManifest) {
    neuronCounts = manifest.bundles.map(\.neuronCount)
    history = neuronCounts.map { _ in [] }
    activeTotal = neuronCounts.map { _ in 0 }
    tokenCounts = activeTotal
    shared = neuronCounts.map { _ in Self.lags.map { _ in 0 } }
    compared = shared
  }

  /// Notes the neurons of one token that fire in a layer, or in a piece of one that begins at
  /// neuron `first`.
  func record(_ active: ActiveSet, first: Int, layer: Int) {
    if first == 0 {
      history[layer].append([])
      if history[layer].count > (Self.lags.max() ?? 0) + 1 { history[layer].removeFirst() }
    }
    let newest = history[layer].count - 1
    for place in 0..<active.count { history[layer][newest].insert(first + active[place]) }
    activeTotal[layer] += active.count
    if first == 0 { tokenCounts[layer] += 1 }
  }

  /// Compares the newest token with those before it; called after each token.
  package func endToken() {
    for layer in history.indices {
      guard let newest = history[layer].last else { continue }
      for (index, lag) in Self.lags.enumerated() where history[layer].count > lag {
        let older = history[layer][history[layer].count - 1 - lag]
        shared[layer][index] += newest.intersection(older).count
        compared[layer][index] += newest.count
      }
    }
  }

  /// The fraction of a layer's neurons that fires for a token, mean over tokens.
  package func activeFraction(layer: Int) -> Double {
    Double(activeTotal[layer]) / Double(max(1, tokenCounts[layer] * neuronCounts[layer]))
  }

  /// For each lag, the fraction of a token's active neurons that also fired so many tokens before.
  package func reuse(layer: Int) -> [Double] {
    zip(shared[layer], compared[layer]).map { Double($0) / Double(max(1, $1)) }
  }
}
