internal import Crypto
internal import FlashIO

/// GGUF files as the source of a conversion.
///
/// The metadata become the configuration: numbers, short strings and short arrays of numbers by
/// their keys, without the architecture before them, and beside them
///
/// - `architectures`: a list of `general.architecture`,
/// - `derived.vocabulary`: rows of the token embedding,
/// - `derived.tied_head`: whether there is no output head of its own,
/// - `derived.end_tokens`: the tokens that end a text or a turn,
/// - `derived.rope_scaling`: RoPE's scaling, spelled as checkpoints do, and
///   `derived.scales_rotary`, whether it takes the file's factors of cosines and sines,
/// - `derived.activation`: `relu` for PowerInfer's files, whose models have no other,
/// - `derived.learned_positions`: rows of the table of positions less the two it begins with,
/// - `derived.experts`: true where `expert_count` is not 0 or there is a router,
/// - `derived.windowed_layers`: for SmallThinker, a list with 0 for each layer that sees all
///   positions and has no RoPE, which llama.cpp knows by the architecture,
/// - `derived.has.attn_q.bias` and so on: tensors that layer 0 has.
///
/// PowerInfer's `ffn_down_t` is `ffn_down` column by column, and is known by that name. Its
/// predictors, `fc1` and `fc2` of each layer, are apart from the model's tensors.
package struct GGUFSource: ModelSource {
  package let model: GGUFModel
  package let path: String
  package let configuration: JSONValue
  package let files: [SourceFile]
  package let tensors: [String: SourceTensor]
  package let digest: String
  package let notes: [String]
  package let predictors: SourcePredictors?
  private let companions: [(name: String, bytes: [UInt8])]

  package var configurationPath: String { path }
  package var spelling: Layout.Spelling { .gguf }

  /// Opens the files. `preTokenizer` names how text is split, instead of `tokenizer.ggml.pre`.
  ///
  /// Throws what `GGUFModel` does, and `unsupportedModel` for RoPE that the decoder does not have.
  package init(path: String, preTokenizer: String? = nil) throws(StoreError) {
    model = try GGUFModel(path: path)
    self.path = path
    let metadata = model.metadata
    for file in model.files where !file.hasData {
      throw StoreError(
        .gguf, "holds metadata and no weights", file: file.path, offset: file.dataOffset,
        expected: "\(file.tensors.last?.extent.end ?? 0) bytes", found: "\(file.data.byteCount)")
    }
    files = model.files.map(\.data)
    let tensors = Self.tensors(model)
    self.tensors = tensors
    let text = try GGUFTokenizer(metadata, preTokenizer: preTokenizer)
    configuration = try Self.configuration(metadata, tensors, files, endIDs: text.endIDs)
    var digests: [String] = []
    for file in model.files { digests.append(try file.headerDigest()) }
    digest = digests.count == 1 ? digests[0] : SHA256.digest(lines: digests)
    predictors = try SourcePredictors(model)
    notes = text.notes
    companions = text.files
    let rows = tensors["token_embd.weight"]?.shape.first
    if let rows, let tokens = text.tokenCount, tokens != rows {
      throw StoreError(
        .tensorShape, "disagrees with the vocabulary", file: path, tensor: "token_embd.weight",
        expected: "\(tokens) rows, one for each of tokenizer.ggml.tokens", found: "\(rows)")
    }
  }

  private static func tensors(_ model: GGUFModel) -> [String: SourceTensor] {
    var tensors: [String: SourceTensor] = [:]
    for (index, file) in model.files.enumerated() {
      for tensor in file.tensors {
        var source = SourceTensor(
          fileIndex: index, name: tensor.name, encoding: SourceEncoding(tensor.type),
          shape: tensor.shape, extent: tensor.extent)
        var name = tensor.name
        if model.metadata.isPowerInfer {
          if PowerInfer.isPredictor(name) { continue }
          if let usual = PowerInfer.usualName(name) {
            name = usual
            source = source.turned
          }
        }
        tensors[name] = source
      }
    }
    return tensors
  }

  package var companionNames: [String] { companions.map(\.name) }

  package func companion(_ name: String) throws(StoreError) -> [UInt8] {
    companions.first { $0.name == name }?.bytes ?? []
  }

  /// The longest array that is taken into the configuration: one number a layer.
  private static let longestArray = 4096

  private static func configuration(
    _ metadata: GGUFFile, _ tensors: [String: SourceTensor], _ files: [SourceFile], endIDs: [Int]
  ) throws(StoreError) -> JSONValue {
    let architecture = try metadata.string("general.architecture", limit: 256) ?? ""
    guard !architecture.isEmpty else {
      throw StoreError(
        .configuration, "does not say which architecture the model has", file: metadata.path,
        key: "general.architecture")
    }
    if metadata.isPowerInfer, !PowerInfer.architectures.contains(architecture) {
      throw StoreError(
        .unsupportedModel, "PowerInfer's files of this architecture are not supported",
        file: metadata.path, key: "general.architecture",
        expected: PowerInfer.architectures.joined(separator: ", "), found: architecture)
    }
    var json: [String: JSONValue] = ["architectures": .array([.string(architecture)])]
    for key in metadata.keys {
      guard let value = try value(of: key, in: metadata) else { continue }
      let own = architecture + "."
      json[key.hasPrefix(own) ? String(key.dropFirst(own.count)) : key] = value
    }
    if let rows = tensors["token_embd.weight"]?.shape.first {
      json["derived.vocabulary"] = .integer(rows)
    }
    if let rows = tensors["position_embd.weight"]?.shape.first {
      json["derived.learned_positions"] = .integer(rows - 2)
    }
    if metadata.isPowerInfer { json["derived.activation"] = .string("relu") }
    if json["expert_count"]?.integer ?? 0 != 0 || tensors["blk.0.ffn_gate_inp.weight"] != nil {
      json["derived.experts"] = .bool(true)
    }
    if architecture == "smallthinker", json["attention.sliding_window"]?.integer ?? 0 > 0,
      let count = json["block_count"]?.integer, count > 0, count <= longestArray
    {
      json["derived.windowed_layers"] = .array((0..<count).map { .integer($0 % 4 == 0 ? 0 : 1) })
    }
    json["derived.tied_head"] = .bool(tensors["output.weight"] == nil)
    for name in tensors.keys where name.hasPrefix("blk.0.") {
      json["derived.has.\(name.dropFirst("blk.0.".count))"] = .bool(true)
    }
    if json["tokenizer.ggml.model"]?.string == "llama" {
      // SentencePiece's vocabularies begin with <unk>, <s> and </s>.
      for (key, id) in [("bos", 1), ("eos", 2)] where json["derived.vocabulary"]?.integer ?? 0 > 2 {
        let name = "tokenizer.ggml.\(key)_token_id"
        json[name] = json[name] ?? .integer(id)
      }
    }
    var ends: [JSONValue] = []
    for name in ["eos", "eot", "eom"] {
      // All ones stand for "none" in files that llama.cpp writes.
      let token = json["tokenizer.ggml.\(name)_token_id"]?.integer
      if let token, token >= 0, token < Int(Int32.max), !ends.contains(.integer(token)) {
        ends.append(.integer(token))
      }
    }
    for id in endIDs where !ends.contains(.integer(id)) { ends.append(.integer(id)) }
    json["derived.end_tokens"] = .array(ends)
    let begin = json["tokenizer.ggml.bos_token_id"]?.integer
    if let begin, begin < 0 || begin >= Int(Int32.max) { json["tokenizer.ggml.bos_token_id"] = nil }
    let scaling = try GGUFRotary.scaling(.object(json), tensors: tensors, files: files)
    json["derived.rope_scaling"] = scaling
    json["derived.scales_rotary"] = .bool(
      ["yarn", "longrope"].contains(scaling?[path: "type"]?.string))
    return .object(json)
  }

  private static func value(
    of key: String, in metadata: GGUFFile
  ) throws(StoreError) -> JSONValue? {
    guard let entry = metadata.entries[key] else { return nil }
    switch entry.type {
    case .string:
      guard entry.count <= longestArray else { return nil }
      return try metadata.string(key).map { .string($0) }
    case .array:
      guard entry.count <= longestArray else { return nil }
      return try metadata.numbers(key, GGUFEntry.json).map { .array($0) }
    default: return GGUFEntry.json(entry.type, entry.bits)
    }
  }
}

extension SourceTensor {
  /// A matrix whose columns are the file's rows, or a vector as it is.
  fileprivate var turned: SourceTensor {
    guard shape.count == 2 else { return self }
    var tensor = SourceTensor(
      fileIndex: fileIndex, name: name, encoding: encoding, shape: shape.reversed(),
      extent: extent)
    tensor.isTurned = true
    return tensor
  }
}
