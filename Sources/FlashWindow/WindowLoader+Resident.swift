import FlashIO
import FlashWeights

/// What lies in DRAM at the moment, for whoever may let the answer depend on it.
extension WindowLoader {
  /// Calls `body` with each stride of a layer that is in a slot, ascending, and its address; what
  /// the window drops first stays as it is. Nothing may be loading.
  func forEachResident(layer: Int, _ body: (Int, UnsafeRawPointer) -> Void) {
    precondition(cache.loadingCount == 0, "what is being loaded is not resident")
    for stride in 0..<bundles[layer].strideCount {
      let slot = cache.layers[layer].slotOfStride[stride]
      guard slot >= 0 else { continue }
      let lead = reader.lead(of: fronts[layer][stride: stride])
      unsafe body(
        stride,
        UnsafeRawPointer(places.slots[layer] + Int(slot) * places.slotByteCount + lead))
    }
  }
}

extension WeightResidency {
  /// Calls `body` with each stride of a layer that is in DRAM whole or as a front, ascending, and
  /// its address. What it finds depends on what was read before.
  package func forEachResidentStride(
    ofLayer layer: Int, _ body: (Int, UnsafeRawPointer) -> Void
  ) {
    if let window { return unsafe window.forEachResident(layer: layer, body) }
    for piece in schedule.bundles[layer] where piece.segment == nil {
      for stride in piece.rows {
        let offset = (stride - piece.rows.lowerBound) * manifest.bundles[layer].stride
        unsafe body(stride, UnsafeRawPointer(arena.base + piece.offset + offset))
      }
    }
  }
}
