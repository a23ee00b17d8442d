internal import Crypto
internal import FlashIO
internal import FlashKernels

/// Puts predictors, firing counts and a new order of neurons into a store, all or nothing.
///
/// `stage` writes the whole new store into the hidden folder beside the old one and opens it, so
/// that it can be run and priced; `publish` adds the certificate and exchanges the two folders in
/// one step. Until then, and if the process is killed at any moment before, the old store is as it
/// was. Files that do not change are hard links where the file system has them. The model's digest
/// is computed anew and must be what it was.
///
/// Memory: under 400 MB beside the draft, whatever the size of a layer.
package final class CalibrationInstaller {
  package let store: WeightStore
  private let workplace: StoreWorkplace
  /// For each layer of the opened store where its neurons lie in the checkpoint; nil: as there.
  private let openedOrders: [[Int]?]
  private var staged: (manifest: StoreManifest, calibration: Calibration)?
  /// Bytes of a layer that are held at a time; tests make it small.
  var heldByteCount = BundleReordering.heldByteCount

  /// Takes the hidden folder beside the store and empties it of what a killed installer left.
  ///
  /// Throws `targetBusy` where another process writes this store, and what reading the neurons'
  /// present order throws.
  package init(store: WeightStore, fault: StoreFault? = nil) throws(StoreError) {
    self.store = store
    openedOrders = try store.neuronOrders()
    workplace = try StoreWorkplace(target: store.path, overwrite: true, fault: fault)
    do {
      try workplace.clear()
    } catch {
      workplace.discard(after: error)
      throw error
    }
  }

  /// Writes the new store and opens it; it has no certificate, so it runs only where the caller
  /// says that this is meant. May be called again, with another draft.
  ///
  /// `progress` gets the bytes written so far and of all. Traps unless the draft fits the store.
  /// Throws `diskSpace` with both numbers, and `damagedFile` where the weights read are not the
  /// model's.
  package func stage(
    _ draft: CalibrationDraft, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(StoreError) -> WeightStore {
    draft.check(store.manifest)
    try workplace.clear()
    let predictors = PredictorWriter(
      draft: draft, origins: Self.origins(draft, openedOrders))
    let bundleByteCount =
      draft.isReordered ? store.manifest.bundles.reduce(0) { $0 + $1.extent.byteCount } : 0
    let total = predictors.byteCount + bundleByteCount
    try workplace.requireSpace(
      byteCount: total + (draft.isReordered ? store.manifest.denseByteCount : 0))
    var done = 0
    func advance(_ byteCount: Int) {
      done += byteCount
      progress(done, total)
    }
    advance(0)
    var manifest = store.manifest
    try placeDense(draft, &manifest)
    try placeBundles(draft, &manifest, predictors.origins, advance: advance)
    for companion in manifest.companions where !StoreFile.isCalibration(companion.name) {
      try workplace.link(companion.name, from: store.path)
    }
    let file = try workplace.file(StoreFile.predictor)
    try workplace.step("write \(StoreFile.predictor)")
    let calibration = Calibration(
      formatVersion: Calibration.currentVersion, generator: draft.generator,
      modelDigest: manifest.modelDigest, layers: try predictors.write(to: file, advance: advance),
      countedTokens: draft.countedTokens, certificate: nil)
    try workplace.synchronize(file)
    try write(calibration, &manifest)
    staged = (manifest, calibration)
    return try WeightStore.open(workplace.path)
  }

  /// Takes the store as it is, predictors and all, to be published with another certificate; where
  /// nobody has counted its firings, with `counts` over so many tokens, which count neurons as they
  /// lie.
  ///
  /// Traps unless the store has predictors.
  package func stageAsItIs(
    counts: [[UInt32]], countedTokens: Int
  ) throws(StoreError) {
    guard var calibration = store.calibration else {
      preconditionFailure("a store without predictors has nothing to price")
    }
    try workplace.clear()
    var manifest = store.manifest
    let kept = [StoreFile.dense, StoreFile.bundles]
    for name in kept + manifest.companions.map(\.name) where name != StoreFile.calibration {
      if name == StoreFile.predictor, calibration.countedTokens == 0 {
        try copyPredictors(&calibration, counts: counts)
        calibration.countedTokens = countedTokens
      } else {
        try workplace.link(name, from: store.path)
      }
    }
    calibration.certificate = nil
    try write(calibration, &manifest)
    staged = (manifest, calibration)
  }

  /// Copies the predictor file with other counts.
  private func copyPredictors(
    _ calibration: inout Calibration, counts: [[UInt32]]
  ) throws(StoreError) {
    try workplace.requireSpace(
      byteCount: store.manifest.companions.first { $0.name == StoreFile.predictor }?.byteCount ?? 0)
    try workplace.copy(StoreFile.predictor, from: store.path)
    let file = try workplace.file(StoreFile.predictor)
    for (index, counts) in counts.enumerated() {
      let bytes = PredictorPlan.bytes(counts.map { Int32(clamping: $0) })
      let extent = calibration.layers[index].counts.extent
      precondition(bytes.count == extent.byteCount, "a count for each neuron")
      try file.write(bytes, at: extent.offset)
      calibration.layers[index].counts.checksum = try file.checksum(of: extent)
    }
    try workplace.synchronize(file)
  }

  /// Adds the certificate to what was staged and makes it the store.
  ///
  /// Traps unless something is staged and the certificate is of the store's layers, with finite
  /// numbers.
  package func publish(_ certificate: Certificate) throws(StoreError) -> StoreManifest {
    guard var (manifest, calibration) = staged else {
      preconditionFailure("nothing is staged to be published")
    }
    calibration.certificate = certificate
    if let problem = certificate.problem(layerCount: calibration.layers.count) {
      preconditionFailure("the certificate \(problem)")
    }
    try write(calibration, &manifest)
    try workplace.publish()
    staged = nil
    return manifest
  }

  /// Removes what has been written and leaves the store as it was.
  package func discard() { workplace.discard(after: StoreError(.inputOutput, "given up")) }

  /// Writes `calibration.json` and the manifest that names it.
  private func write(
    _ calibration: Calibration, _ manifest: inout StoreManifest
  ) throws(StoreError) {
    try workplace.write(StoreFile.calibration, bytes: calibration.text)
    manifest.companions = try workplace.companions()
    manifest.checksum = manifest.computedChecksum
    try workplace.write(StoreFile.manifest, bytes: manifest.text)
  }

  /// For each layer and new place the checkpoint's index; nil where they are equal throughout.
  private static func origins(_ draft: CalibrationDraft, _ opened: [[Int]?]) -> [[Int]?] {
    zip(draft.layers, opened).map { layer, opened in
      guard let order = layer.order else { return opened }
      let origin = order.map { place in opened.map { $0[place] } ?? place }
      return origin.indices.allSatisfy { origin[$0] == $0 } ? nil : origin
    }
  }
}

/// The two weight files.
extension CalibrationInstaller {
  /// Links `dense.safetensors`, or copies it with the biases that run along neurons reordered.
  private func placeDense(
    _ draft: CalibrationDraft, _ manifest: inout StoreManifest
  ) throws(StoreError) {
    let moved = manifest.tensors.indices.filter { index in
      let tensor = store.manifest.tensors[index]
      return tensor.runsAlongNeurons && draft.layers[tensor.layer!].order != nil
    }
    guard !moved.isEmpty else { return try workplace.link(StoreFile.dense, from: store.path) }
    try workplace.copy(StoreFile.dense, from: store.path)
    let dense = try workplace.file(StoreFile.dense)
    for index in moved {
      let tensor = manifest.tensors[index]
      guard let layer = tensor.layer, let order = draft.layers[layer].order else { continue }
      let old = try dense.bytes(at: tensor.extent.offset, byteCount: tensor.extent.byteCount)
      let size = old.count / order.count
      var bytes: [UInt8] = []
      for place in order { bytes += old[place * size..<(place + 1) * size] }
      try workplace.step("write \(tensor.name)")
      try dense.write(bytes, at: tensor.extent.offset)
      manifest.tensors[index].checksum =
        SHA256.hash(data: Array(SHA256.hash(data: bytes))).hexadecimal
    }
    try workplace.synchronize(dense)
  }

  /// Links `bundles.bin`, or writes it with the neurons in their new places, and compares the
  /// model's digest.
  private func placeBundles(
    _ draft: CalibrationDraft, _ manifest: inout StoreManifest, _ origins: [[Int]?],
    advance: (Int) -> Void
  ) throws(StoreError) {
    guard draft.isReordered else {
      return try workplace.link(StoreFile.bundles, from: store.path)
    }
    let source = try File.reading(store.bundlesPath)
    let target = try workplace.file(StoreFile.bundles)
    try workplace.step("reserve \(StoreFile.bundles)")
    try target.reserve(byteCount: manifest.bundlesByteCount)
    var digest = ModelDigest(manifest.configuration)
    let dense = try File.reading(workplace.path + "/" + StoreFile.dense)
    for tensor in manifest.tensors {
      digest.add(tensor, digest: try tensor.digest(origins: origins, in: dense))
    }
    for layer in manifest.bundles.indices {
      let bundle = manifest.bundles[layer]
      try workplace.step("write layers.\(layer).bundles")
      let reordering = BundleReordering(
        layout: bundle, order: draft.layers[layer].order ?? Array(0..<bundle.neuronCount),
        heldByteCount: heldByteCount)
      let hashes = try reordering.run(from: source, to: target, advance: advance)
      manifest.bundles[layer].checksum = hashes.checksum
      digest.add(bundle, layer: layer, digest: hashes.digest(order: origins[layer]))
    }
    try workplace.synchronize(target)
    guard digest.text == manifest.modelDigest else {
      throw StoreError(
        .damagedFile, "the weights are not the model's; flashrun verify names what is damaged",
        file: store.bundlesPath, expected: "model digest \(manifest.modelDigest)",
        found: digest.text)
    }
  }
}

extension StoredTensor {
  /// The digest of the weights: its checksum, or for a bias over reordered neurons that of its
  /// values in the checkpoint's order.
  func digest(origins: [[Int]?], in dense: borrowing File) throws(StoreError) -> String {
    guard runsAlongNeurons, let layer, let order = origins[layer] else { return checksum }
    return ModelDigest.canonicalDigest(
      ofBias: try dense.bytes(at: extent.offset, byteCount: extent.byteCount), order: order)
  }
}
