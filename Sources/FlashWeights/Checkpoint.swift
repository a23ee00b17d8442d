internal import Crypto
internal import FlashIO
internal import Glibc

/// A Hugging Face checkpoint folder: `config.json` and one or many safetensors files.
///
/// Opening checks every header and that the shard index and the shards agree; nothing in the folder
/// is believed, least of all file names.
package struct Checkpoint: ModelSource {
  package let folder: String
  package let configuration: JSONValue
  package let configurationText: [UInt8]
  package let files: [SourceFile]
  package let tensors: [String: SourceTensor]
  private let headerTexts: [[UInt8]]

  package var path: String { folder }
  package var spelling: Layout.Spelling { .checkpoint }
  package var notes: [String] { [] }

  package var configurationPath: String { folder + "/config.json" }

  /// Opens a checkpoint. Throws a `StoreError` naming the file and what to do. Cost: all headers
  /// are read, no weights.
  package init(folder: String) throws(StoreError) {
    self.folder = folder
    var status = stat()
    guard unsafe stat(folder, &status) == 0 else { throw File.failure("cannot be opened", folder) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      let file = try File.reading(folder)
      let byteCount = try file.byteCount()
      try FileKind.refuseOthers(
        start: try file.bytes(at: 0, byteCount: min(byteCount, 40)), file: folder)
      throw StoreError(
        .notACheckpoint, "is a file; give the folder that holds config.json and the weights",
        file: folder)
    }
    let path = folder + "/config.json"
    configurationText = try Self.smallFile(path)
    configuration = try Self.addingEndTokens(
      to: try JSONValue(text: configurationText, file: path), folder: folder)
    let (names, index) = try Self.weightFiles(in: folder)
    var files: [SafetensorsFile] = []
    for name in names { files.append(try SafetensorsFile(path: folder + "/" + name)) }
    self.files = files.map(\.data)
    headerTexts = files.map(\.headerText)
    tensors = try Self.collect(files, names: names)
    if let index { try Self.check(index, against: tensors, names: names) }
  }

  /// The configuration with the end tokens of `generation_config.json` after its own: there chat
  /// models name what ends a turn (transformers, `generate`).
  private static func addingEndTokens(
    to configuration: JSONValue, folder: String
  ) throws(StoreError) -> JSONValue {
    let path = folder + "/generation_config.json"
    guard Folder.exists(path), var json = configuration.object else { return configuration }
    let key = "eos_token_id"
    func tokens(_ value: JSONValue?) -> [JSONValue] {
      if case .array(let values)? = value { values } else { value.map { [$0] } ?? [] }
    }
    let generation = try JSONValue(text: try smallFile(path), file: path)
    let own = tokens(configuration[path: key])
    let others = tokens(generation[path: key]).filter { $0.integer != nil && !own.contains($0) }
    guard !others.isEmpty else { return configuration }
    json[key] = .array(own + others)
    return .object(json)
  }

  /// A JSON file that must be small enough to be read whole; pointer files are told apart.
  static func smallFile(_ path: String) throws(StoreError) -> [UInt8] {
    let file = try File.reading(path)
    let byteCount = try file.byteCount()
    guard byteCount <= SafetensorsHeader.maximumByteCount else {
      throw StoreError(
        .configuration, "is too long", file: path,
        expected: "at most \(SafetensorsHeader.maximumByteCount) bytes", found: "\(byteCount)")
    }
    let bytes = try file.bytes(at: 0, byteCount: byteCount)
    try FileKind.refuseOthers(start: Array(bytes.prefix(40)), file: path)
    return bytes
  }

  /// The weight files' names, and the shard index where there is one; a single file wins, as in
  /// transformers.
  private static func weightFiles(
    in folder: String
  ) throws(StoreError) -> (names: [String], index: ShardIndex?) {
    if Folder.exists(folder + "/model.safetensors") { return (["model.safetensors"], nil) }
    let indexPath = folder + "/model.safetensors.index.json"
    if Folder.exists(indexPath) {
      let index = try ShardIndex(text: try smallFile(indexPath), file: indexPath)
      for name in index.shards where !Folder.exists(folder + "/" + name) {
        throw StoreError(
          .missingShard, "names a shard that is not in the folder", file: indexPath, found: name)
      }
      return (index.shards, index)
    }
    let entries = try Folder.entries(folder)
    let weights = entries.filter { $0.hasSuffix(".safetensors") }
    if weights.count == 1 { return (weights, nil) }
    if !weights.isEmpty {
      throw StoreError(
        .notACheckpoint, "holds several safetensors files and no index that says which belong",
        file: folder, expected: "model.safetensors or model.safetensors.index.json",
        found: weights.joined(separator: ", "))
    }
    let pickles = entries.filter { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") }
    if let pickle = pickles.first {
      throw StoreError(.pickledWeights, FileKind.pickleAdvice, file: folder + "/" + pickle)
    }
    if let gguf = entries.first(where: { $0.hasSuffix(".gguf") }) {
      throw StoreError(
        .notACheckpoint, "is a GGUF file; give its path instead of its folder",
        file: folder + "/" + gguf)
    }
    throw StoreError(
      .notACheckpoint, "holds no weights", file: folder,
      expected: "model.safetensors or model.safetensors.index.json and its shards")
  }

  private static func collect(
    _ files: [SafetensorsFile], names: [String]
  ) throws(StoreError) -> [String: SourceTensor] {
    var tensors: [String: SourceTensor] = [:]
    for (index, file) in files.enumerated() {
      for tensor in file.header.tensors {
        if let other = tensors[tensor.name] {
          throw StoreError(
            .shardIndex, "is in two shards", file: file.path, offset: tensor.extent.offset,
            tensor: tensor.name, found: names[other.fileIndex])
        }
        tensors[tensor.name] = SourceTensor(
          fileIndex: index, name: tensor.name, encoding: SourceEncoding(tensor.type),
          shape: tensor.shape, extent: tensor.extent)
      }
    }
    return tensors
  }

  /// Whether the index and the shards name the same tensors in the same places.
  private static func check(
    _ index: ShardIndex, against tensors: [String: SourceTensor], names: [String]
  ) throws(StoreError) {
    for (name, shard) in index.shardOfTensor.sorted(by: { $0.key < $1.key }) {
      guard let tensor = tensors[name] else {
        throw StoreError(
          .shardIndex, "names a tensor that its shard does not hold", file: index.file,
          tensor: name, expected: shard)
      }
      guard names[tensor.fileIndex] == shard else {
        throw StoreError(
          .shardIndex, "names another shard than the one that holds the tensor", file: index.file,
          tensor: name, expected: names[tensor.fileIndex], found: shard)
      }
    }
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key })
    where index.shardOfTensor[name] == nil {
      throw StoreError(
        .shardIndex, "does not name a tensor that a shard holds", file: index.file, tensor: name,
        found: names[tensor.fileIndex])
    }
  }

  /// Names of the folder's companions a store carries along, those that are there.
  package var companionNames: [String] {
    ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
      .filter { Folder.exists(folder + "/" + $0) }
  }

  /// The bytes of a companion. Throws `companion` where a JSON file holds no JSON object.
  package func companion(_ name: String) throws(StoreError) -> [UInt8] {
    let path = folder + "/" + name
    let bytes = try Self.smallFile(path)
    if name.hasSuffix(".json") {
      _ = try JSONText.decode(JSONObject.self, from: bytes, kind: .companion, file: path)
    }
    return bytes
  }

  /// SHA-256 over the configuration and the headers, hexadecimal.
  package var digest: String {
    var hash = SHA256()
    hash.update(data: configurationText)
    for text in headerTexts { hash.update(data: text) }
    return hash.finalize().hexadecimal
  }
}

/// `model.safetensors.index.json`: which shard holds which tensor.
struct ShardIndex: Sendable {
  let file: String
  let shardOfTensor: [String: String]
  /// Each shard once, sorted.
  let shards: [String]

  private struct Text: Decodable {
    var weightMap: [String: String]

    enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
  }

  /// Throws `unsafeShardName` for a name that could lead out of the folder.
  init(text: [UInt8], file: String) throws(StoreError) {
    self.file = file
    let map = try JSONText.decode(Text.self, from: text, kind: .shardIndex, file: file).weightMap
    if let (key, offset) = DuplicateKeys.first(in: text) {
      throw StoreError(.shardIndex, "holds the key \"\(key)\" twice", file: file, offset: offset)
    }
    shardOfTensor = map
    shards = Set(map.values).sorted()
    for name in shards {
      guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(UInt8(ascii: "/")),
        !name.utf8.contains(0), name.hasSuffix(".safetensors")
      else {
        throw StoreError(
          .unsafeShardName, "names a shard outside the folder or of another kind", file: file,
          expected: "a name like model-00001-of-00002.safetensors", found: "\"\(name)\"")
      }
    }
    guard !shards.isEmpty else {
      throw StoreError(.shardIndex, "names no tensor", file: file)
    }
  }
}
