package import FlashWeights

/// Whether the store opens.
package struct StoreCheck: DoctorCheck {
  package enum Outcome {
    case opened(formatVersion: Int, generator: String, byteCount: Int, isSynthetic: Bool)
    case refused(StoreError)
  }

  package var outcome: Outcome

  package init(outcome: Outcome) { self.outcome = outcome }

  package var finding: Finding {
    switch outcome {
    case .opened(let formatVersion, let generator, let byteCount, let isSynthetic):
      let kind = isSynthetic ? ", random weights" : ""
      return Finding(
        "store", .pass,
        "format \(formatVersion), \(Units.bytes(byteCount))\(kind), by \(generator); "
          + "`flashrun verify` reads every checksum")
    case .refused(let error):
      return Finding("store", .fail, "\(error)", fix: Self.fix(error))
    }
  }

  private static func fix(_ error: StoreError) -> String {
    switch error.kind {
    case .futureVersion: "a newer flashrun"
    case .foreignCalibration:
      "remove calibration.json and predictor.safetensors and calibrate again"
    default: "make the store again from its checkpoint: flashrun convert … --overwrite"
    }
  }
}

/// Whether a model that has silent neurons was calibrated.
package struct CalibrationCheck: DoctorCheck {
  package var isSparse: Bool
  /// The text of the certificate and its change of perplexity; nil without one.
  package var certificate: (textName: String, perplexityChange: Double)?

  package init(isSparse: Bool, certificate: (textName: String, perplexityChange: Double)?) {
    self.isSparse = isSparse
    self.certificate = certificate
  }

  package var finding: Finding {
    guard isSparse else {
      return Finding("calibration", .pass, "not needed: every neuron is computed")
    }
    guard let certificate else {
      return Finding(
        "calibration", .warn,
        "none: neurons lie in the checkpoint's order, and --sparsity predicted cannot be used",
        fix: "flashrun calibrate STORE -f TEXT")
    }
    return Finding(
      "calibration", .pass,
      "on \(certificate.textName); predicted changes perplexity by "
        + CertificateSummary.change(certificate.perplexityChange))
  }
}
