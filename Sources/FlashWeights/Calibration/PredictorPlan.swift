internal import FlashIO
internal import FlashKernels

/// Where every byte of `predictor.safetensors` will lie: for each layer the predictor's tensors,
/// the firing counts and the order, each on a 4 KiB boundary.
struct PredictorPlan: Sendable {
  /// What one layer has.
  struct Layer: Sendable {
    var neuronCount: Int
    /// One where neurons belong to no expert.
    var expertCount = 1
    /// Nil where every neuron is computed.
    var shape: Shape?
    /// Whether the neurons lie in another order than the checkpoint's.
    var isReordered = false
  }

  /// Of a predictor `[neurons, rank] · [rank, width]`, or of each expert's.
  struct Shape: Sendable {
    var rank: Int
    var width: Int
    var reduction: RowFormat
    var expansion: RowFormat
  }

  /// The tensors `layers.L.reduction` and so on, in the order they lie.
  enum Part: String {
    case reduction, expansion, bias, counts, order
  }

  let layers: [Layer]
  /// Everything before the data.
  let header: [UInt8]
  /// Bytes of the file.
  let byteCount: Int
  private let extents: [[Part: FileExtent]]

  init(_ layers: [Layer]) {
    self.layers = layers
    var tensors: [SafetensorsTensor] = []
    var extents: [[Part: FileExtent]] = []
    var end = 0
    func append(_ part: Part, _ type: SafetensorsType, _ shape: [Int], _ byteCount: Int) {
      let extent = FileExtent(offset: end, byteCount: byteCount)
      let layer = extents.count - 1
      tensors.append(
        SafetensorsTensor(
          name: "layers.\(layer).\(part.rawValue)", type: type, shape: shape, extent: extent))
      extents[layer][part] = extent
      end = (end + byteCount).roundedUp(to: StorePlan.alignment)
    }
    func append(_ part: Part, rows: Int, width: Int, _ format: RowFormat) {
      let byteCount = rows * format.byteCount(width: width)
      let type = format.dataType
      append(part, type, type == .u8 ? [byteCount] : [rows, width], byteCount)
    }
    for layer in layers {
      extents.append([:])
      let neurons = layer.neuronCount
      if let shape = layer.shape {
        append(
          .reduction, rows: layer.expertCount * shape.rank, width: shape.width, shape.reduction)
        append(.expansion, rows: neurons, width: shape.rank, shape.expansion)
        append(.bias, .f32, [neurons], 4 * neurons)
      }
      append(.counts, .i32, [neurons], 4 * neurons)
      if layer.isReordered { append(.order, .i32, [neurons], 4 * neurons) }
    }
    header = SafetensorsWriter.header(tensors)
    let start = header.count
    self.extents = extents.map { parts in
      parts.mapValues { FileExtent(offset: start + $0.offset, byteCount: $0.byteCount) }
    }
    byteCount = start + end
  }

  /// Where a tensor lies in the file. Traps for one that is not there.
  func extent(_ part: Part, layer: Int) -> FileExtent {
    guard let extent = extents[layer][part] else {
      preconditionFailure("layer \(layer) has no \(part.rawValue)")
    }
    return extent
  }

  /// Empties the file, reserves its bytes and writes what is before the data.
  func begin(_ file: borrowing File) throws(StoreError) {
    try file.truncate(byteCount: 0)
    try file.reserve(byteCount: byteCount)
    try file.write(header, at: 0)
  }

  /// Little-endian, one after another.
  static func bytes(_ values: [Int32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * values.count)
    for value in values {
      for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    return bytes
  }
}
