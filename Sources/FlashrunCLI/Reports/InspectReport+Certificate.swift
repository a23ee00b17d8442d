internal import FlashWeights

/// What the certificate says, layer by layer and for the model.
extension InspectReport {
  /// Of predictors, or of thresholds.
  var calibrationTable: TextTable {
    layers.contains { $0.predictor?.threshold != nil } ? thresholdTable : predictorTable
  }

  private var thresholdTable: TextTable {
    let titles = ["layer", "threshold", "active", "kept", "new in 1", "in 4", "in 16"]
    let rows = layers.compactMap { layer -> [String]? in
      guard let predictor = layer.predictor else { return nil }
      let cells = [
        String(layer.layer), predictor.threshold.map { Units.threeDigits($0) } ?? "-",
      ]
      guard let measured = predictor.measured else {
        return cells + Array(repeating: "-", count: 5)
      }
      let shares =
        [measured.predictedActivity, measured.weightedRecall]
        + [1, 4, 16].map { measured.newFractionPerWindow[$0 - 1] }
      return cells + shares.map(CertificateSummary.percent)
    }
    return TextTable(
      rows: [titles] + rows, alignment: titles.map { _ in TextTable.Alignment.trailing })
  }

  private var predictorTable: TextTable {
    let titles = [
      "layer", "predictor", "rank", "bytes", "recall", "weighted", "precision", "predicted",
      "active", "new in 1", "in 4", "in 16",
    ]
    let rows = layers.compactMap { Self.predictorRow($0) }
    return TextTable(
      rows: [titles] + rows, alignment: titles.map { _ in TextTable.Alignment.trailing })
  }

  private static func predictorRow(_ layer: Layer) -> [String]? {
    guard let predictor = layer.predictor else { return nil }
    let formats = Set(predictor.formats).sorted().joined(separator: ", ")
    var cells = [String(layer.layer), predictor.kind + (formats.isEmpty ? "" : " " + formats)]
    cells += [String(predictor.rank), Units.bytes(predictor.bytes)]
    guard let measured = predictor.measured else {
      return cells + Array(repeating: "-", count: 8)
    }
    let shares = [
      measured.recall, measured.weightedRecall, measured.precision, measured.predictedActivity,
      measured.trueActivity,
    ]
    cells += shares.map(CertificateSummary.percent)
    for window in [1, 4, 16] {
      cells.append(CertificateSummary.percent(measured.newFractionPerWindow[window - 1]))
    }
    return cells
  }

  /// The model's price.
  static func price(_ certificate: Certificate) -> TextTable {
    let change = CertificateSummary.change(certificate.perplexityChange)
    let predicted = estimate(certificate.predictedPerplexity)
    let dense = estimate(certificate.densePerplexity)
    let mean = Units.fixed(certificate.meanKLDivergence, decimals: 4)
    let tail = Units.fixed(certificate.p99KLDivergence, decimals: 4)
    let agreement = CertificateSummary.percent(certificate.topTokenAgreement)
    let windows = [1, 4, 16].map { window in
      "\(Units.bytes(Int(certificate.newBytesPerToken[window - 1]))) in a window of \(window)"
    }
    let share = CertificateSummary.percent(certificate.predictorTimeShare)
    let mode = certificate.pricedMode
    var rows = [
      [
        "certificate",
        "priced on \(Units.grouped(certificate.pricingTokens)) tokens of \(certificate.textName), "
          + (certificate.trainingTokens > 0
            ? "trained on \(Units.grouped(certificate.trainingTokens)), seed \(certificate.seed)"
            : mode == .threshold ? "thresholds as they were" : "predictors of the model's makers"),
      ],
      ["perplexity", "\(predicted) \(mode.rawValue), \(dense) dense (\(change))"],
      ["divergence", "KL \(mean) mean, \(tail) in the 99th percentile; top-1 \(agreement)"],
      ["new bytes a token", windows.joined(separator: ", ")],
    ]
    if mode == .predicted {
      rows.append([
        "predictors",
        "\(Units.bytes(certificate.predictorByteCount)), \(share) of a token's time",
      ])
    }
    return TextTable(rows: rows, alignment: [.leading, .leading])
  }

  private static func estimate(_ value: Certificate.Estimate) -> String {
    let error = Units.fixed(value.standardError, decimals: 3)
    return "\(Units.fixed(value.value, decimals: 3)) +/- \(error)"
  }
}
