internal import FlashIO
internal import FlashKernels

/// Copies a layer's bundles into another file with the neurons in another order.
struct BundleReordering {
  /// Bytes of a layer that are held at a time: all of it for ordinary models, or an expert, so that
  /// it is read in order; neurons of a larger one are read one by one, announced to the kernel
  /// ahead.
  static let heldByteCount = 192 << 20
  /// Bytes that are written at a time.
  private static let sliceByteCount = 8 << 20

  let layout: BundleLayout
  /// For each new place the neuron's place in the source.
  let order: [Int]
  let heldByteCount: Int

  /// Writes the layer at its extent, which is the same in both files, and returns the hashes of
  /// its neurons in the new order, taken from what is written.
  func run(
    from source: borrowing File, to target: borrowing File, advance: (Int) -> Void
  ) throws(StoreError) -> RowHashes {
    var hashes = RowHashes(rowCount: layout.neuronCount)
    let held = Bytes(count: isHeld ? stridesPerExpert * layout.stride : 0)
    for expert in 0..<(layout.expertCount ?? 1) {
      let strides = expert * stridesPerExpert..<(expert + 1) * stridesPerExpert
      if isHeld {
        try unsafe source.read(
          into: held.buffer, at: layout.extent.offset + strides.lowerBound * layout.stride)
      }
      try run(strides, held: held, from: source, to: target, hashes: &hashes, advance: advance)
    }
    return hashes
  }

  /// Strides that neurons change places in: the layer's where there are no experts.
  private var stridesPerExpert: Int { layout.strideCount / (layout.expertCount ?? 1) }

  private var isHeld: Bool { stridesPerExpert * layout.stride <= heldByteCount }

  /// Writes the strides that neurons change places in: the layer's, or an expert's.
  private func run(
    _ all: Range<Int>, held: borrowing Bytes, from source: borrowing File,
    to target: borrowing File, hashes: inout RowHashes, advance: (Int) -> Void
  ) throws(StoreError) {
    let stridesPerSlice = max(1, min(Self.sliceByteCount, heldByteCount) / layout.stride)
    for first in Swift.stride(from: all.lowerBound, to: all.upperBound, by: stridesPerSlice) {
      let strides = first..<min(first + stridesPerSlice, all.upperBound)
      let slice = Bytes(count: strides.count * layout.stride)
      let neuronCount = layout.neuronCount(inStrides: strides)
      let firstNeuron = first * layout.neuronsPerStride
      if isHeld {
        let firstHeld = all.lowerBound * layout.neuronsPerStride
        for index in 0..<neuronCount {
          let neuron = order[firstNeuron + index] - firstHeld
          unsafe copy(neuron, of: held.start, to: slice.start, at: index)
        }
      } else {
        try read(firstNeuron..<firstNeuron + neuronCount, from: source, into: slice)
      }
      let written = unsafe RowHashes.hash(
        strides: UnsafeRawBufferPointer(slice.buffer), layout: layout, neuronCount: neuronCount)
      hashes.set(first: firstNeuron, hashes: written)
      try unsafe target.write(
        UnsafeRawBufferPointer(slice.buffer), at: layout.extent.offset + first * layout.stride)
      advance(strides.count * layout.stride)
    }
  }

  /// The two runs of bytes of a neuron: its front parts and its last part, from the first stride.
  private func runs(of neuron: Int) -> [(offset: Int, byteCount: Int)] {
    let start = neuron / layout.neuronsPerStride * layout.stride
    let inside = neuron % layout.neuronsPerStride
    return [
      (start + layout.offset(ofPart: 0, neuron: inside), layout.frontBytesPerNeuron),
      (
        start + layout.offset(ofPart: layout.parts.count - 1, neuron: inside),
        layout.lastPartByteCount
      ),
    ]
  }

  private func copy(
    _ neuron: Int, of source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, at place: Int
  ) {
    for (from, to) in zip(runs(of: neuron), runs(of: place)) {
      unsafe (target + to.offset).copyMemory(
        from: source + from.offset, byteCount: from.byteCount)
    }
  }

  private func read(
    _ places: Range<Int>, from source: borrowing File, into slice: borrowing Bytes
  ) throws(StoreError) {
    for place in places {
      for run in runs(of: order[place]) {
        source.willRead(layout.extent.offset + run.offset, byteCount: run.byteCount)
      }
    }
    for place in places {
      let targets = runs(of: place - places.lowerBound)
      for (from, to) in zip(runs(of: order[place]), targets) {
        try unsafe source.read(
          into: UnsafeMutableRawBufferPointer(
            rebasing: slice.buffer[to.offset..<to.offset + to.byteCount]),
          at: layout.extent.offset + from.offset)
      }
    }
  }
}
