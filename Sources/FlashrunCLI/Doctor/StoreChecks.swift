package import FlashWeights

/// Whether the store opens.
package struct StoreCheck: DoctorCheck {
  package enum Outcome {
    case opened(formatVersion: Int, generator: String, byteCount: Int, isSynthetic: Bool)
    case refused(StoreError)
  }

  package var outcome: Outcome
  package var path: String

  package init(outcome: Outcome, path: String) {
    self.outcome = outcome
    self.path = path
  }

  package var finding: Finding {
    switch outcome {
    case .opened(let formatVersion, let generator, let byteCount, let isSynthetic):
      let kind = isSynthetic ? ", random weights" : ""
      return Finding(
        "store", .pass,
        "format \(formatVersion), \(Units.bytes(byteCount))\(kind), by \(generator); "
          + "`flashrun verify` reads every checksum")
    case .refused(let error):
      return Finding("store", .fail, "\(error)", fix: fix(error))
    }
  }

  private func fix(_ error: StoreError) -> String {
    let store = path.shellWord
    return switch error.kind {
    case .futureVersion: "a newer flashrun"
    case .foreignCalibration:
      "rm \(store)/calibration.json \(store)/predictor.safetensors, and calibrate again"
    default: "make the store again: flashrun convert CHECKPOINT \(store) --overwrite"
    }
  }
}

/// Whether a model that has silent neurons was calibrated, and at what price a lossy mode runs.
package struct CalibrationCheck: DoctorCheck {
  package var isSparse: Bool
  /// The text of the certificate and its change of perplexity; nil without one.
  package var certificate: (textName: String, perplexityChange: Double)?
  /// Whether there are predictors or thresholds, priced or not.
  package var hasPredictors: Bool
  /// What is priced.
  package var mode = Certificate.Mode.predicted
  package var path: String

  package init(
    isSparse: Bool, certificate: (textName: String, perplexityChange: Double)?,
    hasPredictors: Bool = false, path: String
  ) {
    self.isSparse = isSparse
    self.hasPredictors = hasPredictors
    self.certificate = certificate
    self.path = path
  }

  package var finding: Finding {
    guard isSparse || hasPredictors else {
      return Finding("calibration", .pass, "not needed: every neuron is computed")
    }
    guard let certificate else {
      if hasPredictors {
        return Finding(
          "calibration", .warn,
          "no price: --sparsity \(mode.rawValue) cannot be used",
          fix: "flashrun calibrate \(path.shellWord) --price-only -f TEXT, or --self-text 2048")
      }
      return Finding(
        "calibration", .warn,
        "none: neurons lie in the checkpoint's order, and --sparsity predicted cannot be used",
        fix: "flashrun calibrate \(path.shellWord) -f TEXT, or --self-text 2048 without a text")
    }
    return Finding(
      "calibration", .pass,
      "on \(certificate.textName); \(mode.rawValue) changes perplexity by "
        + CertificateSummary.change(certificate.perplexityChange))
  }
}
