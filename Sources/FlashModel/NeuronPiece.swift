import FlashWeights

/// A run of whole strides of a layer in memory: as they lie on flash, or each part of all the
/// layer's neurons in a run of its own, so that a matrix is read from end to end (rows of 2.3 KB in
/// bundles of 6.9 KB are read at three quarters of that rate).
@safe struct NeuronPiece {
  let bundles: BundleLayout
  /// The first stride, or where parts lie apart the first neuron's row of the first part.
  let base: UnsafeRawPointer
  let partsLieApart: Bool
  /// The layer's neuron that is the first stride's first.
  let firstNeuron: Int

  init(bundles: BundleLayout, base: UnsafeRawPointer, partsLieApart: Bool, firstNeuron: Int) {
    self.bundles = bundles
    unsafe self.base = unsafe base
    self.partsLieApart = partsLieApart
    self.firstNeuron = firstNeuron
  }

  /// Where the stride of a neuron begins.
  func strideAddress(of neuron: Int) -> UnsafeRawPointer {
    unsafe base + (neuron - firstNeuron) / bundles.neuronsPerStride * bundles.stride
  }

  /// Where a part of a neuron is whose parts lie apart.
  func addressApart(ofPart part: Int, of neuron: Int) -> UnsafeRawPointer {
    unsafe base + bundles.offsetApart(ofPart: part, neuron: 0)
      + (neuron - firstNeuron) * bundles.rowByteCount(ofPart: part)
  }

  /// Writes the address of one part of each neuron of `active`.
  func fillAddresses(
    ofPart part: Int, of active: ActiveSet, into addresses: UnsafeMutablePointer<UnsafeRawPointer>
  ) {
    let perStride = bundles.neuronsPerStride
    guard perStride > 1, !partsLieApart else {
      let start =
        unsafe base
        + (partsLieApart
          ? bundles.offsetApart(ofPart: part, neuron: 0)
          : bundles.offset(ofPart: part, neuron: 0))
      let distance =
        partsLieApart
        ? bundles.rowByteCount(ofPart: part) : bundles.stride
      for place in 0..<active.count {
        unsafe addresses[place] = start + (active[place] - firstNeuron) * distance
      }
      return
    }
    let row = bundles.offset(ofPart: part, neuron: 0)
    let distance = bundles.offset(ofPart: part, neuron: 1) - row
    for place in 0..<active.count {
      let neuron = active[place] - firstNeuron
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
