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

  /// The part of what a plan's window keeps or drops that it has room for; 1 without a window.
  package func windowRoom(_ plan: MemoryPlan) -> Double {
    guard case .windowed(let slots, _) = plan.feedForward else { return 1 }
    let all = bundles.reduce(0) { $0 + $1.windowUnitCount(plan.windowUnit) }
    return Double(slots.reduce(0, +)) / Double(max(1, all))
  }
}

extension BundleLayout {
  /// Bytes that a window keeps or drops as one: from a stride's start its front, or all its parts;
  /// or all strides of an expert.
  func windowByteCount(of unit: MemoryPlan.WindowUnit, isWhole: Bool) -> Int {
    if unit == .experts, expertCount != nil { return extent(ofExpert: 0).byteCount }
    return isWhole ? frontByteCount + neuronsPerStride * lastPartByteCount : frontByteCount
  }

  /// How many there are of what a window keeps or drops as one.
  package func windowUnitCount(_ unit: MemoryPlan.WindowUnit) -> Int {
    unit == .experts ? expertCount ?? strideCount : strideCount
  }
}
