internal import FoundationEssentials

/// Any JSON value: the `config.json` of a checkpoint before a layout gives it meaning, and the
/// values a layout allows.
package enum JSONValue: Codable, Equatable, Sendable, CustomStringConvertible {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// Reads a `config.json`. Throws `configuration` or `noSuchFile`.
  package init(contentsOf path: String) throws(StoreError) {
    try self.init(text: try Checkpoint.smallFile(path), file: path)
  }

  init(text: [UInt8], file: String) throws(StoreError) {
    self = try JSONText.decode(JSONValue.self, from: text, kind: .configuration, file: file)
    if let (key, offset) = DuplicateKeys.first(in: text) {
      throw StoreError(.configuration, "holds the key \"\(key)\" twice", file: file, offset: offset)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  package var description: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
    case .object(let values):
      "{"
        + values.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
        .joined(separator: ", ") + "}"
    }
  }

  /// The value as a whole number; 1.0 counts as one.
  package var integer: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  package var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  package var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  package var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  package var object: [String: JSONValue]? {
    if case .object(let value) = self { value } else { nil }
  }

  /// The value at a dotted path, `rope_parameters.rope_theta` for example, or of a key that has
  /// dots itself; nil where there is none and where it is null.
  package subscript(path path: String) -> JSONValue? {
    guard let object else { return nil }
    if let value = object[path], value != .null { return value }
    for dot in path.indices where path[dot] == "." {
      if let value = object[String(path[..<dot])]?[path: String(path[path.index(after: dot)...])] {
        return value
      }
    }
    return nil
  }
}

/// Any JSON object, whose members are parsed and not kept.
struct JSONObject: Decodable {
  private enum NoKeys: CodingKey {}

  init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: NoKeys.self) }
}

/// JSON text in and out, with the errors of this module.
enum JSONText {
  /// Decodes UTF-8 JSON. Throws `kind` with the decoder's own words for the place.
  static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: [UInt8], kind: StoreError.Kind, file: String
  ) throws(StoreError) -> Value {
    // The decoder would accept UTF-16 and UTF-32; a zero byte is in no UTF-8 JSON text.
    guard !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else {
      throw StoreError(kind, "is not UTF-8 text", file: file)
    }
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw StoreError(kind, "is not valid: " + explain(error), file: file)
    }
  }

  /// Encodes with sorted keys, so that equal values give equal bytes.
  static func encode(_ value: some Encodable, pretty: Bool = false) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    do {
      return [UInt8](try encoder.encode(value))
    } catch {
      preconditionFailure("values of this module are always encodable: \(error)")
    }
  }

  static func explain(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    let (text, path): (String, [any CodingKey]) =
      switch error {
      case .keyNotFound(let key, let context):
        ("key \"\(key.stringValue)\" is missing", context.codingPath)
      case .valueNotFound(_, let context), .typeMismatch(_, let context),
        .dataCorrupted(let context):
        (context.debugDescription, context.codingPath)
      @unknown default: ("\(error)", [])
      }
    let place = path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
    return place.isEmpty ? text : text + " (at \(place.joined(separator: ".")))"
  }
}
