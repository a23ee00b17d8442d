internal import FlashIO

/// What `calibrate` added to a store.
extension WeightStore {
  package var predictorPath: String { path + "/" + StoreFile.predictor }
  package var calibrationPath: String { path + "/" + StoreFile.calibration }

  /// How often each neuron fired over `Calibration.countedTokens` tokens, for each layer in the
  /// order the neurons lie; nil for a store whose firings were not counted.
  ///
  /// Throws `missingFile` and `storeFileLength`; does not look at checksums.
  package func firingCounts() throws(StoreError) -> [[Int32]]? {
    guard let calibration, calibration.countedTokens > 0 else { return nil }
    let file = try predictorFile()
    var counts: [[Int32]] = []
    for layer in calibration.layers { counts.append(try file.integers(layer.counts.extent)) }
    return counts
  }

  /// For each layer the checkpoint's index of each neuron, in the order they lie; nil for a layer
  /// that lies as in the checkpoint. Throws `damagedExtent` where it is no order.
  func neuronOrders() throws(StoreError) -> [[Int]?] {
    guard let calibration, calibration.layers.contains(where: { $0.order != nil }) else {
      return manifest.bundles.map { _ in nil }
    }
    let file = try predictorFile()
    var orders: [[Int]?] = []
    for (index, layer) in calibration.layers.enumerated() {
      guard let extent = layer.order?.extent else {
        orders.append(nil)
        continue
      }
      let order = try file.integers(extent).map { Int($0) }
      let bundle = manifest.bundles[index]
      let isWhole = order.isPermutation(of: bundle.neuronCount)
      guard isWhole, bundle.leavesExperts(order) else {
        throw StoreError(
          .damagedExtent,
          isWhole ? "moves a neuron to another expert" : "does not name every neuron once",
          file: predictorPath, offset: extent.offset, tensor: "layers.\(index).order")
      }
      orders.append(order)
    }
    return orders
  }

  /// A layer's predictor, read from the store; nil where every neuron is computed.
  ///
  /// Throws `missingFile` and `storeFileLength`; does not look at checksums.
  package func predictor(layer: Int) throws(StoreError) -> PredictorDraft? {
    guard let layer = calibration?.layers[layer], let reduction = layer.reduction,
      let expansion = layer.expansion, let bias = layer.bias
    else { return nil }
    let file = try predictorFile()
    func rows(_ tensor: PredictorTensor) throws(StoreError) -> PackedRows {
      PackedRows(
        format: tensor.format, rowCount: tensor.rows, width: tensor.width,
        bytes: try file.bytes(at: tensor.extent.offset, byteCount: tensor.extent.byteCount))
    }
    let values = try file.integers(bias.extent)
    return PredictorDraft(
      kind: layer.kind, input: layer.input, targetRecall: layer.targetRecall,
      reduction: try rows(reduction), expansion: try rows(expansion),
      bias: values.map { Float(bitPattern: UInt32(bitPattern: $0)) })
  }

  private func predictorFile() throws(StoreError) -> File {
    let companion = manifest.companions.first { $0.name == StoreFile.predictor }
    return try file(predictorPath, byteCount: companion?.byteCount ?? 0)
  }

  /// The store's calibration; nil where there is none. Throws `foreignCalibration` and what else is
  /// wrong with it.
  static func readCalibration(
    path: String, manifest: StoreManifest
  ) throws(StoreError) -> Calibration? {
    let file = path + "/" + StoreFile.calibration
    let isNamed = manifest.companions.contains { StoreFile.isCalibration($0.name) }
    guard Folder.exists(file) else {
      guard isNamed else { return nil }
      throw StoreError(.missingFile, "the manifest names it, but it is not there", file: file)
    }
    return try Calibration(contentsOf: file, manifest: manifest)
  }
}

extension StoreFile {
  package static let predictor = "predictor.safetensors"
  package static let calibration = "calibration.json"

  static func isCalibration(_ name: String) -> Bool { name == predictor || name == calibration }
}

extension File {
  /// Little-endian 32-bit integers.
  fileprivate func integers(_ extent: FileExtent) throws(StoreError) -> [Int32] {
    let bytes = try bytes(at: extent.offset, byteCount: extent.byteCount)
    return (0..<bytes.count / 4).map { index in
      (0..<4).reversed().reduce(Int32(0)) { $0 << 8 | Int32(bytes[4 * index + $1]) }
    }
  }
}
