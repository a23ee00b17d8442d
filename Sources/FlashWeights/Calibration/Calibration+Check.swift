internal import FlashIO
internal import FlashKernels

/// Reading and writing `calibration.json`, and whether it belongs to a store.
extension Calibration {
  /// The longest file that is read.
  private static let maximumByteCount = 64 << 20

  /// What must be readable in a file of any version.
  private struct Head: Decodable {
    var formatVersion: Int
    var modelDigest: String
  }

  /// The text of `calibration.json`.
  var text: [UInt8] { JSONText.encode(self, pretty: true) + [UInt8(ascii: "\n")] }

  /// Reads a calibration and checks that it is of the manifest's model and that its tensors lie in
  /// the predictor file. Throws `foreignCalibration` with both digests for one of another model.
  init(contentsOf path: String, manifest: StoreManifest) throws(StoreError) {
    let file = try File.reading(path)
    let byteCount = try file.byteCount()
    guard byteCount <= Self.maximumByteCount else {
      throw StoreError(
        .calibration, "is too long", file: path, expected: "at most \(Self.maximumByteCount) bytes",
        found: "\(byteCount)")
    }
    let text = try file.bytes(at: 0, byteCount: byteCount)
    let head = try JSONText.decode(Head.self, from: text, kind: .calibration, file: path)
    guard head.modelDigest == manifest.modelDigest else {
      throw StoreError(
        .foreignCalibration,
        "belongs to another model; remove it, or make this store's own with flashrun calibrate",
        file: path, expected: "model digest \(manifest.modelDigest)", found: head.modelDigest)
    }
    guard head.formatVersion == Self.currentVersion else {
      throw StoreError(
        .futureVersion, "the calibration is of another version of the format; calibrate again",
        file: path, expected: "version \(Self.currentVersion)", found: "\(head.formatVersion)")
    }
    self = try JSONText.decode(Calibration.self, from: text, kind: .calibration, file: path)
    let predictor = manifest.companions.first { $0.name == StoreFile.predictor }
    guard let predictor, manifest.companions.contains(where: { $0.name == StoreFile.calibration })
    else {
      throw StoreError(
        .calibration, "is not named by the manifest; remove it, or calibrate again", file: path)
    }
    try check(manifest, predictorByteCount: predictor.byteCount, file: path)
  }

  private func check(
    _ manifest: StoreManifest, predictorByteCount: Int, file: String
  ) throws(StoreError) {
    guard layers.count == manifest.bundles.count else {
      throw StoreError(
        .calibration, "has another number of layers", file: file,
        expected: "\(manifest.bundles.count)", found: "\(layers.count)")
    }
    if let problem = certificate?.problem(layerCount: layers.count) {
      throw StoreError(.calibration, "the certificate \(problem)", file: file)
    }
    if let certificate, hasThresholds != (certificate.pricedMode == .threshold) {
      throw StoreError(
        .calibration, "the certificate is of another mode", file: file,
        expected: hasThresholds ? "threshold" : "predicted",
        found: certificate.pricedMode.rawValue)
    }
    var extents: [(name: String, extent: FileExtent)] = []
    for (index, layer) in layers.enumerated() {
      let name = "layers.\(index)"
      let bundle = manifest.bundles[index]
      if let fault = fault(inThresholdOf: layer, bundle, manifest.configuration) {
        throw StoreError(
          .calibration, "the threshold \(fault)", file: file, tensor: name,
          expected: "a finite magnitude, 0 or more, in every layer with neurons or in none",
          found: layer.threshold.map { "\($0)" } ?? "none")
      }
      guard layer.hasShape(of: bundle) else {
        throw StoreError(
          .calibration, "contradicts the layer's shape or its own kind", file: file, tensor: name,
          expected: "\(bundle.neuronCount) neurons of width \(bundle.width)"
            + (bundle.expertCount.map { ", of \($0) experts" } ?? ""),
          found: "\(layer.kind.rawValue) of rank \(layer.rank)")
      }
      extents += layer.extents(layer: index).map { ($0.name, $0.extent) }
    }
    for (name, extent) in extents
    where extent.offset < 0 || extent.offset % StorePlan.alignment != 0 || extent.byteCount < 0
      || extent.byteCount > predictorByteCount
      || extent.offset > predictorByteCount - extent.byteCount
    {
      throw StoreError(
        .calibration, "lies outside \(StoreFile.predictor)", file: file, tensor: name,
        expected: "at most \(predictorByteCount) bytes",
        found: "\(extent.byteCount) from \(extent.offset)")
    }
    try FileExtent.checkApart(extents, file: file)
  }
}

extension Calibration {
  /// What is wrong with a layer's threshold, as the end of a sentence; nil for nothing.
  private func fault(
    inThresholdOf layer: LayerCalibration, _ bundle: BundleLayout,
    _ configuration: ModelConfiguration
  ) -> String? {
    guard hasThresholds else { return nil }
    guard layer.kind == .all else { return "stands beside a predictor" }
    return configuration.fault(inThreshold: layer.threshold, bundle)
  }
}

extension ModelConfiguration {
  /// The same of a model whose layers have thresholds.
  func fault(inThreshold threshold: Double?, _ bundle: BundleLayout) -> String? {
    guard let threshold else { return bundle.neuronCount > 0 ? "is missing" : nil }
    if hasSilentNeurons { return "is of no use to \(activation.rawValue)" }
    if bundle.neuronCount == 0 { return "is of a layer without neurons" }
    return threshold >= 0 && Float(threshold).isFinite ? nil : "is no magnitude"
  }
}

extension LayerCalibration {
  /// Ranks are multiples of this, so that rows fit every format.
  package static let rankUnit = 32

  /// The layer's extents with the names of their tensors and their checksums, in file order.
  func extents(layer: Int) -> [(name: String, extent: FileExtent, checksum: String)] {
    let tensors = [("reduction", reduction), ("expansion", expansion), ("bias", bias)]
    let plain = [("counts", Optional(counts)), ("order", order)]
    return tensors.compactMap { name, tensor in
      tensor.map { ("layers.\(layer).\(name)", $0.extent, $0.checksum) }
    }
      + plain.compactMap { name, tensor in
        tensor.map { ("layers.\(layer).\(name)", $0.extent, $0.checksum) }
      }
  }

  fileprivate func hasShape(of bundle: BundleLayout) -> Bool {
    let neurons = bundle.neuronCount
    let integers = [counts] + (order.map { [$0] } ?? [])
    guard integers.allSatisfy({ $0.extent.byteCount == 4 * neurons }) else { return false }
    guard kind != .all else {
      return rank == 0 && reduction == nil && expansion == nil && bias == nil
    }
    guard rank > 0, rank % Self.rankUnit == 0, rank <= 1 << 20, let reduction, let expansion,
      let bias, bias.format == .f32
    else { return false }
    return reduction.isWhole(rows: (bundle.expertCount ?? 1) * rank, width: bundle.width)
      && expansion.isWhole(rows: neurons, width: rank) && bias.isWhole(rows: 1, width: neurons)
  }
}

extension PredictorTensor {
  fileprivate func isWhole(rows: Int, width: Int) -> Bool {
    self.rows == rows && self.width == width && format.fits(width: width)
      && SideBySide.arranges(format)
      && extent.byteCount == rows * rowByteCount
  }
}

extension Certificate {
  /// What is wrong with it, as the end of a sentence; nil for nothing.
  func problem(layerCount: Int) -> String? {
    guard layers.count == layerCount else {
      return "prices \(layers.count) layers and the model has \(layerCount)"
    }
    let curves = [newBytesPerToken, newFractionPerWindow] + layers.map(\.newFractionPerWindow)
    guard curves.allSatisfy({ $0.count == Self.windowCount }) else {
      return "has no \(Self.windowCount) windows"
    }
    let numbers =
      curves.flatMap { $0 }
      + layers.flatMap {
        [
          $0.recall, $0.precision, $0.weightedFalseNegatives, $0.predictedActivity,
          $0.trueActivity,
        ]
      } + [
        densePerplexity.value, densePerplexity.standardError, predictedPerplexity.value,
        predictedPerplexity.standardError, meanKLDivergence, p99KLDivergence, topTokenAgreement,
        predictorTimeShare,
      ]
    guard numbers.allSatisfy(\.isFinite) else { return "has numbers that are not finite" }
    guard densePerplexity.value > 0 else { return "has no perplexity" }
    return nil
  }
}
