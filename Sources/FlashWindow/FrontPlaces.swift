import FlashIO
import FlashWeights

/// Where the front of a stride lies on flash and in its slot: side by side, as bundles have it, or
/// for a comparison each part in a file of its own.
struct FrontPlaces {
  /// Fronts of a layer, one after another at equal distances; the same in every file.
  struct Layer {
    var offset: Int
    var distance: Int
    var byteCount: Int

    /// What a miss reads from each of the files.
    subscript(stride index: Int) -> FileExtent {
      FileExtent(offset: offset + index * distance, byteCount: byteCount)
    }
  }

  let layers: [Layer]
  private let bundles: [BundleLayout]
  private let parts: SeparateParts?
  /// Bytes from one separate part to the next in a slot.
  private let partByteCount: Int
  private let isWhole: Bool

  /// - Parameters:
  ///   - isWhole: whether the deciding part belongs to it, as where neurons are predicted; it then
  ///     is one of `parts` too.
  ///   - unit: the largest direct-I/O unit of the files.
  init(bundles: [BundleLayout], parts: SeparateParts?, isWhole: Bool, unit: Int) {
    self.isWhole = isWhole
    self.bundles = bundles
    self.parts = parts
    partByteCount = parts?.partByteCount(unit: max(512, unit)) ?? 0
    layers = bundles.enumerated().map { layer, bundle in
      if let parts {
        let first = parts.extent(layer: layer, stride: 0)
        return Layer(
          offset: first.offset, distance: first.byteCount, byteCount: first.byteCount)
      }
      return Layer(
        offset: bundle.extent.offset, distance: bundle.stride,
        byteCount: bundle.windowByteCount(of: .neurons, isWhole: isWhole))
    }
  }

  /// The files that fronts are read from, as the read engine counts them.
  var fileIndices: Range<Int> {
    guard let parts else { return WeightSchedule.FileIndex.bundles..<2 }
    let first = WeightSchedule.FileIndex.firstPart(usesPredictors: isWhole)
    return first..<first + parts.paths.count
  }

  /// Where in a slot the bytes of a file lie, counted from `fileIndices`' first.
  func slotOffset(ofFile file: Int) -> Int { file * partByteCount }

  /// Where a part of a neuron lies from its front's first byte.
  func offset(ofPart part: Int, neuron: Int, layer: Int) -> Int {
    guard let parts else { return bundles[layer].offset(ofPart: part, neuron: neuron) }
    return slotOffset(ofFile: part) + neuron * parts.neuronByteCount(layer: layer)
  }
}
