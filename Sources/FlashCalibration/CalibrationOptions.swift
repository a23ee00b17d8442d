package import FlashModel

/// How a model is calibrated.
package struct CalibrationOptions: Sendable {
  /// How the decoder runs; the limit holds for training too. Mode and context length are chosen.
  package var decoder = DecoderOptions()
  /// Of the contributions of firing neurons, the part that must be predicted; of a model without
  /// silent neurons, of those of all, the part that must pass the thresholds. Nil: 0.99 of firing
  /// ones, and of a model without silent neurons as `activity` says.
  package var targetRecall: Double?
  /// Of a model without silent neurons, the part of a token's that pass the thresholds, over all
  /// layers.
  package var activity = 0.5
  /// Of the model's bytes, the most that predictors may take.
  package var budgetFraction = 0.05
  package var seed: UInt64 = 1
  /// Program and version.
  package var generator = ""

  package init() {}
}

/// What a calibration is at.
package enum CalibrationStage: String, CaseIterable, Sendable {
  /// Tokens through the dense model, of which thresholds are made.
  case thresholds
  /// Tokens through the dense model.
  case sample
  /// Layers whose predictors are made.
  case predictors
  /// Layers whose neurons are put in order.
  case order
  /// Bytes of the new store.
  case store
  /// Tokens through the model, dense and then in the mode that is priced.
  case price
}
