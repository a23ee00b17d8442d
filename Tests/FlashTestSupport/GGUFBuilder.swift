package import FlashWeights

/// Writes GGUF files for tests: metadata and tensors in the order they are added.
package struct GGUFBuilder: Sendable {
  package enum Value: Sendable {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case uint64(UInt64)
    case int64(Int64)
    case float(Float)
    case double(Double)
    case bool(Bool)
    case string(String)
    case int32s([Int32])
    case floats([Float])
    case bools([Bool])
    case strings([String])
  }

  package var magic = "GGUF"
  package var version: UInt32 = 3
  package var alignment = 32
  package var entries: [(key: String, value: Value)] = []
  package var tensors: [(name: String, dimensions: [Int], type: GGUFType, bytes: [UInt8])] = []

  package init() {}

  package mutating func add(_ name: String, _ dimensions: [Int], _ values: [Float]) {
    tensors.append((name, dimensions, .f32, values.flatMap { Self.bytes($0.bitPattern) }))
  }

  /// The whole file.
  package var bytes: [UInt8] {
    var file = Array(magic.utf8) + Self.bytes(version)
    file += Self.bytes(UInt64(tensors.count)) + Self.bytes(UInt64(entries.count))
    for (key, value) in entries {
      file += Self.text(key) + Self.bytes(value)
    }
    var offset = 0
    for tensor in tensors {
      file += Self.text(tensor.name) + Self.bytes(UInt32(tensor.dimensions.count))
      file += tensor.dimensions.flatMap { Self.bytes(UInt64($0)) }
      file += Self.bytes(UInt32(tensor.type.rawValue)) + Self.bytes(UInt64(offset))
      offset += padded(tensor.bytes.count)
    }
    file += Array(repeating: 0, count: padded(file.count) - file.count)
    for tensor in tensors {
      file += tensor.bytes
      file += Array(repeating: 0, count: padded(tensor.bytes.count) - tensor.bytes.count)
    }
    return file
  }

  private func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  private static func text(_ text: String) -> [UInt8] {
    bytes(UInt64(text.utf8.count)) + Array(text.utf8)
  }

  /// A value after its type.
  private static func bytes(_ value: Value) -> [UInt8] {
    func typed(_ type: UInt32, _ bytes: [UInt8]) -> [UInt8] { Self.bytes(type) + bytes }
    func array(_ type: UInt32, _ parts: [[UInt8]]) -> [UInt8] {
      typed(9, bytes(type) + bytes(UInt64(parts.count)) + parts.flatMap { $0 })
    }
    switch value {
    case .uint8(let value): return typed(0, [value])
    case .int8(let value): return typed(1, bytes(value))
    case .uint16(let value): return typed(2, bytes(value))
    case .int16(let value): return typed(3, bytes(value))
    case .int64(let value): return typed(11, bytes(value))
    case .double(let value): return typed(12, bytes(value.bitPattern))
    case .bools(let values): return array(7, values.map { [$0 ? 1 : 0] })
    case .uint32(let value): return typed(4, bytes(value))
    case .int32(let value): return typed(5, bytes(value))
    case .float(let value): return typed(6, bytes(value.bitPattern))
    case .bool(let value): return typed(7, [value ? 1 : 0])
    case .string(let value): return typed(8, text(value))
    case .uint64(let value): return typed(10, bytes(value))
    case .int32s(let values): return array(5, values.map { bytes($0) })
    case .floats(let values): return array(6, values.map { bytes($0.bitPattern) })
    case .strings(let values): return array(8, values.map(text))
    }
  }
}

/// A tiny model of the family llama as a GGUF file.
extension GGUFBuilder {
  /// Random weights: width 64, four query heads of 16, two layers of 64 neurons, or four times as
  /// wide for blocks of 256 values. `type` is the type of the matrices, whose blocks are random
  /// bytes with small scales.
  package static func llama(
    architecture: String = "llama", type: GGUFType = .f32, seed: UInt64 = 1, vocabulary: Int = 96
  ) -> GGUFBuilder {
    let width = max(64, type.block.valueCount)
    let headDimension = width / 4
    var random = SplitMix(seed: seed)
    var file = GGUFBuilder()
    file.entries = [
      ("general.architecture", .string(architecture)),
      ("\(architecture).context_length", .uint32(128)),
      ("\(architecture).embedding_length", .uint32(UInt32(width))),
      ("\(architecture).block_count", .uint32(2)),
      ("\(architecture).feed_forward_length", .uint32(UInt32(width))),
      ("\(architecture).attention.head_count", .uint32(4)),
      ("\(architecture).attention.head_count_kv", .int32s([2, 1])),
      ("\(architecture).attention.layer_norm_rms_epsilon", .float(1e-5)),
      ("\(architecture).rope.dimension_count", .uint32(UInt32(headDimension))),
    ]
    func matrix(_ name: String, _ width: Int, _ rows: Int) {
      guard type != .f32 else {
        return file.add(
          name, [width, rows], (0..<width * rows).map { _ in random.signed() * 0.3 })
      }
      let (valueCount, byteCount) = type.block
      var bytes: [UInt8] = []
      for _ in 0..<width * rows / valueCount {
        // A scale, or a scale and a minimum, of 2^-8 to 2^-6 in f16; in MXFP4 an exponent.
        var block = (0..<byteCount).map { _ in UInt8(random.below(256)) }
        let scales = type == .q6_K ? [209] : [1, 3]
        for byte in scales { block[byte] = 0x1C + UInt8(random.below(8)) }
        if type == .mxfp4 { block[0] = 120 + UInt8(random.below(4)) }
        bytes += block
      }
      file.tensors.append((name, [width, rows], type, bytes))
    }
    func norm(_ name: String) {
      file.add(name, [width], (0..<width).map { _ in 1 + random.signed() })
    }
    matrix("token_embd.weight", width, vocabulary)
    for layer in 0..<2 {
      let keyValueHeads = layer == 0 ? 2 : 1
      norm("blk.\(layer).attn_norm.weight")
      matrix("blk.\(layer).attn_q.weight", width, width)
      matrix("blk.\(layer).attn_k.weight", width, headDimension * keyValueHeads)
      matrix("blk.\(layer).attn_v.weight", width, headDimension * keyValueHeads)
      matrix("blk.\(layer).attn_output.weight", width, width)
      norm("blk.\(layer).ffn_norm.weight")
      matrix("blk.\(layer).ffn_gate.weight", width, width)
      matrix("blk.\(layer).ffn_up.weight", width, width)
      matrix("blk.\(layer).ffn_down.weight", width, width)
    }
    norm("output_norm.weight")
    return file
  }

  /// Adds a vocabulary of the kind gpt2 or llama: bytes, and some merges of letters.
  package mutating func addTokenizer(_ model: String, pre: String? = nil, count: Int = 96) {
    let tokens = ["<unk>", "<s>", "</s>"] + (3..<count).map { "t\($0)" }
    entries += [
      ("tokenizer.ggml.model", .string(model)), ("tokenizer.ggml.tokens", .strings(tokens)),
      ("tokenizer.ggml.scores", .floats(tokens.indices.map { -Float($0) })),
      ("tokenizer.ggml.token_type", .int32s(tokens.indices.map { $0 < 3 ? 3 : 1 })),
      ("tokenizer.ggml.merges", .strings([])), ("tokenizer.ggml.bos_token_id", .uint32(1)),
      ("tokenizer.ggml.eos_token_id", .uint32(2)),
      ("tokenizer.chat_template", .string("{{ messages }}")),
    ]
    if let pre { entries.append(("tokenizer.ggml.pre", .string(pre))) }
  }

  /// The same f32 weights as PowerInfer writes them, with predictors of random values.
  ///
  /// - Parameter threshold: the score from which on a neuron is computed; nil names none, which
  ///   stands for 0.
  package func asPowerInfer(rank: Int, threshold: Float? = nil) -> GGUFBuilder {
    var file = self
    file.magic = "PWRI"
    if let threshold { file.entries.append(("powerinfer.sparse_threshold", .float(threshold))) }
    var random = SplitMix(seed: 9)
    func matrix(_ name: String, _ width: Int, _ rows: Int) {
      file.add(name, [width, rows], (0..<width * rows).map { _ in random.signed() })
    }
    for index in tensors.indices {
      let (name, dimensions, _, bytes) = tensors[index]
      if name.hasSuffix(".ffn_down.bias") {
        file.tensors[index].name = name.replacing("ffn_down", with: "ffn_down_t")
      }
      guard name.hasSuffix(".ffn_down.weight") else { continue }
      let (neurons, width) = (dimensions[0], dimensions[1])
      var turned: [UInt8] = []
      for neuron in 0..<neurons {
        for row in 0..<width {
          let place = 4 * (row * neurons + neuron)
          turned += bytes[place..<place + 4]
        }
      }
      let layer = String(name.dropLast("ffn_down.weight".count))
      file.tensors[index] = (layer + "ffn_down_t.weight", [width, neurons], .f32, turned)
      matrix(layer + "fc1.weight", width, rank)
      matrix(layer + "fc2.weight", rank, neurons)
    }
    return file
  }

  /// The values of an f32 tensor. Traps where there is none of the name.
  package func values(_ name: String) -> [Float] {
    let bytes = tensors.first { $0.name == name }!.bytes
    return (0..<bytes.count / 4).map { index in
      Float(bitPattern: (0..<4).reversed().reduce(0) { $0 << 8 | UInt32(bytes[4 * index + $1]) })
    }
  }
}

extension GGUFBuilder {
  /// A tiny model's checkpoint as its layout spells GGUF files, in f32.
  ///
  /// - Parameter stacksExperts: whether all experts of a layer are in one tensor, or each in its
  ///   own as files of the first mixtures had them.
  package init(_ model: TinyModel, stacksExperts: Bool = true) {
    self.init()
    let configuration = model.configuration
    guard let section = model.layout.gguf else {
      preconditionFailure("\(model.layout.name) is not read from GGUF files")
    }
    let architecture = section.architectures[0]
    let layer = configuration.layers[0]
    func key(_ name: String, _ value: Value) { entries.append(("\(architecture).\(name)", value)) }
    func key(_ name: String, _ value: Int) { key(name, .uint32(UInt32(value))) }
    entries = [("general.architecture", .string(architecture))]
    key("context_length", configuration.maximumPositions)
    key("embedding_length", configuration.width)
    key("block_count", configuration.layers.count)
    key("feed_forward_length", layer.expertWidth)
    if let routing = configuration.routing {
      key("expert_count", layer.expertCount ?? 0)
      key("expert_used_count", routing.activeCount)
    }
    key("attention.head_count", layer.queryHeads)
    key("attention.head_count_kv", .int32s(configuration.layers.map { Int32($0.keyValueHeads) }))
    if case .rotary(let rotary) = configuration.positions {
      key("attention.key_length", configuration.headDimension)
      key("attention.value_length", configuration.headDimension)
      key("rope.dimension_count", rotary.dimension)
      key("attention.layer_norm_rms_epsilon", .float(Float(configuration.normalization.epsilon)))
    }
    let values = model.values()
    let names = Dictionary(
      uniqueKeysWithValues: model.layout.tensors.map { ("\($0.role) \($0.isBias)", $0) })
    for pattern in section.tensors {
      guard let twin = names["\(pattern.role) \(pattern.isBias)"] else { continue }
      let layers = pattern.isPerLayer ? configuration.layers.indices.map { $0 as Int? } : [nil]
      for layer in layers {
        if twin.isPerExpert, let layer {
          addExperts(pattern, layer, configuration, isStack: stacksExperts) { expert in
            values[twin.name(prefix: model.layout.prefixes[0], layer: layer, expert: expert)] ?? []
          }
        }
        guard let found = values[twin.name(prefix: model.layout.prefixes[0], layer: layer)] else {
          continue
        }
        let weight = TensorShape(pattern.role, layer: layer, in: configuration)
        let isVector = pattern.isBias || pattern.role.isVector
        let isPaired = [.query, .key].contains(pattern.role) && section.rotaryPairs == .neighbours
        add(
          pattern.name(prefix: "", layer: layer),
          isVector ? [found.count] : [weight.width, weight.rows],
          isPaired && !isVector
            ? Self.paired(found, width: weight.width, head: configuration.headDimension) : found)
      }
    }
  }

  private mutating func addExperts(
    _ pattern: Layout.TensorPattern, _ layer: Int, _ configuration: ModelConfiguration,
    isStack: Bool, values: (_ expert: Int) -> [Float]
  ) {
    guard let count = configuration.layers[layer].expertCount else { return }
    let shape = TensorShape(pattern.role, layer: layer, in: configuration).part(count)
    let name = pattern.name(prefix: "", layer: layer)
    if isStack {
      return add(
        name.replacing(".{expert}", with: "_exps"), [shape.width, shape.rows, count],
        (0..<count).flatMap(values))
    }
    for expert in 0..<count {
      add(
        pattern.name(prefix: "", layer: layer, expert: expert), [shape.width, shape.rows],
        values(expert))
    }
  }

  /// Rows of heads with the two of each pair that RoPE turns side by side.
  private static func paired(_ values: [Float], width: Int, head: Int) -> [Float] {
    (0..<values.count / width).flatMap { row in
      let (first, inside) = (row / head * head, row % head)
      let source = first + inside / 2 + inside % 2 * (head / 2)
      return values[source * width..<(source + 1) * width]
    }
  }
}
