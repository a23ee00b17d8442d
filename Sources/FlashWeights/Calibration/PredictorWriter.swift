internal import Crypto
internal import FlashIO
internal import FlashKernels

/// Writes `predictor.safetensors`: for each layer the predictor's tensors, the firing counts and
/// the order, in the new order of neurons.
struct PredictorWriter {
  let draft: CalibrationDraft
  /// For each layer and new place the checkpoint's index; nil where they are equal.
  let origins: [[Int]?]
  private let plan: PredictorPlan
  /// Bytes of the file.
  var byteCount: Int { plan.byteCount }

  init(draft: CalibrationDraft, origins: [[Int]?]) {
    self.draft = draft
    self.origins = origins
    plan = PredictorPlan(
      zip(draft.layers, origins).map { layer, origin in
        PredictorPlan.Layer(
          neuronCount: layer.counts.count,
          expertCount: layer.predictor.map { $0.reduction.rowCount / $0.rank } ?? 1,
          shape: layer.predictor.map {
            PredictorPlan.Shape(
              rank: $0.rank, width: $0.reduction.width,
              reduction: $0.reduction.format, expansion: $0.expansion.format)
          },
          isReordered: origin != nil)
      })
  }

  /// Writes the file and returns what each layer's calibration says of it.
  func write(
    to file: borrowing File, advance: (Int) -> Void
  ) throws(StoreError) -> [LayerCalibration] {
    try plan.begin(file)
    advance(plan.header.count)
    func put(
      _ bytes: [UInt8], _ part: PredictorPlan.Part, _ layer: Int
    ) throws(StoreError) -> PredictorExtent {
      let extent = plan.extent(part, layer: layer)
      precondition(bytes.count == extent.byteCount, "a tensor is as long as it was planned")
      try file.write(bytes, at: extent.offset)
      advance(bytes.count.roundedUp(to: StorePlan.alignment))
      return PredictorExtent(extent: extent, checksum: SHA256.hash(data: bytes).hexadecimal)
    }
    func put(
      _ rows: PackedRows, _ part: PredictorPlan.Part, _ layer: Int
    ) throws(StoreError) -> PredictorTensor {
      let placed = try put(rows.bytes, part, layer)
      return PredictorTensor(
        format: rows.format, rows: rows.rowCount, width: rows.width, extent: placed.extent,
        checksum: placed.checksum)
    }
    var layers: [LayerCalibration] = []
    for (index, layer) in draft.layers.enumerated() {
      let order = layer.order ?? Array(0..<layer.counts.count)
      var calibration = LayerCalibration(
        kind: layer.predictor?.kind ?? .all, input: layer.predictor?.input ?? .feedForwardNorm,
        rank: layer.predictor?.rank ?? 0,
        targetRecall: layer.predictor?.targetRecall ?? 1,
        counts: PredictorExtent(extent: FileExtent(offset: 0, byteCount: 0), checksum: ""))
      calibration.threshold = layer.threshold.map { Double($0) }
      if let predictor = layer.predictor {
        calibration.reduction = try put(predictor.reduction, .reduction, index)
        calibration.expansion = try put(predictor.expansion.reordered(order), .expansion, index)
        let bias = PackedRows(
          values: order.map { predictor.bias[$0] }, rowCount: 1, width: order.count, format: .f32)
        calibration.bias = try put(bias, .bias, index)
      }
      calibration.counts = try put(
        PredictorPlan.bytes(order.map { Int32(clamping: layer.counts[$0]) }), .counts, index)
      if let origin = origins[index] {
        calibration.order = try put(PredictorPlan.bytes(origin.map { Int32($0) }), .order, index)
      }
      layers.append(calibration)
    }
    return layers
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
        precondition(bundle.leavesExperts(order), "an order leaves neurons in their experts")
      }
      if layers.contains(where: { $0.threshold != nil }) {
        let fault = manifest.configuration.fault(
          inThreshold: layer.threshold.map { Double($0) }, bundle)
        precondition(fault == nil && layer.predictor == nil, "a threshold \(fault ?? "is alone")")
      }
      guard let predictor = layer.predictor else { continue }
      let rank = predictor.rank
      precondition(
        predictor.kind != .all && rank > 0 && rank % LayerCalibration.rankUnit == 0,
        "a predictor has a rank of a multiple of \(LayerCalibration.rankUnit)")
      precondition(
        predictor.reduction.rowCount == (bundle.expertCount ?? 1) * rank
          && predictor.reduction.width == width && predictor.expansion.rowCount == neurons
          && predictor.bias.count == neurons,
        "a predictor goes from the model's width to the neurons of the layer or of each expert")
    }
  }
}

extension BundleLayout {
  /// Whether an order of all neurons has each in its expert's places.
  func leavesExperts(_ order: [Int]) -> Bool {
    order.indices.allSatisfy { order[$0] / neuronsPerExpert == $0 / neuronsPerExpert }
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
