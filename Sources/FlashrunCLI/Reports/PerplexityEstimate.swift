internal import Glibc

/// Perplexity and its uncertainty from the negative log-likelihoods of predictions, as llama.cpp's
/// `perplexity` prints them.
package struct PerplexityEstimate: Sendable {
  package private(set) var count = 0
  private var sum = 0.0
  private var sumOfSquares = 0.0

  package init() {}

  /// Counts one prediction by its negative log-likelihood in nats.
  package mutating func add(_ negativeLogLikelihood: Double) {
    count += 1
    sum += negativeLogLikelihood
    sumOfSquares += negativeLogLikelihood * negativeLogLikelihood
  }

  /// Mean negative log-likelihood in nats; 0 before the first prediction.
  package var mean: Double { count > 0 ? sum / Double(count) : 0 }

  package var perplexity: Double { exp(mean) }

  /// One standard error of the perplexity, by propagation from the mean's; nil under two
  /// predictions.
  package var uncertainty: Double? {
    guard count > 1 else { return nil }
    let variance = sumOfSquares / Double(count) - mean * mean
    return (max(0, variance) / Double(count - 1)).squareRoot() * perplexity
  }

  /// `Final estimate: PPL = 45.9774 +/- 1.18432`; one prediction has no error to tell.
  package var line: String {
    let value = Units.fixed(perplexity, decimals: 4)
    let error = uncertainty.map { " +/- " + Units.fixed($0, decimals: 5) } ?? ""
    return "Final estimate: PPL = \(value)\(error)"
  }

  /// `-log softmax(logits)[target]` in nats; summed in Double after the largest logit is taken off.
  package static func negativeLogLikelihood(of target: Int32, logits: Span<Float>) -> Double {
    var largest = -Float.infinity
    for index in logits.indices { largest = max(largest, logits[index]) }
    var sum = 0.0
    for index in logits.indices { sum += exp(Double(logits[index] - largest)) }
    return log(sum) - Double(logits[Int(target)] - largest)
  }
}
