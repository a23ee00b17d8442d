import FlashIO
import FlashWeights

/// A run of rows of a tensor, or of strides of a layer's bundles, that is used at once.
struct WeightPiece {
  /// Rows or strides.
  var rows: Range<Int>
  /// Index of the ring's segment, nil where the piece is resident.
  var segment: Int?
  /// Bytes from the arena's start (resident) or from the buffer's start (streamed) to the first
  /// row.
  var offset: Int
}

/// How every tensor and every layer's bundles are cut into pieces, and in which order the pieces
/// that are not resident pass through the ring.
struct WeightSchedule {
  /// One list for each tensor of the manifest.
  private(set) var tensors: [[WeightPiece]]
  /// One list for each layer.
  private(set) var bundles: [[WeightPiece]]
  private(set) var segments: [StreamRing.Segment] = []
  /// Segments before the output head's.
  private(set) var bodyCount = 0

  /// The files of a store as the read engine counts them.
  enum FileIndex {
    static let dense = 0
    static let bundles = 1
    /// There only where neurons are predicted.
    static let predictor = 2

    /// Neurons' parts in files of their own, where a run has them, come last.
    static func firstPart(usesPredictors: Bool) -> Int { usesPredictors ? 3 : 2 }
  }

  private let capacity: Int
  private let units: [Int]

  /// - Parameter units: the direct-I/O units of the dense and the bundle file.
  init(manifest: StoreManifest, plan: MemoryPlan, map: ArenaMap, units: [Int]) {
    capacity = plan.ring.bufferByteCount
    self.units = units
    tensors = manifest.tensors.map { _ in [] }
    bundles = manifest.bundles.map { _ in [] }
    for layer in manifest.bundles.indices {
      for role in Self.layerOrder {
        append(manifest, map, role: role, layer: layer)
      }
      appendBundles(manifest.bundles[layer], layer: layer, plan: plan, base: map.bundles[layer])
    }
    for role in [TensorRole.tokenEmbedding, .positionEmbedding, .outputNorm]
    where !(role == .tokenEmbedding && manifest.configuration.hasTiedHead) {
      append(manifest, map, role: role, layer: nil)
    }
    bodyCount = segments.count
    append(
      manifest, map,
      role: manifest.configuration.hasTiedHead ? .tokenEmbedding : .outputHead, layer: nil)
  }

  /// The order in which a layer uses its tensors; the decoder follows it.
  private static let layerOrder: [TensorRole] = [
    .attentionNorm, .query, .key, .value, .queryNorm, .keyNorm, .sinks, .attentionOutput,
    .linearAttention, .attentionOutputNorm, .feedForwardNorm, .router, .sharedUp, .sharedGate,
    .sharedRouter, .sharedDown, .gate, .up, .down,
    .linearFeedForward, .feedForwardOutputNorm,
  ]

  private mutating func append(
    _ manifest: StoreManifest, _ map: ArenaMap, role: TensorRole, layer: Int?
  ) {
    for (index, tensor) in manifest.tensors.enumerated()
    where tensor.role == role && tensor.layer == layer {
      if let offset = map.tensors[index] {
        tensors[index] = [WeightPiece(rows: 0..<tensor.rows, segment: nil, offset: offset)]
      } else if !manifest.isLookedUp(tensor) {
        tensors[index] = streamed(
          rows: 0..<tensor.rows, rowByteCount: tensor.rowByteCount, start: tensor.extent.offset,
          file: FileIndex.dense, layer: layer)
      }
    }
  }

  private mutating func appendBundles(
    _ layout: BundleLayout, layer: Int, plan: MemoryPlan, base: Int?
  ) {
    var resident = 0
    switch plan.feedForward {
    case .resident: resident = layout.strideCount
    case .windowed: return
    case .streamed(let strides): resident = strides[layer]
    }
    if resident > 0, let base {
      bundles[layer].append(WeightPiece(rows: 0..<resident, segment: nil, offset: base))
    }
    bundles[layer] += streamed(
      rows: resident..<layout.strideCount, rowByteCount: layout.stride,
      start: layout.extent.offset, file: FileIndex.bundles, layer: layer,
      granularity: layout.stridesPerGroup)
  }

  /// Cuts rows at multiples of `granularity` into segments that fit a buffer with their widening.
  private mutating func streamed(
    rows: Range<Int>, rowByteCount: Int, start: Int, file: Int, layer: Int?, granularity: Int = 1
  ) -> [WeightPiece] {
    let unit = units[file]
    let granules = max(1, (capacity - 2 * unit) / (rowByteCount * granularity))
    let rowsPerPiece = granules * granularity
    var pieces: [WeightPiece] = []
    var first = rows.lowerBound
    while first < rows.upperBound {
      let end = min(rows.upperBound, first + rowsPerPiece)
      let wanted = FileExtent(
        offset: start + first * rowByteCount, byteCount: (end - first) * rowByteCount)
      let widened = wanted.widened(toUnit: unit)
      pieces.append(
        WeightPiece(
          rows: first..<end, segment: segments.count, offset: wanted.offset - widened.offset))
      segments.append(StreamRing.Segment(fileIndex: file, extent: widened, layer: layer))
      first = end
    }
    return pieces
  }
}
