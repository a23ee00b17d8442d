internal import FlashWeights

/// A certificate in one line, and as the footer's JSON has it.
package struct CertificateSummary: Encodable, Equatable, Sendable {
  /// What is priced.
  package var mode: String
  /// Of the firing neurons, the part that is predicted; the second weighs each by what it adds, and
  /// in `threshold` is of all neurons.
  package var recall: Double
  package var weightedRecall: Double
  /// Of a token's neurons, the part that is computed.
  package var activity: Double
  /// Its perplexity over that of dense less one.
  package var perplexityChange: Double
  package var meanKlDivergence: Double
  package var topTokenAgreement: Double
  package var pricedTokens: Int

  init(_ certificate: Certificate) {
    mode = certificate.pricedMode.rawValue
    activity = certificate.predictedActivity
    recall = certificate.recall
    weightedRecall = certificate.weightedRecall
    perplexityChange = certificate.perplexityChange
    meanKlDivergence = certificate.meanKLDivergence
    topTokenAgreement = certificate.topTokenAgreement
    pricedTokens = certificate.pricingTokens
  }

  /// `certificate  recall 99.1% · perplexity +0.6% · KL 0.004 · top-1 97.9% · priced on 8,192
  /// tokens`; of thresholds it begins with `active 40.0%, keeping 93.1%`.
  package var line: String {
    let kept = Self.percent(weightedRecall)
    return [
      "certificate  "
        + (mode == Certificate.Mode.threshold.rawValue
          ? "active \(Self.percent(activity)), keeping \(kept)"
          : "recall \(Self.percent(recall))"),
      "perplexity \(Self.change(perplexityChange))",
      "KL \(Units.fixed(meanKlDivergence, decimals: 3))",
      "top-1 \(Self.percent(topTokenAgreement))",
      "priced on \(Units.grouped(pricedTokens)) tokens",
    ].joined(separator: " · ")
  }

  static func percent(_ value: Double) -> String { Units.fixed(value * 100, decimals: 1) + "%" }

  /// With its sign: `+0.6%`.
  static func change(_ value: Double) -> String {
    let text = percent(value)
    return text.hasPrefix("-") ? text : "+" + text
  }
}

extension Units {
  /// Digits in groups of three: `8,192`.
  package static func grouped(_ value: Int) -> String {
    var text = ""
    for (index, digit) in String(value.magnitude).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text = "," + text }
      text = String(digit) + text
    }
    return (value < 0 ? "-" : "") + text
  }
}
