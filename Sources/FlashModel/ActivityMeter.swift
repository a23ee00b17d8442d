import FlashWeights
package import FlashWindow

/// Counts which neurons fire from token to token: the active fraction, and how much of a token's
/// active set fired some tokens before.
///
/// It wants one token at a time. It takes a bit per neuron and token remembered; a decoder has one
/// only where it was asked for.
package final class ActivityMeter {
  /// Distances in tokens at which reuse is measured.
  package static let lags = [1, 4, 16]

  /// What fired, token after token; nil where nobody asked for it.
  package private(set) var trace: ActiveSetTrace?
  private var layers: [LayerActivity]
  private let neuronsPerStride: [Int]

  /// - Parameter recordsActiveSets: keeps every token's set in `trace`.
  init(_ manifest: StoreManifest, recordsActiveSets: Bool) {
    layers = manifest.bundles.enumerated().map {
      LayerActivity(
        neuronCount: $1.neuronCount, wantedCount: manifest.configuration.neuronsPerToken(layer: $0),
        lags: Self.lags)
    }
    neuronsPerStride = manifest.bundles.map(\.neuronsPerStride)
    trace =
      recordsActiveSets ? ActiveSetTrace(strideCounts: manifest.bundles.map(\.strideCount)) : nil
  }

  /// Notes the neurons of one token that fire in a layer, or in a piece of one.
  func record(_ active: ActiveSet, layer: Int) {
    for place in 0..<active.count {
      let neuron = active[place]
      layers[layer].fire(neuron)
      trace?.append(StrideIndex(neuron / neuronsPerStride[layer]), layer: LayerIndex(layer))
    }
  }

  /// Compares the newest token with those before it; called after each token.
  package func endToken() {
    for layer in layers.indices { layers[layer].endToken() }
    trace?.endToken()
  }

  /// The fraction of a layer's neurons, or of those of a token's experts, that fires for a token,
  /// mean over tokens.
  package func activeFraction(layer: Int) -> Double { layers[layer].activeFraction }

  /// For each lag, the fraction of a token's active neurons that also fired so many tokens before.
  package func reuse(layer: Int) -> [Double] { layers[layer].reuse }
}

/// The last tokens' active sets of one layer, and their sums.
private struct LayerActivity {
  /// Neurons that a token may want.
  private let wantedCount: Int
  private let lags: [Int]
  /// A bit for each neuron; the token's own set and those before it, oldest overwritten.
  private var sets: [[UInt64]]
  private var tokenCount = 0
  private var activeTotal = 0
  private var shared: [Int]
  private var compared: [Int]

  init(neuronCount: Int, wantedCount: Int, lags: [Int]) {
    self.wantedCount = wantedCount
    self.lags = lags
    let empty = [UInt64](repeating: 0, count: (neuronCount + 63) / 64)
    sets = Array(repeating: empty, count: (lags.max() ?? 0) + 1)
    shared = lags.map { _ in 0 }
    compared = shared
  }

  mutating func fire(_ neuron: Int) {
    sets[tokenCount % sets.count][neuron / 64] |= 1 << UInt64(neuron % 64)
  }

  mutating func endToken() {
    let newest = sets[tokenCount % sets.count]
    let count = newest.reduce(0) { $0 + $1.nonzeroBitCount }
    activeTotal += count
    for (index, lag) in lags.enumerated() where lag <= tokenCount {
      let older = sets[(tokenCount - lag) % sets.count]
      shared[index] += zip(newest, older).reduce(0) { $0 + ($1.0 & $1.1).nonzeroBitCount }
      compared[index] += count
    }
    tokenCount += 1
    for word in newest.indices { sets[tokenCount % sets.count][word] = 0 }
  }

  var activeFraction: Double { Double(activeTotal) / Double(max(1, tokenCount * wantedCount)) }

  var reuse: [Double] { zip(shared, compared).map { Double($0) / Double(max(1, $1)) } }
}
