internal import Crypto
internal import FlashIO
internal import FlashKernels

/// A store, opened: its manifest has been read and found to agree with itself and with the files.
///
/// Opening is cheap and reads no weights; `verify` reads every byte.
package struct WeightStore: Sendable {
  /// The folder `NAME.flash`.
  package let path: String
  package let manifest: StoreManifest
  /// Predictors, counts and their price; nil for a store that was never calibrated, and where
  /// `openForVerification` met `calibrationDamage`.
  package let calibration: Calibration?
  let calibrationDamage: StoreError?
  private let indices: [TensorKey: Int]

  package var configuration: ModelConfiguration { manifest.configuration }
  package var manifestPath: String { path + "/" + StoreFile.manifest }
  package var densePath: String { path + "/" + StoreFile.dense }
  package var bundlesPath: String { path + "/" + StoreFile.bundles }

  /// Bytes of the weights as stored, without padding (`model_bytes`).
  package var modelByteCount: Int { manifest.modelByteCount }

  /// Bytes of the two weight files, padding included.
  package var fileByteCount: Int { manifest.fileByteCount }

  /// Opens a store. Throws `noSuchFile` for a folder without manifest, `futureVersion` for a store
  /// of a later program, `foreignCalibration` for one with a certificate of another model, and
  /// otherwise an error that names file, tensor, expected and found.
  package static func open(_ path: String) throws(StoreError) -> WeightStore {
    let store = try WeightStore(path: path)
    if let damage = store.calibrationDamage { throw damage }
    for (path, byteCount) in store.files { _ = try store.file(path, byteCount: byteCount) }
    return store
  }

  /// Opens a store whose files may be missing, cut or too long, to `verify` it and for nothing
  /// else. Throws as `open` does where the manifest is no use.
  package static func openForVerification(_ path: String) throws(StoreError) -> WeightStore {
    try WeightStore(path: path)
  }

  private init(path: String) throws(StoreError) {
    self.path = path
    let file = path + "/" + StoreFile.manifest
    manifest = try StoreManifest(contentsOf: file)
    try manifest.check(file: file)
    var indices: [TensorKey: Int] = [:]
    for (index, tensor) in manifest.tensors.enumerated() {
      indices[TensorKey(role: tensor.role, layer: tensor.layer, isBias: tensor.isBias)] = index
    }
    self.indices = indices
    do {
      calibration = try Self.readCalibration(path: path, manifest: manifest)
      calibrationDamage = nil
    } catch {
      calibration = nil
      calibrationDamage = error
    }
  }

  /// What the manifest lists beside itself, and how long each file must be.
  private var files: [(path: String, byteCount: Int)] {
    [(densePath, manifest.denseByteCount), (bundlesPath, manifest.bundlesByteCount)]
      + manifest.companions.map { (path + "/" + $0.name, $0.byteCount) }
  }

  /// A file the manifest lists. Throws `missingFile` and `storeFileLength`.
  func file(_ path: String, byteCount expected: Int) throws(StoreError) -> File {
    let file = try listedFile(path)
    try checkLength(file, expected)
    return file
  }

  /// A file the manifest lists, whatever its length: its absence is damage, not a wrong path.
  func listedFile(_ path: String) throws(StoreError) -> File {
    do {
      return try File.reading(path)
    } catch {
      guard error.category == .noInput else { throw error }
      var damage = error
      damage.kind = .missingFile
      throw damage
    }
  }

  func checkLength(_ file: borrowing File, _ expected: Int) throws(StoreError) {
    let (path, found) = (file.path, try file.byteCount())
    guard found == expected else {
      throw StoreError(
        .storeFileLength, found < expected ? "is cut short" : "is too long", file: path,
        offset: min(found, expected), expected: "\(expected) bytes", found: "\(found)")
    }
  }

  /// A tensor of `dense.safetensors`; nil where the model has none (a bias, the head of a model
  /// whose head is tied).
  package func tensor(_ role: TensorRole, layer: Int? = nil, isBias: Bool = false) -> StoredTensor?
  {
    indices[TensorKey(role: role, layer: layer, isBias: isBias)].map { manifest.tensors[$0] }
  }

  /// How a layer's neurons lie in `bundles.bin`. Traps for a layer the model has not.
  package func bundles(_ layer: Int) -> BundleLayout { manifest.bundles[layer] }

  /// The path of a companion file, `tokenizer.json` for example; nil where the store has none.
  package func companionPath(_ name: String) -> String? {
    manifest.companions.contains { $0.name == name } ? path + "/" + name : nil
  }
}

/// Names a tensor of the model.
struct TensorKey: Hashable, Sendable {
  var role: TensorRole
  var layer: Int?
  var isBias: Bool
}
