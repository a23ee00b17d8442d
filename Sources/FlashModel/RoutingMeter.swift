import FlashWeights

/// Notes which experts each layer's router chooses from token to token, and which ones the layer
/// before it led to expect.
///
/// It wants one token at a time. It takes four bytes for each expert of a token, layer and kind;
/// a decoder has one only where it was asked for.
package final class RoutingMeter {
  /// A layer's experts, token after token.
  private struct Layer {
    var expertCount: Int
    var chosen: [Set<Int32>] = []
    var guessed: [Set<Int32>] = []
  }

  private var layers: [Int: Layer] = [:]
  private let activeCount: Int

  /// Nil for a model without experts.
  init?(_ configuration: ModelConfiguration) {
    guard let routing = configuration.routing else { return nil }
    activeCount = routing.activeCount
    for (index, layer) in configuration.layers.enumerated() {
      layers[index] = layer.expertCount.map { Layer(expertCount: $0) }
    }
  }

  /// Notes the experts of one token.
  func record(chosen experts: UnsafeBufferPointer<Int32>, layer: Int) {
    unsafe layers[layer]?.chosen.append(Set(experts))
  }

  /// Notes the experts that the next token of a layer is guessed to want, as many as it will.
  func record(guessed experts: UnsafeBufferPointer<Int32>, layer: Int) {
    unsafe layers[layer]?.guessed.append(Set(experts))
  }

  /// What came to pass so far, means over layers that each weigh the same.
  package var report: RoutingReport {
    let all = layers.sorted { $0.key < $1.key }.map(\.value)
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
    let guessed = all.filter { !$0.guessed.isEmpty }
    return RoutingReport(
      tokenCount: all.first?.chosen.count ?? 0, lags: ActivityMeter.lags,
      reuse: ActivityMeter.lags.map { lag in
        mean(all.map { Self.shared($0.chosen.dropFirst(lag), $0.chosen) })
      },
      skew: mean(all.map(skew)),
      lookAheadRecall: guessed.isEmpty
        ? nil : mean(guessed.map { Self.shared($0.chosen[...], $0.guessed) }))
  }

  /// The part of what is in some sets that is in the others too, in order.
  private static func shared(_ sets: ArraySlice<Set<Int32>>, _ others: [Set<Int32>]) -> Double {
    let count = zip(sets, others).reduce(0) { $0 + $1.0.count }
    let found = zip(sets, others).reduce(0) { $0 + $1.0.intersection($1.1).count }
    return Double(found) / Double(max(1, count))
  }

  /// The exponent that gives the busiest quarter of a layer's experts the share of choices that
  /// they have. Which ones are the busiest is seen in one half of the tokens and their share in
  /// the other, because among equals some are always chosen more often in the same tokens.
  private func skew(_ layer: Layer) -> Double {
    let half = layer.chosen.count / 2
    let (early, late) = (layer.chosen.prefix(half), layer.chosen.suffix(half))
    let quarter = max(1, layer.expertCount / 4)
    func share(_ sets: ArraySlice<Set<Int32>>, rankedBy others: ArraySlice<Set<Int32>>) -> Double {
      var counts = [Int](repeating: 0, count: layer.expertCount)
      for expert in others.joined() { counts[Int(expert)] += 1 }
      let busiest = Set(
        counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }.prefix(quarter)
          .map { Int32($0) })
      return Self.shared(sets, sets.map { _ in busiest })
    }
    let found = (share(late, rankedBy: early) + share(early, rankedBy: late)) / 2
    var (least, most) = (0.0, 8.0)
    for _ in 0..<30 {
      let middle = (least + most) / 2
      let shares = SyntheticRouting.shares(layer.expertCount, activeCount, skew: middle)
      let wanted = shares.prefix(quarter).reduce(0, +) / Double(activeCount)
      if wanted < found { least = middle } else { most = middle }
    }
    return least
  }
}

/// How experts are chosen, as measured while the model decodes.
package struct RoutingReport: Codable, Equatable, Sendable {
  /// Tokens that were decoded.
  package var tokenCount: Int
  /// Distances in tokens.
  package var lags: [Int]
  /// For each of `lags`, the fraction of a token's experts that were chosen that many tokens
  /// before.
  package var reuse: [Double]
  /// S, where experts are chosen about in proportion to rank^-S; 0 where all are alike.
  package var skew: Double
  /// The fraction of a layer's experts that its router would have chosen from the state before the
  /// layer ahead of it answered; nil where no layer with experts follows another.
  package var lookAheadRecall: Double?
}
