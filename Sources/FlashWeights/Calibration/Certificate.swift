/// What `--sparsity predicted`, or `threshold`, costs and saves, measured on text that training did
/// not see.
///
/// All fractions are 0...1; divergences are in nats; "predicted" is the mode as it decodes, at
/// every position, and in `threshold` what passes the thresholds.
package struct Certificate: Codable, Equatable, Sendable {
  /// What is priced: named as `--sparsity` names it.
  package enum Mode: String, Codable, Sendable { case predicted, threshold }

  /// A mean and its standard error.
  package struct Estimate: Codable, Equatable, Sendable {
    package var value: Double
    package var standardError: Double

    package init(value: Double, standardError: Double) {
      self.value = value
      self.standardError = standardError
    }
  }

  /// One layer's predictor over the pricing text, each with the state that the dense model gives
  /// it.
  package struct Layer: Codable, Equatable, Sendable {
    /// Of the (token, neuron) pairs that fire, the part that was predicted.
    package var recall: Double
    /// Of the pairs that were predicted, the part that fires.
    package var precision: Double
    /// Of the contribution of all firing pairs (|output| times the norm of the down column), the
    /// part of those that were not predicted; in `threshold`, where all pairs that fire are
    /// computed, of that of all pairs.
    package var weightedFalseNegatives: Double
    /// Neurons predicted for a token, of all, or of its experts'; mean over tokens.
    package var predictedActivity: Double
    /// Neurons that fire for a token, of all, or of its experts'; mean over tokens.
    package var trueActivity: Double
    /// For windows 1...16: of the neurons predicted for a token, the part that none of that many
    /// tokens before it predicted.
    package var newFractionPerWindow: [Double]

    package init(
      recall: Double, precision: Double, weightedFalseNegatives: Double,
      predictedActivity: Double, trueActivity: Double, newFractionPerWindow: [Double]
    ) {
      self.recall = recall
      self.precision = precision
      self.weightedFalseNegatives = weightedFalseNegatives
      self.predictedActivity = predictedActivity
      self.trueActivity = trueActivity
      self.newFractionPerWindow = newFractionPerWindow
    }

    /// Recall with each firing pair weighing its contribution.
    package var weightedRecall: Double { 1 - weightedFalseNegatives }
  }

  /// Windows for which new bytes and new fractions are given: 1, 2, … 16 tokens.
  package static let windowCount = 16

  /// Nil: `predicted`.
  package var mode: Mode?
  /// One per layer.
  package var layers: [Layer]
  package var densePerplexity: Estimate
  package var predictedPerplexity: Estimate
  /// Kullback-Leibler divergence of the predicted from the dense distribution, over positions.
  package var meanKLDivergence: Double
  package var p99KLDivergence: Double
  /// Positions at which both name the same likeliest token.
  package var topTokenAgreement: Double
  /// For windows 1...16: bytes of bundles predicted for a token that none of that many tokens
  /// before it predicted; mean over tokens.
  package var newBytesPerToken: [Double]
  /// The same as a part of the bytes predicted for a token.
  package var newFractionPerWindow: [Double]
  /// Bytes of the predictors in memory.
  package var predictorByteCount: Int
  /// Part of a token's time, all weights resident, that predictors take.
  package var predictorTimeShare: Double
  /// Tokens that predictors and thresholds were made from, and tokens that were priced.
  package var trainingTokens: Int
  package var pricingTokens: Int
  package var seed: UInt64
  /// SHA-256 of the token IDs (32-bit, little-endian), hexadecimal.
  package var trainingTextDigest: String
  package var pricingTextDigest: String
  /// Where the text came from: a file's name without its path, or "self-generated".
  package var textName: String

  package init(
    layers: [Layer], densePerplexity: Estimate, predictedPerplexity: Estimate,
    meanKLDivergence: Double, p99KLDivergence: Double, topTokenAgreement: Double,
    newBytesPerToken: [Double], newFractionPerWindow: [Double], predictorByteCount: Int,
    predictorTimeShare: Double, trainingTokens: Int, pricingTokens: Int, seed: UInt64,
    trainingTextDigest: String, pricingTextDigest: String, textName: String
  ) {
    self.layers = layers
    self.densePerplexity = densePerplexity
    self.predictedPerplexity = predictedPerplexity
    self.meanKLDivergence = meanKLDivergence
    self.p99KLDivergence = p99KLDivergence
    self.topTokenAgreement = topTokenAgreement
    self.newBytesPerToken = newBytesPerToken
    self.newFractionPerWindow = newFractionPerWindow
    self.predictorByteCount = predictorByteCount
    self.predictorTimeShare = predictorTimeShare
    self.trainingTokens = trainingTokens
    self.pricingTokens = pricingTokens
    self.seed = seed
    self.trainingTextDigest = trainingTextDigest
    self.pricingTextDigest = pricingTextDigest
    self.textName = textName
  }

  package var pricedMode: Mode { mode ?? .predicted }

  /// Predicted over dense perplexity less one: +0.006 is 0.6 % worse.
  package var perplexityChange: Double {
    predictedPerplexity.value / densePerplexity.value - 1
  }

  /// Means over layers, each weighing the same.
  package var recall: Double { mean(\.recall) }
  package var weightedRecall: Double { mean(\.weightedRecall) }
  package var predictedActivity: Double { mean(\.predictedActivity) }
  package var trueActivity: Double { mean(\.trueActivity) }

  private func mean(_ value: (Layer) -> Double) -> Double {
    layers.reduce(0) { $0 + value($1) } / Double(max(1, layers.count))
  }
}
