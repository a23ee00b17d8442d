internal import FlashKernels
internal import FlashWeights
internal import Foundation

/// Writing a tiny model: `config.json`, safetensors in one file or shards, a tokenizer of its own.
extension TinyModel {
  /// Writes the checkpoint into a new folder. Memory: a few megabytes, whatever the model.
  package func write(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try writeFile(folder + "/config.json", configurationText)
    if hasTokenizer {
      try writeFile(folder + "/tokenizer.json", Data(#"{"version": "1.0"}"#.utf8))
    }
    let tables = ValueTables(self)
    guard shardCount > 1 else {
      return try writeShard(folder + "/model.safetensors", tensors, tables)
    }
    var map: [String: String] = [:]
    for shard in 0..<shardCount {
      let name = "model-\(shard + 1)-of-\(shardCount).safetensors"
      let part = tensors.enumerated().filter { $0.offset % shardCount == shard }.map(\.element)
      for tensor in part { map[tensor.name] = name }
      try writeShard(folder + "/" + name, part, tables)
    }
    try writeFile(
      folder + "/model.safetensors.index.json",
      try JSONSerialization.data(withJSONObject: ["weight_map": map], options: .sortedKeys))
  }

  /// Every tensor's values by its name, as the checkpoint holds them, after rounding to its type.
  package func values() -> [String: [Float]] {
    let tables = ValueTables(self)
    let pairs = tensors.map { tensor in
      let count = tensor.shape.rows * tensor.shape.width
      let bytes = tables.bytes(tensor.name, tensor.shape, first: 0, count: count)
      return (tensor.name, (0..<count).map { tables.float(bytes, at: $0) })
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  /// The text of `config.json`.
  private var configurationText: Data {
    let layer = configuration.layers[0]
    var json: [String: Any] = [
      "architectures": [configuration.architecture], "hidden_size": configuration.width,
      "vocab_size": configuration.vocabularySize, "num_attention_heads": layer.queryHeads,
      "num_hidden_layers": configuration.layers.count,
      "max_position_embeddings": configuration.maximumPositions,
      "tie_word_embeddings": configuration.hasTiedHead,
      "bos_token_id": Int(configuration.beginTokenID ?? 1),
      "eos_token_id": configuration.endTokenIDs.map { Int($0) },
    ]
    switch family {
    case .opt:
      json["ffn_dim"] = layer.feedForwardWidth
      json["activation_function"] = "relu"
      json["do_layer_norm_before"] = true
      json["word_embed_proj_dim"] = configuration.width
    case .llama, .deci, .prosparse, .bamboo, .nemotronNAS, .mixtral, .qwen2MoE,
      .turboSparseMixtral:
      json["intermediate_size"] = layer.expertWidth
      let activation = configuration.activation
      json["hidden_act"] = activation == .dReLU ? "relu" : activation.rawValue
      json["hidden_act_param"] = configuration.activationThreshold
      json["rms_norm_eps"] = configuration.normalization.epsilon
      json["head_dim"] = configuration.headDimension
      json["attention_bias"] = hasAttentionBias
      let heads = configuration.layers.map(\.keyValueHeads)
      if family == .nemotronNAS {
        json["block_configs"] = configuration.layers.map(Self.block)
      } else if family == .deci {
        json["num_key_value_heads_per_layer"] = heads
      } else {
        json["num_key_value_heads"] = heads[0]
      }
    }
    if let routing = configuration.routing {
      json["rope_theta"] = 10000
      json["num_experts_per_tok"] = routing.activeCount
      json[family.isMixtral ? "num_local_experts" : "num_experts"] = layer.expertCount
    }
    if family == .qwen2MoE {
      json["moe_intermediate_size"] = layer.expertWidth
      json["shared_expert_intermediate_size"] = layer.shared
      json["norm_topk_prob"] = configuration.routing?.isNormalized
      json["qkv_bias"] = hasAttentionBias
      let dense = configuration.layers.indices.filter {
        configuration.layers[$0].expertCount == nil
      }
      json["mlp_only_layers"] = dense
      if let index = dense.first { json["intermediate_size"] = configuration.layers[index].shared }
    }
    do {
      return try JSONSerialization.data(withJSONObject: json, options: .sortedKeys)
    } catch {
      preconditionFailure("a configuration is JSON: \(error)")
    }
  }

  /// A layer as `block_configs` spells it.
  private static func block(_ layer: LayerConfiguration) -> [String: Any] {
    var attention: [String: Any] = [
      "no_op": !layer.mixes, "replace_with_linear": layer.hasLinearAttention == true,
      "sparsify": NSNull(),
    ]
    if layer.queryHeads > 0 {
      attention["n_heads_in_group"] = layer.queryHeads / layer.keyValueHeads
    }
    var feedForward: [String: Any] = [
      "no_op": !layer.feeds, "replace_with_linear": layer.hasLinearFeedForward == true,
    ]
    if layer.feedForwardWidth > 0 { feedForward["intermediate_size"] = layer.feedForwardWidth }
    return ["attention": attention, "ffn": feedForward]
  }

  private func writeFile(_ path: String, _ data: Data) throws {
    try data.write(to: URL(filePath: path))
  }

  private func writeShard(
    _ path: String, _ tensors: [(name: String, shape: TensorShape)], _ tables: ValueTables
  ) throws {
    var header: [String: Any] = [:]
    var end = 0
    for (name, shape) in tensors {
      let begin = end
      end += shape.rows * shape.width * tables.valueByteCount
      header[name] = [
        "dtype": type.rawValue,
        "shape": shape.isBias || shape.role.isVector ? [shape.width] : [shape.rows, shape.width],
        "data_offsets": [begin, end],
      ]
    }
    var text = try JSONSerialization.data(withJSONObject: header, options: .sortedKeys)
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    try writeFile(path, Data((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }))
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.seekToEnd()
    try file.write(contentsOf: text)
    for (name, shape) in tensors {
      let count = shape.rows * shape.width
      for first in stride(from: 0, to: count, by: 1 << 20) {
        let slice = tables.bytes(name, shape, first: first, count: min(1 << 20, count - first))
        try file.write(contentsOf: Data(slice))
      }
    }
    try file.close()
  }
}

/// Random values in the checkpoint's type. Large tensors repeat a table of prime length, so that
/// two gigabytes are made at the speed of copying and no two rows near each other are equal.
private struct ValueTables {
  let type: SafetensorsType
  let seed: UInt64
  private let weights: [UInt8]
  private let norms: [UInt8]
  private let biases: [UInt8]
  private let count: Int

  init(_ model: TinyModel) {
    type = model.type
    seed = model.seed
    let total = model.tensors.reduce(0) { $0 + $1.shape.rows * $1.shape.width }
    count = total > 1 << 20 ? 524_287 : 65_521
    let scale = 2 / Float(model.configuration.width).squareRoot()
    weights = Self.table(model.type, count, model.seed) { $0 * scale }
    norms = Self.table(model.type, count, model.seed &+ 1) { 1 + $0 / 4 }
    biases = Self.table(model.type, count, model.seed &+ 2) { $0 / 4 }
  }

  var valueByteCount: Int { type.bitCount / 8 }

  private static func table(
    _ type: SafetensorsType, _ count: Int, _ seed: UInt64, _ scale: (Float) -> Float
  ) -> [UInt8] {
    var generator = SplitMix(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * type.bitCount / 8)
    for _ in 0..<count {
      let value = scale(generator.signed())
      let bits =
        switch type {
        case .f32: value.bitPattern
        case .f16: UInt32(Float16(value).bitPattern)
        case .bf16: value.bitPattern >> 16
        default: preconditionFailure("a tiny model is F32, F16 or BF16")
        }
      for shift in stride(from: 0, to: UInt32(type.bitCount), by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
      }
    }
    return bytes
  }

  /// Values first..<first + count of a tensor.
  func bytes(_ name: String, _ shape: TensorShape, first: Int, count: Int) -> [UInt8] {
    let table = shape.isBias ? biases : shape.role.isVector ? norms : weights
    var hash = SplitMix(seed: seed)
    let isNamed = name.contains(".experts.") || name.contains(".predictor.")
    let key = isNamed ? name : shape.name
    for byte in key.utf8 { hash = SplitMix(seed: hash.next() ^ UInt64(byte)) }
    var place = (hash.below(self.count) + first) % self.count
    var left = count
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * valueByteCount)
    while left > 0 {
      let piece = min(left, self.count - place)
      bytes += table[place * valueByteCount..<(place + piece) * valueByteCount]
      left -= piece
      place = 0
    }
    return bytes
  }

  /// Value `index` of the bytes of a tensor.
  func float(_ bytes: [UInt8], at index: Int) -> Float {
    var bits: UInt32 = 0
    for byte in (0..<valueByteCount).reversed() {
      bits = bits << 8 | UInt32(bytes[index * valueByteCount + byte])
    }
    return switch type {
    case .f16: Float(Float16(bitPattern: UInt16(bits)))
    case .bf16: Float(bitPattern: bits << 16)
    default: Float(bitPattern: bits)
    }
  }
}
