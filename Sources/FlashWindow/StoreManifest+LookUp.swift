import FlashIO
package import FlashWeights

/// Which tensors are looked up by row instead of being used whole.
extension StoreManifest {
  /// Whether a tensor is only looked up by row, so that it need not be resident: embeddings, unless
  /// the output head shares them.
  func isLookedUp(_ tensor: StoredTensor) -> Bool {
    switch tensor.role {
    case .tokenEmbedding: !configuration.hasTiedHead
    case .positionEmbedding: true
    default: false
    }
  }

  /// Whether rows of a tensor are looked up, and so need row buffers where it is not resident: a
  /// token embedding that is the output head too passes through the ring as a whole besides.
  func hasLookedUpRows(_ tensor: StoredTensor) -> Bool {
    tensor.role == .tokenEmbedding || tensor.role == .positionEmbedding
  }
}

extension StoreManifest {
  /// Whether neurons belong to experts.
  var hasExperts: Bool { configuration.routing != nil }
}

extension BundleLayout {
  /// Bytes from a stride's start that a window keeps: its front, or all its parts; all strides of
  /// an expert where there are experts.
  func windowByteCount(isWhole: Bool) -> Int {
    if expertCount != nil { return extent(ofExpert: 0).byteCount }
    return isWhole ? frontByteCount + neuronsPerStride * lastPartByteCount : frontByteCount
  }

  /// What a window keeps or drops as one: strides, or experts.
  package var windowUnitCount: Int { expertCount ?? strideCount }
}
