internal import FlashIO

/// Reading every byte of a store and naming what is damaged.
extension WeightStore {
  /// All damage, in the order of the files: each error names the file, the offset and the tensor or
  /// layer. Empty for a store that is whole. Of a file that is cut, every extent that is not all
  /// there is named.
  ///
  /// `progress` gets the bytes read so far and the bytes of all. Cost: one read of the store.
  package func verify(progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }) -> [StoreError] {
    var damage: [StoreError] = []
    var done = 0
    let total = fileByteCount
    func collect(_ check: () throws(StoreError) -> Void) {
      do { try check() } catch { damage.append(error) }
    }
    func advance(_ byteCount: Int) {
      done += byteCount
      progress(done, total)
    }
    if let calibrationDamage { damage.append(calibrationDamage) }
    var orders: [[Int]?] = manifest.bundles.map { _ in nil }
    var orderDamage: StoreError?
    do { orders = try neuronOrders() } catch { orderDamage = error }
    var digest = ModelDigest(manifest.configuration)
    collect { () throws(StoreError) in
      let dense = try listedFile(densePath)
      collect { () throws(StoreError) in try checkLength(dense, manifest.denseByteCount) }
      collect { () throws(StoreError) in try verifyHeader(dense) }
      for tensor in manifest.tensors {
        collect { () throws(StoreError) in
          try requireExtent(tensor.extent, tensor.name, in: dense)
          let result = try StoreCheck.checksum(tensor, in: dense, progress: advance)
          try verify(result, tensor.name, tensor.extent, tensor.checksum, densePath)
          digest.add(tensor, digest: try tensor.digest(origins: orders, in: dense))
        }
      }
    }
    collect { () throws(StoreError) in
      let file = try listedFile(bundlesPath)
      collect { () throws(StoreError) in try checkLength(file, manifest.bundlesByteCount) }
      for (layer, bundle) in manifest.bundles.enumerated() {
        collect { () throws(StoreError) in
          try requireExtent(bundle.extent, "layers.\(layer).bundles", in: file)
          let result = try StoreCheck.checksum(
            bundle, in: file, order: orders[layer], progress: advance)
          try verify(
            result, "layers.\(layer).bundles", bundle.extent, bundle.checksum, bundlesPath)
          digest.add(bundle, layer: layer, digest: result.digest)
        }
      }
    }
    for companion in manifest.companions {
      if companion.name == StoreFile.predictor, let calibration {
        damage += verify(companion, calibration)
      } else {
        collect { () throws(StoreError) in try verify(companion) }
      }
    }
    // A damaged order is named above, by its tensor; only weights that are whole, in an order that
    // is known, can be compared with the model's.
    if damage.isEmpty, let orderDamage { return [orderDamage] }
    if damage.isEmpty, digest.text != manifest.modelDigest {
      damage.append(
        StoreError(
          .damagedFile, "the weights are not the model's", file: manifestPath,
          expected: "model digest \(manifest.modelDigest)", found: digest.text))
    }
    return damage
  }

  private func verify(
    _ result: StoreCheck.Result, _ name: String, _ extent: FileExtent, _ checksum: String,
    _ path: String
  ) throws(StoreError) {
    guard result.checksum == checksum else {
      throw StoreError(
        .damagedExtent, "the \(extent.byteCount) bytes from here are damaged", file: path,
        offset: extent.offset, tensor: name, expected: "checksum \(checksum)",
        found: result.checksum)
    }
    if let offset = result.paddingOffset {
      throw StoreError(
        .damagedExtent, "the padding after these weights is damaged", file: path, offset: offset,
        tensor: name, expected: "zero bytes")
    }
  }

  /// The extent and the padding after it must be inside the file.
  private func requireExtent(
    _ extent: FileExtent, _ name: String, in file: borrowing File
  ) throws(StoreError) {
    let byteCount = try file.byteCount()
    guard extent.end.roundedUp(to: StorePlan.alignment) <= byteCount else {
      throw StoreError(
        .damagedExtent, "is not all in the file, which is cut short", file: file.path,
        offset: extent.offset, tensor: name, expected: "\(extent.byteCount) bytes from here",
        found: "\(max(0, byteCount - extent.offset))")
    }
  }

  /// The header of `dense.safetensors` must be the one this manifest's tensors give, byte by byte.
  private func verifyHeader(_ dense: borrowing File) throws(StoreError) {
    let start = manifest.tensors.map(\.extent.offset).min() ?? 0
    let expected = SafetensorsWriter.header(
      manifest.tensors.map {
        var tensor = $0
        tensor.extent.offset -= start
        return tensor.entry
      })
    let found = try dense.bytes(at: 0, byteCount: min(start, try dense.byteCount()))
    guard expected != found else { return }
    let offset = zip(expected, found).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    throw StoreError(
      .damagedExtent, "the header disagrees with the manifest", file: densePath,
      offset: offset ?? min(expected.count, found.count))
  }

  /// Names the damaged tensors of the predictor file, or the file where none of them is.
  private func verify(_ companion: CompanionFile, _ calibration: Calibration) -> [StoreError] {
    do {
      try verify(companion)
      return []
    } catch {
      guard error.kind == .damagedFile, let file = try? File.reading(predictorPath) else {
        return [error]
      }
      var damage: [StoreError] = []
      for (layer, calibration) in calibration.layers.enumerated() {
        for (name, extent, checksum) in calibration.extents(layer: layer) {
          guard let found = try? file.checksum(of: extent), found != checksum else { continue }
          damage.append(
            StoreError(
              .damagedExtent, "the \(extent.byteCount) bytes from here are damaged",
              file: predictorPath, offset: extent.offset, tensor: name,
              expected: "checksum \(checksum)", found: found))
        }
      }
      return damage.isEmpty ? [error] : damage
    }
  }

  private func verify(_ companion: CompanionFile) throws(StoreError) {
    let file = try file(path + "/" + companion.name, byteCount: companion.byteCount)
    let checksum = try file.checksum().checksum
    guard checksum == companion.checksum else {
      throw StoreError(
        .damagedFile, "is damaged", file: file.path, expected: "checksum \(companion.checksum)",
        found: checksum)
    }
  }
}
