/// Why a calibration cannot begin or ended early.
package enum CalibrationError: Error, Equatable, CustomStringConvertible {
  /// No neuron of the model is ever silent.
  case nothingIsSilent(architecture: String, activation: String)
  /// No neuron of the model's experts is ever silent.
  case hasExperts(architecture: String, activation: String)
  /// Tokens that make fewer chunks than are needed.
  case textTooShort(tokenCount: Int, chunkLength: Int, neededChunks: Int)
  /// A chunk too short to predict anything.
  case chunkTooShort(Int)
  /// The store has no predictors.
  case nothingToPrice(store: String)
  case cancelled

  package var description: String {
    switch self {
    case .nothingIsSilent(let architecture, let activation):
      "\(architecture) computes \(activation), of which no neuron is ever silent, so there is "
        + "nothing to predict: run it with --sparsity dense or auto, which are lossless; "
        + "--sparsity threshold, for such models, is planned"
    case .hasExperts(let architecture, let activation):
      "\(architecture) chooses experts by its router, exactly, and computes \(activation) in them, "
        + "of which no neuron is ever silent, so there is nothing to predict: run it with "
        + "--sparsity dense or auto"
    case .textTooShort(let tokenCount, let chunkLength, let neededChunks):
      "the text has \(tokenCount) tokens; calibration needs at least \(neededChunks) "
        + "chunk\(neededChunks == 1 ? "" : "s") of \(chunkLength)"
    case .chunkTooShort(let length):
      "a chunk of \(length) tokens is too short: the least is 3"
    case .nothingToPrice(let store):
      "\(store) has no predictors that could be priced; flashrun calibrate without --price-only "
        + "makes them"
    case .cancelled: "interrupted"
    }
  }
}
