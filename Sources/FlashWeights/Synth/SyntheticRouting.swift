internal import Glibc

/// Which experts of a synthetic model are popular. An expert's logit is a normal variable of
/// variance 1 and a bias; the biases are such that the expert of rank r is chosen about in
/// proportion to r^-skew, as far as an expert can be: by 98 of 100 tokens at most.
package struct SyntheticRouting: Sendable {
  /// The mean over tokens of the sum of their experts' squared weights.
  private(set) var weightSquares: Float = 1
  /// By rank, the most popular first.
  private var biasOfRank: [Float]
  private let seed: RandomBits

  /// Nil for a model without experts. Cost: without skew that of choosing for 200 tokens, otherwise
  /// for 16,000.
  init?(_ configuration: ModelConfiguration, skew: Double, seed: RandomBits) {
    let counts = configuration.layers.compactMap(\.expertCount)
    guard let routing = configuration.routing, let count = counts.max() else { return nil }
    self.seed = seed
    biasOfRank = Array(repeating: 0, count: count)
    var bits = seed.part("logits")
    let tokens = (0..<(skew > 0 ? 2000 : 200)).map { _ in (0..<count).map { _ in bits.normal() } }
    if skew > 0 {
      let wanted = Self.shares(count, routing.activeCount, skew: skew)
      func logit(_ share: Double) -> Float {
        Float(-StateDrift.quantile(of: min(max(share, 1e-4), 0.9995)))
      }
      biasOfRank = wanted.map(logit)
      // Choosing the best is not quite passing a threshold.
      for _ in 0..<7 {
        var found = [Int](repeating: 0, count: count)
        for token in tokens {
          for expert in chosen(token, routing.activeCount) { found[expert] += 1 }
        }
        for rank in 0..<count {
          let share = Double(found[rank]) / Double(tokens.count)
          biasOfRank[rank] += 0.7 * (logit(wanted[rank]) - logit(share))
        }
      }
    }
    weightSquares = tokens.reduce(0) { $0 + squares($1, routing) } / Float(tokens.count)
  }

  /// The part of tokens that choose the expert of each rank, `activeCount` of `count` each.
  package static func shares(_ count: Int, _ activeCount: Int, skew: Double) -> [Double] {
    let weights = (1...count).map { pow(Double($0), -skew) }
    var factor = Double(activeCount) / weights.reduce(0, +)
    // What the most popular cannot take falls to the others.
    for _ in 0..<60 {
      let sum = weights.reduce(0) { $0 + min(0.98, factor * $1) }
      factor *= Double(activeCount) / sum
    }
    return weights.map { min(0.98, factor * $0) }
  }

  /// The experts of the largest logits, by rank.
  private func chosen(_ token: [Float], _ activeCount: Int) -> [Int] {
    let logits = zip(token, biasOfRank).map(+)
    var best: [Int] = []
    for expert in logits.indices {
      guard best.count < activeCount || logits[expert] > logits[best[best.count - 1]] else {
        continue
      }
      if best.count == activeCount { best.removeLast() }
      let place = best.firstIndex { logits[expert] > logits[$0] } ?? best.count
      best.insert(expert, at: place)
    }
    return best
  }

  /// The sum of the squared weights of a token's experts.
  private func squares(_ token: [Float], _ routing: ExpertRouting) -> Float {
    func score(_ expert: Int) -> Float {
      let logit = token[expert] + biasOfRank[expert]
      return routing.scoring == .softmax ? exp(logit) : 1 / (1 + exp(-logit))
    }
    let scores = chosen(token, routing.activeCount).map(score)
    let total: Float =
      if routing.isNormalized {
        scores.reduce(0, +)
      } else if routing.scoring == .softmax {
        token.indices.reduce(0) { $0 + score($1) }
      } else {
        1
      }
    return scores.reduce(0) { $0 + $1 * $1 } / (total * total)
  }

  /// The biases of a layer's router, by expert.
  func biases(layer: Int) -> [Float] {
    var bits = seed.part("ranks").part(layer)
    return biasOfRank.shuffled(using: &bits)
  }
}
