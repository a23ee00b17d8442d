internal import Crypto
internal import FlashIO
internal import FlashKernels
internal import Glibc
internal import Synchronization

/// Writes a store, all or nothing, into a hidden folder beside its target.
///
/// Rows and strides may be written in any order and from several threads; each tensor and each
/// layer is then finished, which notes its checksum in a journal. A writer that is killed leaves
/// the hidden folder: the next one for the same work takes up what the journal names, where the
/// checksums hold, and removes everything else. Only `finish` makes the target appear.
package final class StoreWriter: Sendable {
  package let target: String
  package let plan: StorePlan
  /// For each layer the checkpoint's index of each neuron, in the order the neurons lie; nil where
  /// they lie as in the checkpoint.
  package let neuronOrders: [[Int]]?

  let workplace: StoreWorkplace
  private let dense: File
  private let bundles: File
  private let state: Mutex<State>

  private struct State {
    var hashes: [StoreItem: RowHashes] = [:]
    var finished: [StoreItem: FinishedItem]
  }

  /// Takes the workplace beside `target`, checks that the disk has room, and reserves it.
  ///
  /// `fingerprint` names the work: what is left of another writer is taken up only where the
  /// fingerprints are equal. `overwrite` allows a target that is there already, if it is a store.
  /// `besideByteCount` is what the files beside the weights need on the disk.
  /// Throws `targetExists`, `targetBusy` (another writer is at work), `diskSpace` with both
  /// numbers, `noSuchFile` for a missing parent folder.
  package init(
    target: String, plan: StorePlan, fingerprint: String, overwrite: Bool,
    neuronOrders: [[Int]]? = nil, besideByteCount: Int = 0, fault: StoreFault? = nil
  ) throws(StoreError) {
    self.target = target
    self.plan = plan
    self.neuronOrders = neuronOrders
    workplace = try StoreWorkplace(target: target, overwrite: overwrite, fault: fault)
    do {
      let records = try workplace.takeUp(fingerprint: fingerprint, plan: plan)
      try workplace.requireSpace(plan, besideByteCount: besideByteCount)
      dense = try workplace.file(StoreFile.dense)
      bundles = try workplace.file(StoreFile.bundles)
      var finished: [StoreItem: FinishedItem] = [:]
      for record in records {
        let checksum =
          switch record.item {
          case .tensor(let index): try StoreCheck.checksum(plan.tensors[index], in: dense).checksum
          case .layer(let index): try StoreCheck.checksum(plan.bundles[index], in: bundles).checksum
          }
        if checksum == record.checksum { finished[record.item] = record }
      }
      state = Mutex(State(finished: finished))
      try dense.reserve(byteCount: plan.denseByteCount)
      try bundles.reserve(byteCount: plan.bundlesByteCount)
      try dense.write(plan.denseHeader, at: 0)
      try workplace.startJournal(fingerprint: fingerprint, records: Array(finished.values))
    } catch {
      workplace.discard(after: error)
      throw error
    }
  }

  /// Whether a tensor of `plan.tensors` is written already, by an earlier writer.
  package func isFinished(tensor index: Int) -> Bool {
    state.withLock { $0.finished[.tensor(index)] != nil }
  }

  package func isFinished(layer: Int) -> Bool {
    state.withLock { $0.finished[.layer(layer)] != nil }
  }

  /// Writes whole rows of a tensor of `plan.tensors`, packed in its format. Any thread may call it.
  package func write(
    tensor index: Int, firstRow: Int, rows: UnsafeRawBufferPointer
  ) throws(StoreError) {
    let tensor = plan.tensors[index]
    let rowByteCount = tensor.rowByteCount
    precondition(
      rows.count % rowByteCount == 0
        && firstRow * rowByteCount + rows.count
          <= tensor.extent.byteCount,
      "rows of \(tensor.name) must be whole and inside it")
    let hashes = unsafe RowHashes.hash(rows: rows, rowByteCount: rowByteCount)
    try workplace.step("write \(tensor.name)")
    let offset = tensor.extent.offset + firstRow * rowByteCount
    try unsafe dense.write(rows, at: offset)
    dense.startWriting(FileExtent(offset: offset, byteCount: rows.count))
    note(hashes, of: .tensor(index), first: firstRow, rowCount: tensor.rows)
  }

  /// Writes whole strides of a layer's bundles, padding included. Any thread may call it.
  package func write(
    layer: Int, firstStride: Int, strides: UnsafeRawBufferPointer
  ) throws(StoreError) {
    let layout = plan.bundles[layer]
    let strideCount = strides.count / layout.stride
    precondition(
      strides.count % layout.stride == 0 && firstStride + strideCount <= layout.strideCount,
      "strides of layer \(layer) must be whole and inside it")
    let hashes = unsafe RowHashes.hash(
      strides: strides, layout: layout,
      neuronCount: layout.neuronCount(inStrides: firstStride..<firstStride + strideCount))
    try workplace.step("write layers.\(layer).bundles")
    let offset = layout.extent.offset + firstStride * layout.stride
    try unsafe bundles.write(strides, at: offset)
    bundles.startWriting(FileExtent(offset: offset, byteCount: strides.count))
    note(
      hashes, of: .layer(layer), first: firstStride * layout.neuronsPerStride,
      rowCount: layout.neuronCount)
  }

  private func note(_ hashes: [UInt8], of item: StoreItem, first: Int, rowCount: Int) {
    state.withLock {
      $0.hashes[item, default: RowHashes(rowCount: rowCount)].set(first: first, hashes: hashes)
    }
  }

  /// Ends a tensor. Traps unless every row has been written. `notes` are remarks for the manifest.
  package func finish(tensor index: Int, notes: [String] = []) throws(StoreError) {
    try finish(tensor: index, notes: notes, losses: [])
  }

  /// The same with what storing the tensor has cost.
  func finish(
    tensor index: Int, notes: [String], losses: [ConversionLoss]
  ) throws(StoreError) {
    let tensor = plan.tensors[index]
    let hashes = takeHashes(of: .tensor(index), rowCount: tensor.rows)
    var digest = hashes.checksum
    if tensor.runsAlongNeurons, let layer = tensor.layer, let order = neuronOrders?[layer] {
      digest = ModelDigest.canonicalDigest(
        ofBias: try dense.bytes(at: tensor.extent.offset, byteCount: tensor.extent.byteCount),
        order: order)
    }
    try record(
      FinishedItem(
        item: .tensor(index), checksum: hashes.checksum, digest: digest, notes: notes,
        losses: losses))
  }

  /// Ends a layer's bundles. Traps unless every stride has been written.
  package func finish(layer: Int, notes: [String] = []) throws(StoreError) {
    try finish(layer: layer, notes: notes, losses: [])
  }

  /// The same with what storing the bundles has cost.
  func finish(layer: Int, notes: [String], losses: [ConversionLoss]) throws(StoreError) {
    let hashes = takeHashes(of: .layer(layer), rowCount: plan.bundles[layer].neuronCount)
    try record(
      FinishedItem(
        item: .layer(layer), checksum: hashes.checksum,
        digest: hashes.digest(order: neuronOrders?[layer]), notes: notes, losses: losses))
  }

  private func takeHashes(of item: StoreItem, rowCount: Int) -> RowHashes {
    // A layer without neurons has nothing to write.
    let none = rowCount == 0 ? RowHashes(rowCount: 0) : nil
    let hashes = state.withLock { $0.hashes.removeValue(forKey: item) } ?? none
    guard let hashes, hashes.isComplete else {
      preconditionFailure("\(item) is finished before all of it is written")
    }
    return hashes
  }

  private func record(_ item: FinishedItem) throws(StoreError) {
    try workplace.append(item)
    state.withLock { $0.finished[item.item] = item }
  }

  /// Writes a companion file, the tokenizer for example.
  package func addCompanion(_ name: String, bytes: [UInt8]) throws(StoreError) {
    try workplace.write(name, bytes: bytes)
  }

  /// Writes the predictors that come with the model as `body` does, into an empty file.
  func addPredictors<Result>(
    _ body: (borrowing File) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    let file = try workplace.file(StoreFile.predictor)
    try workplace.step("write \(StoreFile.predictor)")
    let result = try body(file)
    try workplace.synchronize(file)
    return result
  }

  /// Writes the manifest, flushes everything to the device and makes the target appear. Traps
  /// unless every tensor and layer is finished.
  package func finish(_ origin: StoreOrigin) throws(StoreError) -> StoreManifest {
    let manifest = try manifest(origin)
    try workplace.write(StoreFile.manifest, bytes: manifest.text)
    try workplace.synchronize(dense)
    try workplace.synchronize(bundles)
    try workplace.publish()
    return manifest
  }

  /// Removes what has been written, unless `error` is an interruption: then the next writer may
  /// take it up.
  package func discard(after error: StoreError) { workplace.discard(after: error) }

  private func manifest(_ origin: StoreOrigin) throws(StoreError) -> StoreManifest {
    let finished = state.withLock { $0.finished }
    var (tensors, bundles) = (plan.tensors, plan.bundles)
    var notes = plan.notes
    var losses: [ConversionLoss] = []
    var digest = ModelDigest(plan.configuration)
    func take(_ item: StoreItem, _ name: String) -> FinishedItem {
      guard let record = finished[item] else {
        preconditionFailure("\(name) was never written")
      }
      notes += record.notes
      losses += record.losses
      return record
    }
    for index in tensors.indices {
      let record = take(.tensor(index), tensors[index].name)
      tensors[index].checksum = record.checksum
      digest.add(tensors[index], digest: record.digest)
    }
    for index in bundles.indices {
      let record = take(.layer(index), "layers.\(index).bundles")
      bundles[index].checksum = record.checksum
      digest.add(bundles[index], layer: index, digest: record.digest)
    }
    if let layers = origin.predictors {
      let calibration = Calibration(
        formatVersion: Calibration.currentVersion, generator: origin.generator,
        modelDigest: digest.text, layers: layers, countedTokens: 0, certificate: nil)
      try workplace.write(StoreFile.calibration, bytes: calibration.text)
    }
    var manifest = StoreManifest(
      formatVersion: StoreManifest.currentVersion, generator: origin.generator,
      synthetic: origin.synthetic, configuration: plan.configuration, layout: origin.layout,
      tensors: tensors, bundles: bundles, source: origin.source,
      modelDigest: digest.text, parameterCount: plan.parameterCount,
      notes: notes + ConversionLoss.notes(losses) + origin.notes,
      companions: try workplace.companions(), checksum: "")
    manifest.checksum = manifest.computedChecksum
    return manifest
  }
}

/// Where a store comes from: what the manifest says beside the weights.
package struct StoreOrigin: Sendable {
  /// Program and version.
  package var generator: String
  package var layout: Layout
  package var source: SourceRecord
  package var synthetic: SyntheticOrigin?
  /// Of each layer the predictor that came with the model and is in the predictor file; nil where
  /// none did.
  package var predictors: [LayerCalibration]?
  package var notes: [String]

  package init(
    generator: String, layout: Layout, source: SourceRecord, synthetic: SyntheticOrigin? = nil,
    predictors: [LayerCalibration]? = nil, notes: [String] = []
  ) {
    self.generator = generator
    self.layout = layout
    self.source = source
    self.synthetic = synthetic
    self.predictors = predictors
    self.notes = notes
  }
}
