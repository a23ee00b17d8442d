internal import FlashKernels

/// Reads values of a `config.json` as a layout says; every complaint names the keys and what was
/// found.
struct ConfigurationReader {
  let json: JSONValue
  let file: String

  /// The first of the source's keys that is there, otherwise its default.
  func value(_ source: Layout.Source) -> JSONValue? {
    for choice in source.cases ?? [] where choice.when.allSatisfy(holds) {
      return choice.value == .null ? nil : choice.value
    }
    for key in source.keys {
      if let value = json[path: key] { return value }
    }
    if let multiple = source.absentMultiple,
      let number = multiple.keys.lazy.compactMap({ json[path: $0]?.integer }).first
    {
      let (product, isTooLarge) = number.multipliedReportingOverflow(by: multiple.by)
      return .integer(isTooLarge ? .max : product)
    }
    return source.absent == .null ? nil : source.absent
  }

  func required(_ source: Layout.Source) throws(StoreError) -> JSONValue {
    guard let value = value(source) else {
      throw StoreError(
        .configuration, "a key is missing", file: file,
        expected: source.keys.joined(separator: " or "))
    }
    return value
  }

  func mismatch(
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

  /// One number for all layers, or a list with one for each, in which 0 stands for a layer that has
  /// nothing of the kind.
  func perLayer(_ source: Layout.Source, _ layerCount: Int) throws(StoreError) -> [Int] {
    let value = try required(source)
    guard case .array(let values) = value else {
      return Array(repeating: try positive(value, source), count: layerCount)
    }
    guard values.count == layerCount else {
      throw mismatch(source, "\(layerCount) numbers, one for each layer", value)
    }
    var numbers: [Int] = []
    for value in values {
      numbers.append(value.integer == 0 ? 0 : try positive(value, source))
    }
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
    let value = json[path: condition.key] ?? .null
    return value == condition.equals || condition.orAbsent == true && value == .null
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

  /// A whole number, nil where there is none.
  func optionalPositive(
    _ source: Layout.Source, limit: Int = 1 << 24, allowsZero: Bool = false
  ) throws(StoreError) -> Int? {
    guard let value = value(source) else { return nil }
    if allowsZero, value.integer == 0 { return 0 }
    return try positive(value, source, limit: limit)
  }

  /// A number, nil where there is none or it is the one that changes nothing.
  func optionalNumber(
    _ source: Layout.Source?, unless neutral: Double
  ) throws(StoreError) -> Double? {
    guard let source, value(source) != nil else { return nil }
    let number = try number(source)
    return number == neutral ? nil : number
  }

  /// One of the texts that a choice has.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ source: Layout.Source
  ) throws(StoreError) -> Choice where Choice.RawValue == String {
    let value = try required(source)
    guard let choice = value.string.flatMap(Choice.init(rawValue:)) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw mismatch(source, known, value)
    }
    return choice
  }

  /// The square root of a width as weights of a type have it: `float32`, `bfloat16` or `float16`.
  func root(of width: Int, typed source: Layout.Source) throws(StoreError) -> Float {
    let root = Float(Double(width).squareRoot())
    let type = try required(source)
    switch type.string {
    case "float32": return root
    case "float16": return Float(Float16(root))
    case "bfloat16":
      let bits = root.bitPattern
      return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    default: throw mismatch(source, "float32, bfloat16 or float16", type)
    }
  }
}
