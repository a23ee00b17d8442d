package import FlashModel

/// How a model is calibrated.
package struct CalibrationOptions: Sendable {
  /// How the decoder runs; the limit holds for training too. Mode and context length are chosen.
  package var decoder = DecoderOptions()
  /// Of the contributions of firing neurons, the part that must be predicted.
  package var targetRecall = 0.99
  /// Of the model's bytes, the most that predictors may take.
  package var budgetFraction = 0.05
  package var seed: UInt64 = 1
  /// Program and version.
  package var generator = ""

  package init() {}
}

/// What a calibration is at.
package enum CalibrationStage: String, CaseIterable, Sendable {
  /// Tokens through the dense model.
  case sample
  /// Layers whose predictors are made.
  case predictors
  /// Bytes of the new store.
  case store
  /// Tokens through the model, dense and then predicted.
  case price
}
