internal import Crypto
internal import FlashIO
internal import FlashKernels

/// Writes `predictor.safetensors`: for each layer the predictor's tensors, the firing counts and
/// the order, in the new order of neurons, each on a 4 KiB boundary.
struct PredictorWriter {
  let draft: CalibrationDraft
  /// For each layer and new place the checkpoint's index; nil where they are equal.
  let origins: [[Int]?]
  private var tensors: [SafetensorsTensor] = []
  private let header: [UInt8]
  /// Bytes of the file.
  let byteCount: Int

  init(draft: CalibrationDraft, origins: [[Int]?], width: Int) {
    self.draft = draft
    self.origins = origins
    var tensors: [SafetensorsTensor] = []
    var end = 0
    func append(_ name: String, _ type: SafetensorsType, _ shape: [Int], _ byteCount: Int) {
      tensors.append(
        SafetensorsTensor(
          name: name, type: type, shape: shape,
          extent: FileExtent(offset: end, byteCount: byteCount)))
      end = (end + byteCount).roundedUp(to: StorePlan.alignment)
    }
    for (index, layer) in draft.layers.enumerated() {
      let neuronCount = layer.counts.count
      if let predictor = layer.predictor {
        for (name, rows) in [
          ("reduction", predictor.reduction), ("expansion", predictor.expansion),
        ] {
          let type = rows.format.dataType
          append(
            "layers.\(index).\(name)", type,
            type == .u8 ? [rows.bytes.count] : [rows.rowCount, rows.width], rows.bytes.count)
        }
        append("layers.\(index).bias", .f32, [neuronCount], 4 * neuronCount)
      }
      append("layers.\(index).counts", .i32, [neuronCount], 4 * neuronCount)
      if origins[index] != nil {
        append("layers.\(index).order", .i32, [neuronCount], 4 * neuronCount)
      }
    }
    self.tensors = tensors
    header = SafetensorsWriter.header(tensors)
    byteCount = header.count + end
  }

  /// Writes the file and returns what each layer's calibration says of it.
  func write(
    to file: borrowing File, advance: (Int) -> Void
  ) throws(StoreError) -> [LayerCalibration] {
    try file.truncate(byteCount: 0)
    try file.reserve(byteCount: byteCount)
    try file.write(header, at: 0)
    advance(header.count)
    var next = 0
    func put(_ bytes: [UInt8]) throws(StoreError) -> PredictorExtent {
      var extent = tensors[next].extent
      precondition(bytes.count == extent.byteCount, "a tensor is as long as it was planned")
      extent.offset += header.count
      next += 1
      try file.write(bytes, at: extent.offset)
      advance(bytes.count.roundedUp(to: StorePlan.alignment))
      return PredictorExtent(extent: extent, checksum: SHA256.hash(data: bytes).hexadecimal)
    }
    func put(_ rows: PackedRows) throws(StoreError) -> PredictorTensor {
      let placed = try put(rows.bytes)
      return PredictorTensor(
        format: rows.format, rows: rows.rowCount, width: rows.width, extent: placed.extent,
        checksum: placed.checksum)
    }
    var layers: [LayerCalibration] = []
    for (index, layer) in draft.layers.enumerated() {
      let order = layer.order ?? Array(0..<layer.counts.count)
      var calibration = LayerCalibration(
        kind: layer.predictor?.kind ?? .all, input: layer.predictor?.input ?? .feedForwardNorm,
        rank: layer.predictor?.reduction.rowCount ?? 0,
        targetRecall: layer.predictor?.targetRecall ?? 1,
        counts: PredictorExtent(extent: FileExtent(offset: 0, byteCount: 0), checksum: ""))
      if let predictor = layer.predictor {
        calibration.reduction = try put(predictor.reduction)
        calibration.expansion = try put(predictor.expansion.reordered(order))
        let bias = PackedRows(
          values: order.map { predictor.bias[$0] }, rowCount: 1, width: order.count, format: .f32)
        calibration.bias = try put(bias)
      }
      calibration.counts = try put(Self.bytes(order.map { Int32(clamping: layer.counts[$0]) }))
      if let origin = origins[index] {
        calibration.order = try put(Self.bytes(origin.map { Int32($0) }))
      }
      layers.append(calibration)
    }
    return layers
  }

  private static func bytes(_ values: [Int32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * values.count)
    for value in values {
      for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    return bytes
  }
}

extension CalibrationDraft {
  /// Whether any layer gets another order.
  var isReordered: Bool { layers.contains { $0.order != nil } }

  /// Traps unless the draft fits the store.
  func check(_ manifest: StoreManifest) {
    let width = manifest.configuration.width
    precondition(layers.count == manifest.bundles.count, "a draft has every layer")
    precondition(countedTokens >= 0, "firings were counted over some tokens")
    for (layer, bundle) in zip(layers, manifest.bundles) {
      let neurons = bundle.neuronCount
      precondition(layer.counts.count == neurons, "a count for each neuron")
      if let order = layer.order {
        precondition(order.isPermutation(of: neurons), "an order names every neuron once")
      }
      guard let predictor = layer.predictor else { continue }
      let rank = predictor.reduction.rowCount
      precondition(
        predictor.kind != .all && rank > 0 && rank % LayerCalibration.rankUnit == 0,
        "a predictor has a rank of a multiple of \(LayerCalibration.rankUnit)")
      precondition(
        predictor.reduction.width == width && predictor.expansion.rowCount == neurons
          && predictor.expansion.width == rank && predictor.bias.count == neurons,
        "a predictor goes from the model's width to the layer's neurons")
    }
  }
}

extension [Int] {
  /// Whether each of 0..<count is there once.
  func isPermutation(of count: Int) -> Bool {
    guard self.count == count else { return false }
    var isThere = [Bool](repeating: false, count: count)
    for value in self {
      guard (0..<count).contains(value), !isThere[value] else { return false }
      isThere[value] = true
    }
    return true
  }
}
