internal import Crypto
internal import FlashIO
internal import FlashKernels

/// Reading and writing `manifest.json`, and whether it agrees with itself.
extension StoreManifest {
  /// The longest manifest that is read.
  private static let maximumByteCount = 256 << 20

  private struct Version: Decodable { var formatVersion: Int }

  /// Reads a manifest and checks that it has not been changed.
  init(contentsOf path: String) throws(StoreError) {
    let file = try File.reading(path)
    let byteCount = try file.byteCount()
    guard byteCount <= Self.maximumByteCount else {
      throw StoreError(
        .manifest, "is too long", file: path, expected: "at most \(Self.maximumByteCount) bytes",
        found: "\(byteCount)")
    }
    let text = try file.bytes(at: 0, byteCount: byteCount)
    let version = try JSONText.decode(Version.self, from: text, kind: .manifest, file: path)
    guard version.formatVersion == Self.currentVersion else {
      throw StoreError(
        .futureVersion,
        version.formatVersion > Self.currentVersion
          ? "the store is of a later version of the format; use a newer flashrun, or convert again"
          : "the store's version of the format never existed",
        file: path, expected: "version \(Self.currentVersion)", found: "\(version.formatVersion)")
    }
    self = try JSONText.decode(StoreManifest.self, from: text, kind: .manifest, file: path)
    guard checksum == computedChecksum else {
      throw StoreError(
        .manifest, "has been changed or damaged", file: path, expected: "checksum \(checksum)",
        found: computedChecksum)
    }
  }

  /// The text of `manifest.json`.
  var text: [UInt8] { JSONText.encode(self, pretty: true) + [UInt8(ascii: "\n")] }

  /// What `checksum` must be.
  var computedChecksum: String {
    var blank = self
    blank.checksum = ""
    return SHA256.hash(data: JSONText.encode(blank)).hexadecimal
  }

  /// The length `dense.safetensors` must have.
  var denseByteCount: Int {
    (tensors.map(\.extent.end).max() ?? 0).roundedUp(to: StorePlan.alignment)
  }

  /// Bytes of the weights as stored, without padding.
  package var modelByteCount: Int {
    tensors.reduce(0) { $0 + $1.extent.byteCount }
      + bundles.reduce(0) { $0 + $1.payloadByteCount }
  }

  /// Bytes of the two weight files, padding included.
  package var fileByteCount: Int { denseByteCount + bundlesByteCount }

  /// The length `bundles.bin` must have.
  package var bundlesByteCount: Int {
    (bundles.map(\.extent.end).max() ?? 0).roundedUp(to: StorePlan.alignment)
  }

  /// Whether the tensors and bundles are those the configuration needs, with their shapes, and lie
  /// apart from each other. `file` is for messages.
  func check(file: String) throws(StoreError) {
    try configuration.check(file: file)
    try checkTensors(file: file)
    try checkBundles(file: file)
    for companion in companions {
      guard !companion.name.contains("/"), !companion.name.hasPrefix("."),
        companion.byteCount >= 0
      else {
        throw StoreError(
          .manifest, "names a companion outside the store", file: file,
          found: "\"\(companion.name)\"")
      }
    }
  }

  private func checkTensors(file: String) throws(StoreError) {
    let biases = Set(tensors.filter(\.isBias).map(\.role))
    let expected = TensorShape.dense(configuration, biases: biases)
    for (shape, tensor) in zip(expected, tensors) {
      guard tensor.name == shape.name else {
        throw StoreError(
          .missingTensor, "the manifest lacks a tensor or has it in another place", file: file,
          tensor: shape.name, expected: shape.name, found: tensor.name)
      }
      guard tensor.rows == shape.rows, tensor.width == shape.width else {
        throw StoreError(
          .tensorShape, "contradicts the configuration", file: file, tensor: shape.name,
          expected: "[\(shape.rows), \(shape.width)]", found: "[\(tensor.rows), \(tensor.width)]")
      }
      let isVector = shape.isBias || shape.role.isVector
      guard tensor.format.fits(width: shape.width), !isVector || tensor.format == .f32 else {
        throw StoreError(
          .manifest, "cannot have this format", file: file, tensor: shape.name,
          found: tensor.format.rawValue)
      }
      try tensor.extent.check(
        byteCount: shape.rows * tensor.rowByteCount, tensor: shape.name, file: file)
    }
    guard expected.count == tensors.count else {
      throw StoreError(
        .manifest, "has a wrong number of tensors", file: file, expected: "\(expected.count)",
        found: "\(tensors.count)")
    }
    try FileExtent.checkApart(tensors.map { ($0.name, $0.extent) }, file: file)
  }

  private func checkBundles(file: String) throws(StoreError) {
    guard bundles.count == configuration.layers.count else {
      throw StoreError(
        .manifest, "has bundles for another number of layers", file: file,
        expected: "\(configuration.layers.count)", found: "\(bundles.count)")
    }
    for (layer, bundle) in bundles.enumerated() {
      let name = "layers.\(layer).bundles"
      let neuronCount = configuration.layers[layer].feedForwardWidth
      guard bundle.neuronCount == neuronCount, bundle.width == configuration.width,
        bundle.parts.map(\.role) == configuration.bundleRoles,
        bundle.expertCount == configuration.layers[layer].expertCount,
        bundle.parts.allSatisfy({ $0.format.fits(width: bundle.width) })
      else {
        throw StoreError(
          .tensorShape, "contradicts the configuration", file: file, tensor: name,
          expected: "\(neuronCount) neurons of width \(configuration.width)",
          found: "\(bundle.neuronCount) of \(bundle.width)")
      }
      guard bundle.neuronsPerStride > 0, bundle.neuronsPerStride <= 512,
        bundle.expertCount == nil || bundle.neuronsPerExpert % bundle.neuronsPerStride == 0,
        bundle.stride % BundleLayout.strideUnit == 0, bundle.stride <= 1 << 32,
        bundle.stride >= bundle.frontByteCount
          + bundle.neuronsPerStride * bundle.lastPartByteCount
      else {
        throw StoreError(
          .manifest, "has an impossible stride", file: file, tensor: name,
          found: "\(bundle.stride) bytes for \(bundle.neuronsPerStride) neurons")
      }
      try bundle.extent.check(
        byteCount: bundle.stride * bundle.strideCount, tensor: name, file: file)
    }
    try FileExtent.checkApart(
      bundles.enumerated().map { ("layers.\($0.offset).bundles", $0.element.extent) }, file: file)
  }
}

extension FileExtent {
  fileprivate func check(byteCount: Int, tensor: String, file: String) throws(StoreError) {
    guard offset >= 0, offset % StorePlan.alignment == 0, self.byteCount == byteCount,
      offset <= Int.max - byteCount - StorePlan.alignment
    else {
      throw StoreError(
        .manifest, "has an impossible extent", file: file, tensor: tensor,
        expected: "\(byteCount) bytes from a multiple of \(StorePlan.alignment)",
        found: "\(self.byteCount) bytes from \(offset)")
    }
  }

  /// Whether no two extents share a byte.
  static func checkApart(
    _ extents: [(name: String, extent: FileExtent)], file: String
  ) throws(StoreError) {
    let sorted = extents.sorted { $0.extent.offset < $1.extent.offset }
    for (a, b) in zip(sorted, sorted.dropFirst()) where b.extent.offset < a.extent.end {
      throw StoreError(
        .manifest, "overlaps \(a.name)", file: file, tensor: b.name,
        expected: "offset \(a.extent.end) or more", found: "\(b.extent.offset)")
    }
  }
}
