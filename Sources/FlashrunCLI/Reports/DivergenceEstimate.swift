internal import Glibc

/// How far a model's distributions are from a base model's, with the statistics and words of
/// llama.cpp's `--kl-divergence`.
///
/// It keeps two numbers for each prediction, for the percentiles.
package struct DivergenceEstimate: Sendable {
  /// A mean, and one standard error of it.
  package struct Mean: Equatable, Sendable {
    package var value: Double
    package var error: Double

    /// As llama.cpp has it: no error for ten values or fewer.
    init(sum: Double, sumOfSquares: Double, count: Int) {
      guard count > 0 else {
        (value, error) = (0, 0)
        return
      }
      value = sum / Double(count)
      let variance = sumOfSquares / Double(count) - value * value
      error = variance > 0 && count > 10 ? (variance / Double(count - 1)).squareRoot() : 0
    }

    init(value: Double, error: Double) {
      self.value = value
      self.error = error
    }
  }

  package private(set) var count = 0
  /// Sums of x, x² and x·y over predictions; q is the model, base the base model.
  private var lossSum = (q: 0.0, base: 0.0)
  private var lossSquares = (q: 0.0, base: 0.0, product: 0.0)
  private var divergenceSum = (value: 0.0, square: 0.0)
  private var changeSum = (value: 0.0, square: 0.0, fourth: 0.0)
  private var sameTopCount = 0
  /// Of each prediction: the divergence in nats, and the change of the right token's probability.
  private var divergences: [Float] = []
  private var changes: [Float] = []

  package init(capacity: Int = 0) {
    divergences.reserveCapacity(capacity)
    changes.reserveCapacity(capacity)
  }

  /// Counts one prediction: the model's logits, the base model's row, and the token that came.
  package mutating func add(logits: Span<Float>, base: Span<UInt16>, target: Int) {
    let (largest, logSum) = LogProbabilityRow.logSumOfExponents(logits)
    let norm = largest + Float(logSum)
    let loss = norm - logits[target]
    let baseLoss = -LogProbabilityRow.logProbability(of: target, in: base)
    var divergence = 0.0
    var top = 0
    var baseTop = 0
    let (scale, least) = LogProbabilityRow.scale(of: base)
    for index in logits.indices {
      if logits[index] > logits[top] { top = index }
      if base[4 + index] > base[4 + baseTop] { baseTop = index }
      let logProbability = scale * Float(base[4 + index]) + least
      // What the base all but excludes adds nothing that its 16 bits could tell.
      if logProbability > -16 {
        divergence += Double(expf(logProbability) * (logProbability - logits[index] + norm))
      }
    }
    add(loss: Double(loss), base: Double(baseLoss))
    let change = expf(-loss) - expf(-baseLoss)
    let square = Double(change * change)
    changeSum.value += Double(change)
    changeSum.square += square
    changeSum.fourth += square * square
    divergenceSum.value += divergence
    divergenceSum.square += divergence * divergence
    divergences.append(Float(divergence))
    changes.append(change)
    if top == baseTop { sameTopCount += 1 }
    count += 1
  }

  private mutating func add(loss: Double, base: Double) {
    lossSum.q += loss
    lossSum.base += base
    lossSquares.q += loss * loss
    lossSquares.base += base * base
    lossSquares.product += loss * base
  }

  private var loss: Mean { Mean(sum: lossSum.q, sumOfSquares: lossSquares.q, count: count) }
  private var baseLoss: Mean {
    Mean(sum: lossSum.base, sumOfSquares: lossSquares.base, count: count)
  }

  /// Covariance of the two mean losses.
  private var covariance: Double {
    guard count >= 10 else { return 0 }
    let all = Double(count)
    return (lossSquares.product / all - lossSum.q / all * (lossSum.base / all)) / (all - 1)
  }

  package var perplexity: Mean { Self.exponential(loss) }
  package var basePerplexity: Mean { Self.exponential(baseLoss) }

  /// `ln(PPL(Q) / PPL(base))`.
  package var logRatio: Mean {
    let (q, base) = (loss, baseLoss)
    let variance = q.error * q.error + base.error * base.error - 2 * covariance
    return Mean(value: q.value - base.value, error: max(0, variance).squareRoot())
  }

  package var divergence: Mean {
    Mean(sum: divergenceSum.value, sumOfSquares: divergenceSum.square, count: count)
  }

  /// Mean change of the probability of the token that came.
  package var change: Mean {
    Mean(sum: changeSum.value, sumOfSquares: changeSum.square, count: count)
  }

  /// Root of the mean square of that change.
  package var changeRMS: Mean {
    let square = Mean(sum: changeSum.square, sumOfSquares: changeSum.fourth, count: count)
    let root = square.value.squareRoot()
    return Mean(value: root, error: root > 0 ? 0.5 / root * square.error : 0)
  }

  /// How often both models' likeliest token is the same.
  package var sameTop: Mean {
    let part = Double(sameTopCount) / Double(max(1, count))
    let variance = count > 1 ? part * (1 - part) / Double(count - 1) : 0
    return Mean(value: part, error: variance.squareRoot())
  }

  private static func exponential(_ mean: Mean) -> Mean {
    Mean(value: exp(mean.value), error: exp(mean.value) * mean.error)
  }
}

extension DivergenceEstimate {
  /// The heading of `row`.
  package static let heading =
    "chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence"
    + "              Δp RMS            Same top p"

  /// What is known after a chunk.
  package func row(chunk: Int) -> String {
    let (ratio, rms, top) = (logRatio, changeRMS, sameTop)
    return Units.padded("\(chunk)", to: 4)
      + "    " + Self.text(perplexity, 9, 9, decimals: 4)
      + "    " + Self.text(ratio, 10, 10, decimals: 5)
      + "    " + Self.text(divergence, 10, 10, decimals: 5)
      + "    " + Self.percent(rms, 6, 6) + "    " + Self.percent(top, 6, 6)
  }

  /// llama.cpp's tables; it wants a hundred predictions.
  package var tables: String {
    let (q, base, ratio) = (perplexity, basePerplexity, logRatio)
    let errors = loss.error * baseLoss.error
    let correlation = errors > 0 ? covariance / errors : 0
    let quotient = Self.exponential(ratio)
    let variance =
      q.error * q.error + base.error * base.error - 2 * q.value * base.value * covariance
    let difference = Mean(value: q.value - base.value, error: max(0, variance).squareRoot())
    let lines =
      [
        "====== Perplexity statistics ======",
        "Mean PPL(Q)                   : " + Self.text(q),
        "Mean PPL(base)                : " + Self.text(base),
        "Cor(ln(PPL(Q)), ln(PPL(base))): "
          + Units.padded(Units.fixed(100 * correlation, decimals: 2), to: 6) + "%",
        "Mean ln(PPL(Q)/PPL(base))     : " + Self.text(ratio),
        "Mean PPL(Q)/PPL(base)         : " + Self.text(quotient),
        "Mean PPL(Q)-PPL(base)         : " + Self.text(difference),
        "",
        "====== KL divergence statistics ======",
        "Mean    KLD: " + Self.text(divergence),
      ]
      + Self.percentiles(divergences, Self.divergenceRanks).map { name, value in
        "\(name) KLD: " + Units.padded(Units.fixed(value, decimals: 6), to: 10)
      } + [
        "",
        "====== Token probability statistics ======",
        "Mean    Δp: " + Self.percent(change, 6, 5),
      ]
      + Self.percentiles(changes, Self.changeRanks).map { name, value in
        "\(name) Δp: " + Units.padded(Units.fixed(100 * value, decimals: 3), to: 6) + "%"
      } + [
        "RMS Δp    : " + Self.percent(changeRMS, 6, 5),
        "Same top p: " + Self.percent(sameTop, 6, 5),
      ]
    return lines.joined(separator: "\n")
  }

  private static let divergenceRanks: [(String, Float)] = [
    ("Maximum", 1), ("99.9%  ", 0.999), ("99.0%  ", 0.99), ("95.0%  ", 0.95), ("90.0%  ", 0.9),
    ("Median ", 0.5), ("10.0%  ", 0.1), (" 5.0%  ", 0.05), (" 1.0%  ", 0.01), (" 0.1%  ", 0.001),
    ("Minimum", 0),
  ]
  private static let changeRanks: [(String, Float)] = [
    ("Maximum", 1), ("99.9%  ", 0.999), ("99.0%  ", 0.99), ("95.0%  ", 0.95), ("90.0%  ", 0.9),
    ("75.0%  ", 0.75), ("Median ", 0.5), ("25.0%  ", 0.25), ("10.0%  ", 0.1), (" 5.0%  ", 0.05),
    (" 1.0%  ", 0.01), (" 0.1%  ", 0.001), ("Minimum", 0),
  ]

  /// Values at ranks between 0 and 1, straight lines between neighbours.
  static func percentiles(
    _ values: [Float], _ ranks: [(String, Float)]
  ) -> [(name: String, value: Double)] {
    let sorted = values.sorted()
    return ranks.map { name, rank in
      guard !sorted.isEmpty else { return (name, 0) }
      let place = rank * Float(sorted.count - 1)
      let below = min(Int(place), sorted.count - 1)
      let part = place - Float(below)
      let above = min(below + 1, sorted.count - 1)
      return (name, Double((1 - part) * sorted[below] + part * sorted[above]))
    }
  }

  private static func text(
    _ mean: Mean, _ width: Int = 10, _ errorWidth: Int = 10, decimals: Int = 6
  ) -> String {
    Units.padded(Units.fixed(mean.value, decimals: decimals), to: width) + " ± "
      + Units.padded(Units.fixed(mean.error, decimals: decimals), to: errorWidth)
  }

  private static func percent(_ mean: Mean, _ width: Int, _ errorWidth: Int) -> String {
    text(
      Mean(value: 100 * mean.value, error: 100 * mean.error), width, errorWidth, decimals: 3)
      + " %"
  }
}
