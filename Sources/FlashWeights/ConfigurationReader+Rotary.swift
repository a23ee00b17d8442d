internal import Glibc

/// RoPE scaling in every spelling of transformers.
extension ConfigurationReader {
  /// The numbers that each type of scaling may have.
  private static let scalingKeys: [String: Set<String>] = [
    "default": [],
    "linear": ["factor"],
    "dynamic": ["factor", "original_max_position_embeddings"],
    "llama3": [
      "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
    ],
    "yarn": [
      "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow",
      "truncate",
    ],
    "longrope": [
      "short_factor", "long_factor", "factor", "attention_factor",
      "original_max_position_embeddings",
    ],
    "divisors": ["divisors"],
  ]

  /// The scaling of the first of `keys` that is there: `rope_scaling` or `rope_parameters`, `type`
  /// or `rope_type`. A number that the type does not have is refused, never ignored.
  ///
  /// - Parameter originalPositions: the positions of the model before it was stretched, where the
  ///   object does not say them.
  func scaling(
    _ keys: [String], pairCount: Int, maximumPositions: Int, originalPositions: Int
  ) throws(StoreError) -> RotaryConfiguration.Scaling {
    guard let key = keys.first(where: { json[path: $0] != nil }), let value = json[path: key]
    else { return .none }
    guard let object = value.object else {
      throw StoreError(
        .configuration, "\(key) has a wrong value", file: file, expected: "an object",
        found: value.description)
    }
    let spelled = object["rope_type"]?.string ?? object["type"]?.string
    // Phi-3's first name for it.
    let type = spelled == "su" ? "longrope" : spelled
    guard let type, let allowed = Self.scalingKeys[type] else {
      throw StoreError(
        .unsupportedModel, "the RoPE type of \(key) is not supported", file: file,
        expected: Self.scalingKeys.keys.sorted().joined(separator: ", "),
        found: type ?? value.description)
    }
    let common: Set = ["rope_type", "type", "rope_theta", "partial_rotary_factor"]
    for (name, value) in object.sorted(by: { $0.key < $1.key }) where value != .null {
      guard common.contains(name) || allowed.contains(name) else {
        throw StoreError(
          .unsupportedModel, "\(key).\(name) is not supported for RoPE type \(type)",
          file: file, expected: common.union(allowed).sorted().joined(separator: ", "),
          found: "\(name): \(value)")
      }
    }
    let numbers = ScalingNumbers(
      reader: self, key: key, pairCount: pairCount, maximumPositions: maximumPositions,
      originalPositions: originalPositions)
    return try numbers.scaling(type)
  }
}

/// The numbers of one object that describes a scaling.
private struct ScalingNumbers {
  let reader: ConfigurationReader
  let key: String
  let pairCount: Int
  let maximumPositions: Int
  let originalPositions: Int

  private func source(_ name: String, absent: JSONValue? = nil) -> Layout.Source {
    Layout.Source(keys: ["\(key).\(name)"], absent: absent)
  }

  private func positive(_ name: String, absent: Double? = nil) throws(StoreError) -> Double {
    let source = source(name, absent: absent.map { .number($0) })
    let number = try reader.number(source)
    guard number > 0, number < 1e9 else {
      throw reader.mismatch(source, "a positive number", .number(number))
    }
    return number
  }

  private func original() throws(StoreError) -> Int {
    try reader.positive(
      source("original_max_position_embeddings", absent: .integer(originalPositions)),
      limit: 1 << 31)
  }

  private func divisors(_ name: String) throws(StoreError) -> [Float] {
    let source = source(name)
    guard case .array(let values)? = reader.value(source),
      case let numbers = values.compactMap(\.number), numbers.count == values.count,
      numbers.count == pairCount, numbers.allSatisfy({ $0 != 0 && abs($0) < 1e9 })
    else {
      throw reader.mismatch(
        source, "\(pairCount) numbers other than 0, one for each pair of a head",
        reader.value(source) ?? .null)
    }
    return numbers.map { Float($0) }
  }

  func scaling(_ type: String) throws(StoreError) -> RotaryConfiguration.Scaling {
    switch type {
    case "linear": return .linear(factor: try positive("factor"))
    case "dynamic":
      return .dynamic(factor: try positive("factor"), originalMaximumPositions: try original())
    case "llama3":
      return .llama3(
        factor: try positive("factor"), lowFrequencyFactor: try positive("low_freq_factor"),
        highFrequencyFactor: try positive("high_freq_factor"),
        originalMaximumPositions: try original())
    case "yarn":
      let factor = try positive("factor")
      return .yarn(
        factor: factor,
        magnitude: try positive("attention_factor", absent: factor > 1 ? 0.1 * log(factor) + 1 : 1),
        fastTurns: try positive("beta_fast", absent: 32),
        slowTurns: try positive("beta_slow", absent: 1), originalMaximumPositions: try original(),
        isTruncated: try reader.bool(source("truncate", absent: .bool(true))))
    case "longrope": return try longRope()
    case "divisors": return .divisors(try divisors("divisors"))
    default: return .none
    }
  }

  /// The magnitude follows from how far the positions are stretched.
  private func longRope() throws(StoreError) -> RotaryConfiguration.Scaling {
    let original = try original()
    let factor = try positive("factor", absent: Double(maximumPositions) / Double(original))
    let magnitude = factor > 1 ? (1 + log(factor) / log(Double(original))).squareRoot() : 1
    return .longRope(
      short: try divisors("short_factor"), long: try divisors("long_factor"),
      magnitude: try positive("attention_factor", absent: magnitude),
      originalMaximumPositions: original)
  }
}
