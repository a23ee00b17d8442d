import FlashWeights

/// A run of whole bundles that lie in memory as they lie on flash.
@safe struct NeuronPiece {
  let bundles: BundleLayout
  /// The first stride; its first neuron is the piece's neuron 0.
  let base: UnsafeRawPointer

  init(bundles: BundleLayout, base: UnsafeRawPointer) {
    self.bundles = bundles
    unsafe self.base = unsafe base
  }

  /// Writes the address of one part of each neuron of `active`, counted within the piece.
  func fillAddresses(
    ofPart part: Int, of active: ActiveSet, into addresses: UnsafeMutablePointer<UnsafeRawPointer>
  ) {
    let perStride = bundles.neuronsPerStride
    guard perStride > 1 else {
      let start = unsafe base + bundles.offset(ofPart: part, neuron: 0)
      for place in 0..<active.count {
        unsafe addresses[place] = start + active[place] * bundles.stride
      }
      return
    }
    for place in 0..<active.count {
      let neuron = active[place]
      unsafe addresses[place] =
        base + neuron / perStride * bundles.stride
        + bundles.offset(ofPart: part, neuron: neuron % perStride)
    }
  }
}

extension BundleLayout {
  /// The index of a role among the parts.
  ///
  /// - Precondition: the bundle has the part.
  func part(_ role: TensorRole) -> Int {
    guard let index = parts.firstIndex(where: { $0.role == role }) else {
      preconditionFailure("a bundle has a part \(role)")
    }
    return index
  }
}
