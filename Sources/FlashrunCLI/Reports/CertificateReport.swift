package import FlashCalibration
internal import FlashKernels
internal import FlashWeights

/// A calibration's table: each layer's predictor and what it finds, or its threshold and what that
/// leaves, and what the mode costs.
package struct CertificateReport {
  private let outcome: Calibrator.Outcome
  private var certificate: Certificate { outcome.certificate }

  package init(_ outcome: Calibrator.Outcome) { self.outcome = outcome }

  package var text: String {
    certificate.pricedMode == .threshold
      ? ([thresholdTable] + thresholdSummary).joined(separator: "\n")
      : ([predictorTable] + predictorSummary).joined(separator: "\n")
  }

  private var thresholdTable: String {
    var rows = [["layer", "threshold", "active", "kept", "new/5", "order"]]
    for (index, layer) in certificate.layers.enumerated() {
      let made = outcome.layers[index]
      rows.append(
        [
          "\(index)", made.threshold.map { Units.threeDigits(Double($0)) } ?? "-",
          percent(layer.predictedActivity, 2), percent(layer.weightedRecall, 2),
          percent(layer.newFractionPerWindow[4] * layer.predictedActivity, 2), order(made.order),
        ])
    }
    return TextTable(
      rows: rows, alignment: Array(repeating: .trailing, count: 5) + [.leading]
    ).text
  }

  private var thresholdSummary: [String] {
    [
      "computed \(percent(certificate.predictedActivity, 2)) of the neurons, whose part of what "
        + "all contribute is \(percent(certificate.weightedRecall, 2))"
    ] + quality + [
      (certificate.trainingTokens > 0
        ? "thresholds of \(certificate.trainingTokens) tokens, " : "")
        + "priced on \(certificate.pricingTokens): \(certificate.textName)"
    ]
  }

  private var predictorTable: String {
    var rows = [
      [
        "layer", "predictor", "recall", "weighted", "precision", "predicted", "true", "times",
        "new/5", "true new/5", "order",
      ]
    ]
    for (index, layer) in certificate.layers.enumerated() {
      let made = outcome.layers[index]
      rows.append(
        [
          "\(index)", name(made), percent(layer.recall, 2), percent(layer.weightedRecall, 2),
          percent(layer.precision, 1), percent(layer.predictedActivity, 2),
          percent(layer.trueActivity, 2), times(layer.predictedActivity, layer.trueActivity),
          percent(layer.newFractionPerWindow[4] * layer.predictedActivity, 2),
          percent(made.trueNewFractionPerWindow[4] * layer.trueActivity, 2),
          order(made.order),
        ])
    }
    return TextTable(
      rows: rows,
      alignment: [.trailing, .leading] + Array(repeating: .trailing, count: 8) + [.leading]
    ).text
  }

  /// What every lossy mode is priced by.
  private var quality: [String] {
    let dense = certificate.densePerplexity
    let predicted = certificate.predictedPerplexity
    let bytes = certificate.newBytesPerToken
    return [
      "perplexity dense \(estimate(dense)), \(certificate.pricedMode.rawValue) "
        + "\(estimate(predicted)) (\(signed(certificate.perplexityChange)))",
      "KL divergence mean \(Units.fixed(certificate.meanKLDivergence, decimals: 5)), 99 % under "
        + "\(Units.fixed(certificate.p99KLDivergence, decimals: 5)); the likeliest token agrees at "
        + "\(percent(certificate.topTokenAgreement, 2)) of the positions",
      "new bytes per token for windows 1, 2, 4, 8, 16: "
        + [0, 1, 3, 7, 15].map { Units.bytes(Int(bytes[$0])) }.joined(separator: ", "),
    ]
  }

  private var predictorSummary: [String] {
    let share = Double(certificate.predictorByteCount) / Double(max(1, outcome.modelByteCount))
    return [
      "recall \(percent(certificate.recall, 2)), weighted by contribution "
        + "\(percent(certificate.weightedRecall, 2)); predicted "
        + "\(percent(certificate.predictedActivity, 2)) of the neurons, of which "
        + "\(percent(certificate.trueActivity, 2)) fire "
        + "(\(times(certificate.predictedActivity, certificate.trueActivity)) times)"
    ] + quality + [
      "predictors \(Units.bytes(certificate.predictorByteCount)), \(percent(share, 2)) of the "
        + "model, \(percent(certificate.predictorTimeShare, 1)) of a token's time",
      (certificate.trainingTokens > 0
        ? "trained on \(certificate.trainingTokens) tokens" : "predictors of the model's makers")
        + ", priced on \(certificate.pricingTokens): "
        + certificate.textName,
    ]
  }

  private func name(_ layer: Calibrator.LayerOutcome) -> String {
    guard let format = layer.format else { return "all neurons" }
    let kind = layer.kind == .perceptron ? "perceptron" : "low-rank gate"
    return "\(kind) \(layer.rank) \(format.rawValue)"
  }

  private func order(_ kind: NeuronOrderKind) -> String {
    switch kind {
    case .unchanged: "as it was"
    case .heat: "by heat"
    case .coactivation: "by heat, friends together"
    }
  }

  private func percent(_ value: Double, _ decimals: Int) -> String {
    Units.fixed(100 * value, decimals: decimals) + "%"
  }

  private func times(_ predicted: Double, _ true: Double) -> String {
    `true` > 0 ? Units.fixed(predicted / `true`, decimals: 2) : "-"
  }

  private func estimate(_ value: Certificate.Estimate) -> String {
    "\(Units.fixed(value.value, decimals: 4)) +/- \(Units.fixed(value.standardError, decimals: 4))"
  }

  private func signed(_ value: Double) -> String {
    (value < 0 ? "" : "+") + Units.fixed(100 * value, decimals: 3) + "%"
  }
}
