/// Why a calibration cannot begin or ended early.
package enum CalibrationError: Error, Equatable, CustomStringConvertible {
  /// Tokens that make fewer chunks than are needed.
  case textTooShort(tokenCount: Int, chunkLength: Int, neededChunks: Int)
  /// A chunk too short to predict anything.
  case chunkTooShort(Int)
  /// The store has no predictors and no thresholds.
  case nothingToPrice(store: String)
  case cancelled

  package var description: String {
    switch self {
    case .textTooShort(let tokenCount, let chunkLength, let neededChunks):
      "the text has \(tokenCount) tokens; calibration needs at least \(neededChunks) "
        + "chunk\(neededChunks == 1 ? "" : "s") of \(chunkLength)"
    case .chunkTooShort(let length):
      "a chunk of \(length) tokens is too short: the least is 3"
    case .nothingToPrice(let store):
      "\(store) has no predictors or thresholds that could be priced; flashrun calibrate without "
        + "--price-only makes them"
    case .cancelled: "interrupted"
    }
  }
}
