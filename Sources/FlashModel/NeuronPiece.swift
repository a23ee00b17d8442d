import FlashWeights

/// A run of whole strides of a layer in memory: as they lie on flash, or each part of all the
/// layer's neurons in a run of its own, so that a matrix is read from end to end (rows of 2.3 KB in
/// bundles of 6.9 KB are read at three quarters of that rate).
@safe struct NeuronPiece {
  let bundles: BundleLayout
  /// The first stride, or where parts lie apart the first neuron's row of the first part; the
  /// stride's first neuron is the piece's neuron 0.
  let base: UnsafeRawPointer
  let partsLieApart: Bool

  init(bundles: BundleLayout, base: UnsafeRawPointer, partsLieApart: Bool) {
    self.bundles = bundles
    unsafe self.base = unsafe base
    self.partsLieApart = partsLieApart
  }

  /// Writes the address of one part of each neuron of `active`.
  ///
  /// - Parameter first: the piece's neuron that `active` counts from.
  func fillAddresses(
    ofPart part: Int, of active: ActiveSet, from first: Int = 0,
    into addresses: UnsafeMutablePointer<UnsafeRawPointer>
  ) {
    let perStride = bundles.neuronsPerStride
    guard perStride > 1, !partsLieApart else {
      let start =
        unsafe base
        + (partsLieApart
          ? bundles.offsetApart(ofPart: part, neuron: first)
          : bundles.offset(ofPart: part, neuron: 0) + first * bundles.stride)
      let distance =
        partsLieApart
        ? bundles.rowByteCount(ofPart: part) : bundles.stride
      for place in 0..<active.count {
        unsafe addresses[place] = start + active[place] * distance
      }
      return
    }
    let row = bundles.offset(ofPart: part, neuron: 0)
    let distance = bundles.offset(ofPart: part, neuron: 1) - row
    for place in 0..<active.count {
      let neuron = first + active[place]
      unsafe addresses[place] =
        base + neuron / perStride * bundles.stride + row + neuron % perStride * distance
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
