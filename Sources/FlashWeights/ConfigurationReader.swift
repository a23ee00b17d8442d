internal import FlashKernels

/// Reads values of a `config.json` as a layout says; every complaint names the keys and what was
/// found.
struct ConfigurationReader {
  let json: JSONValue
  let file: String

  /// The first of the source's keys that is there, otherwise its default.
  func value(_ source: Layout.Source) -> JSONValue? {
    for key in source.keys {
      if let value = json[path: key] { return value }
    }
    return source.absent == .null ? nil : source.absent
  }

  private func required(_ source: Layout.Source) throws(StoreError) -> JSONValue {
    guard let value = value(source) else {
      throw StoreError(
        .configuration, "a key is missing", file: file,
        expected: source.keys.joined(separator: " or "))
    }
    return value
  }

  private func mismatch(
    _ source: Layout.Source, _ expected: String, _ found: JSONValue
  ) -> StoreError {
    StoreError(
      .configuration, "\(source.keys.joined(separator: " or ")) has a wrong value", file: file,
      expected: expected, found: found.description)
  }

  /// A whole number from 1 to `limit`; the limits keep every product of shapes from overflowing
  /// (`ModelConfiguration.check`).
  func positive(_ source: Layout.Source, limit: Int = 1 << 24) throws(StoreError) -> Int {
    try positive(try required(source), source, limit: limit)
  }

  private func positive(
    _ value: JSONValue, _ source: Layout.Source, limit: Int = 1 << 24
  ) throws(StoreError) -> Int {
    guard let number = value.integer, number > 0, number <= limit else {
      throw mismatch(source, "a whole number from 1 to \(limit)", value)
    }
    return number
  }

  func number(_ source: Layout.Source) throws(StoreError) -> Double {
    let value = try required(source)
    guard let number = value.number else { throw mismatch(source, "a number", value) }
    return number
  }

  func bool(_ source: Layout.Source) throws(StoreError) -> Bool {
    let value = try required(source)
    guard let bool = value.bool else { throw mismatch(source, "true or false", value) }
    return bool
  }

  /// One number for all layers, or a list with one for each.
  func perLayer(_ source: Layout.Source, _ layerCount: Int) throws(StoreError) -> [Int] {
    let value = try required(source)
    guard case .array(let values) = value else {
      return Array(repeating: try positive(value, source), count: layerCount)
    }
    guard values.count == layerCount else {
      throw mismatch(source, "\(layerCount) numbers, one for each layer", value)
    }
    var numbers: [Int] = []
    for value in values { numbers.append(try positive(value, source)) }
    return numbers
  }

  /// A token, a list of tokens, or none.
  func tokens(_ source: Layout.Source) throws(StoreError) -> [Int32] {
    guard let value = value(source) else { return [] }
    var values = [value]
    if case .array(let list) = value { values = list }
    var tokens: [Int32] = []
    for value in values {
      guard let token = value.integer.flatMap({ Int32(exactly: $0) }), token >= 0 else {
        throw mismatch(source, "token numbers", value)
      }
      tokens.append(token)
    }
    return tokens
  }

  func activation(_ activation: Layout.ActivationSwitch) throws(StoreError) -> Activation {
    let value = try required(activation.source)
    guard let name = value.string, let kind = activation.allowed[name] else {
      throw StoreError(
        .unsupportedModel, "the activation is not supported", file: file,
        expected: activation.allowed.keys.sorted().joined(separator: " or "),
        found: value.description)
    }
    return kind
  }

  func holds(_ condition: Layout.Condition) -> Bool {
    (json[path: condition.key] ?? .null) == condition.equals
  }

  func check(_ requirement: Layout.Requirement) throws(StoreError) {
    if let condition = requirement.unless, holds(condition) { return }
    let value = json[path: requirement.key] ?? .null
    var elements = [value]
    if case .array(let list) = value { elements = list }
    let same = requirement.orSameAs.flatMap { json[path: $0] }
    guard elements.allSatisfy({ requirement.allowed.contains($0) || $0 == same }) else {
      throw StoreError(
        .unsupportedModel, "\(requirement.part) is not supported (key \(requirement.key))",
        file: file,
        expected: requirement.allowed.map(\.description).joined(separator: " or "),
        found: value.description)
    }
  }

  /// RoPE scaling in every spelling of transformers: `rope_scaling` or `rope_parameters`, `type`
  /// or `rope_type`. A key that the type does not have is refused, never ignored.
  func scaling(
    _ rotary: Layout.RotarySwitch, maximumPositions: Int
  ) throws(StoreError) -> RotaryConfiguration.Scaling {
    guard let key = rotary.scaling.first(where: { json[path: $0] != nil }),
      let value = json[path: key]
    else { return .none }
    guard let object = value.object else {
      throw StoreError(
        .configuration, "\(key) has a wrong value", file: file, expected: "an object",
        found: value.description)
    }
    let type = object["rope_type"]?.string ?? object["type"]?.string
    let common: Set = ["rope_type", "type", "rope_theta", "partial_rotary_factor"]
    let allowed: Set<String>
    switch type {
    case "default"?: allowed = []
    case "divisors"?: allowed = ["divisors"]
    case "linear"?: allowed = ["factor"]
    case "dynamic"?: allowed = ["factor", "original_max_position_embeddings"]
    case "llama3"?:
      allowed = [
        "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
      ]
    default:
      throw StoreError(
        .unsupportedModel, "the RoPE type of \(key) is not supported", file: file,
        expected: "default, linear, dynamic or llama3",
        found: type ?? value.description)
    }
    for (name, value) in object.sorted(by: { $0.key < $1.key }) where value != .null {
      guard common.contains(name) || allowed.contains(name) else {
        throw StoreError(
          .unsupportedModel, "\(key).\(name) is not supported for RoPE type \(type ?? "")",
          file: file, expected: common.union(allowed).sorted().joined(separator: ", "),
          found: "\(name): \(value)")
      }
    }
    return try scaling(type: type ?? "", key: key, maximumPositions: maximumPositions)
  }

  private func scaling(
    type: String, key: String, maximumPositions: Int
  ) throws(StoreError) -> RotaryConfiguration.Scaling {
    func number(_ name: String) throws(StoreError) -> Double {
      let source = Layout.Source(keys: ["\(key).\(name)"], absent: nil)
      let number = try self.number(source)
      guard number > 0 else { throw mismatch(source, "a positive number", .number(number)) }
      return number
    }
    let original = try positive(
      Layout.Source(
        keys: ["\(key).original_max_position_embeddings"], absent: .integer(maximumPositions)),
      limit: 1 << 31)
    switch type {
    case "divisors":
      let source = Layout.Source(keys: ["\(key).divisors"], absent: nil)
      let value = try required(source)
      guard case .array(let values) = value, case let numbers = values.compactMap(\.number),
        numbers.count == values.count
      else { throw mismatch(source, "a list of numbers", value) }
      return .divisors(numbers.map { Float($0) })
    case "linear": return .linear(factor: try number("factor"))
    case "dynamic":
      return .dynamic(factor: try number("factor"), originalMaximumPositions: original)
    case "llama3":
      return .llama3(
        factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
        highFrequencyFactor: try number("high_freq_factor"), originalMaximumPositions: original)
    default: return .none
    }
  }
}
