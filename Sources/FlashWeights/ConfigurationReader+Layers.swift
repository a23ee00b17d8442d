/// What configurations say of single layers.
extension ConfigurationReader {
  /// The window of each layer; nil where it sees all positions.
  func windows(_ windows: Layout.WindowSwitch, _ layerCount: Int) throws(StoreError) -> [Int?] {
    let types = try layerTypes(windows.types, layerCount)
    var length: Int?
    if windows.when.map(holds) ?? true, let value = value(windows.length), value.integer != 0 {
      length = try positive(windows.length, limit: 1 << 31)
    }
    guard let length else {
      if let types, let layer = types.firstIndex(of: true) {
        throw StoreError(
          .configuration, "layer \(layer) has a sliding window of no length", file: file,
          expected: windows.length.keys.joined(separator: " or "))
      }
      return Array(repeating: nil, count: layerCount)
    }
    let interval = try windows.interval.flatMap { source throws(StoreError) in
      try optionalPositive(source)
    }
    let first = try windows.first.flatMap { source throws(StoreError) in
      try optionalPositive(source, allowsZero: true)
    }
    return (0..<layerCount).map { layer in
      let hasWindow =
        types?[layer] ?? interval.map { (layer + 1) % $0 != 0 } ?? first.map { layer >= $0 } ?? true
      return hasWindow ? length : nil
    }
  }

  /// Whether each layer has a sliding window; nil where the configuration has no such list.
  private func layerTypes(
    _ source: Layout.Source?, _ layerCount: Int
  ) throws(StoreError) -> [Bool]? {
    guard let source, let value = value(source) else { return nil }
    guard case .array(let values) = value, values.count == layerCount else {
      throw mismatch(source, "\(layerCount) texts, one for each layer", value)
    }
    var types: [Bool] = []
    for value in values {
      switch value {
      case .string("sliding_attention"), .integer(1): types.append(true)
      case .string("full_attention"), .integer(0): types.append(false)
      default:
        throw StoreError(
          .unsupportedModel, "an attention of this type is not supported", file: file,
          expected: "full_attention or sliding_attention", found: value.description)
      }
    }
    return types
  }

  /// Whether each layer has RoPE.
  func layersWithRotary(
    _ rotary: Layout.RotarySwitch, _ layerCount: Int
  ) throws(StoreError) -> [Bool] {
    if let source = rotary.layers, let value = value(source) {
      guard case .array(let values) = value, values.count == layerCount,
        values.allSatisfy({ $0.integer == 0 || $0.integer == 1 })
      else { throw mismatch(source, "\(layerCount) numbers 0 or 1, one for each layer", value) }
      return values.map { $0.integer == 1 }
    }
    let interval = try rotary.interval.flatMap { source throws(StoreError) in
      try optionalPositive(source)
    }
    return (0..<layerCount).map { layer in interval.map { (layer + 1) % $0 != 0 } ?? true }
  }

  /// The layers of Nemotron-NAS, one block for each.
  func blocks(
    _ source: Layout.Source, queryHeads: [Int], width: Int
  ) throws(StoreError) -> [LayerConfiguration] {
    guard case .array(let blocks)? = value(source), blocks.count == queryHeads.count else {
      throw mismatch(
        source, "\(queryHeads.count) blocks, one for each layer", value(source) ?? .null)
    }
    var layers: [LayerConfiguration] = []
    for (index, block) in blocks.enumerated() {
      let place = "\(source.keys.first ?? "")[\(index)]"
      let attention = try Block(block, "attention", reader: self, place: place)
      let feedForward = try Block(block, "ffn", reader: self, place: place)
      var layer = LayerConfiguration(queryHeads: 0, keyValueHeads: 0, feedForwardWidth: 0)
      if try attention.isWhole(besides: ["n_heads_in_group"]) {
        let group = try attention.positive("n_heads_in_group")
        layer.queryHeads = queryHeads[index]
        guard queryHeads[index] % group == 0 else {
          throw attention.wrong("n_heads_in_group", "a divisor of \(queryHeads[index])")
        }
        layer.keyValueHeads = queryHeads[index] / group
      } else {
        layer.hasLinearAttention = attention.isLinear ? true : nil
      }
      if try feedForward.isWhole(besides: ["ffn_mult", "intermediate_size", "hidden_act"]) {
        layer.feedForwardWidth = try feedForward.neuronCount(width: width)
      } else {
        layer.hasLinearFeedForward = feedForward.isLinear ? true : nil
      }
      layers.append(layer)
    }
    return layers
  }
}

/// One half of an entry of `block_configs`.
private struct Block {
  let object: [String: JSONValue]
  let reader: ConfigurationReader
  let place: String

  init(
    _ block: JSONValue, _ name: String, reader: ConfigurationReader, place: String
  ) throws(StoreError) {
    guard let object = block.object?[name]?.object else {
      throw StoreError(
        .configuration, "\(place).\(name) has a wrong value", file: reader.file,
        expected: "an object", found: (block.object?[name] ?? .null).description)
    }
    self.object = object
    self.reader = reader
    self.place = "\(place).\(name)"
  }

  var isLinear: Bool { object["replace_with_linear"]?.bool == true }

  /// Whether the part is there as itself: neither left out nor one matrix. Refuses what the decoder
  /// does not know: windows, sinks, sparsity, other kinds of parts.
  func isWhole(besides known: Set<String>) throws(StoreError) -> Bool {
    for key in ["no_op", "replace_with_linear"] {
      guard let value = object[key], value != .null, value.bool == nil else { continue }
      throw wrong(key, "true or false")
    }
    let isLeftOut = object["no_op"]?.bool == true
    for (key, value) in object.sorted(by: { $0.key < $1.key })
    where !known.contains(key) && key != "no_op" && key != "replace_with_linear" {
      guard value == .null || value == .bool(false) else {
        throw StoreError(
          .unsupportedModel, "\(place).\(key) is not supported", file: reader.file,
          expected: "null", found: value.description)
      }
    }
    if isLeftOut, isLinear { throw wrong("no_op", "false where a matrix stands in its place") }
    return !isLeftOut && !isLinear
  }

  func positive(_ key: String) throws(StoreError) -> Int {
    guard let number = object[key]?.integer, number > 0, number <= 1 << 24 else {
      throw wrong(key, "a whole number from 1")
    }
    return number
  }

  /// Two thirds of the width times `ffn_mult`, up to the next multiple of 256.
  func neuronCount(width: Int) throws(StoreError) -> Int {
    if let value = object["hidden_act"], value != .null, value != .string("silu") {
      throw wrong("hidden_act", "null or silu")
    }
    if let value = object["intermediate_size"], value != .null {
      return try positive("intermediate_size")
    }
    guard let multiple = object["ffn_mult"]?.number, multiple > 0, multiple < 1e4 else {
      throw wrong("ffn_mult", "a positive number")
    }
    let rounded = (multiple * 1e6).rounded() / 1e6
    return Int(2 * rounded * Double(width) / 3).roundedUp(to: 256)
  }

  func wrong(_ key: String, _ expected: String) -> StoreError {
    StoreError(
      .configuration, "\(place).\(key) has a wrong value", file: reader.file, expected: expected,
      found: (object[key] ?? .null).description)
  }
}
