import FlashWeights

extension StoreManifest {
  /// Whether a tensor is looked up by row, so that it need not be resident: embeddings, unless the
  /// output head shares them.
  func isLookedUp(_ tensor: StoredTensor) -> Bool {
    switch tensor.role {
    case .tokenEmbedding: !configuration.hasTiedHead
    case .positionEmbedding: true
    default: false
    }
  }
}
