/// One metadata value: a number, or where a string or an array lies in the file.
///
/// Strings and arrays stay in the file until they are asked for: a file may state a million of
/// them.
package struct GGUFEntry: Sendable {
  package let type: GGUFValueType
  /// The type of an array's elements.
  package let elementType: GGUFValueType?
  /// Elements of an array, bytes of a string, otherwise 1.
  package let count: Int
  /// Where the contents of a string or an array begin in the file.
  let offset: Int
  /// A number's bits.
  let bits: UInt64

  /// A whole number, or a floating-point number that is whole; nil for everything else.
  package var integer: Int? { Self.integer(type, bits) }

  /// Any number.
  package var number: Double? { Self.number(type, bits) }

  package var bool: Bool? { type == .bool ? bits != 0 : nil }

  static func integer(_ type: GGUFValueType, _ bits: UInt64) -> Int? {
    switch type {
    case .uint8, .uint16, .uint32: Int(bits)
    case .uint64: Int(exactly: bits)
    case .int8: Int(Int8(truncatingIfNeeded: bits))
    case .int16: Int(Int16(truncatingIfNeeded: bits))
    case .int32: Int(Int32(truncatingIfNeeded: bits))
    case .int64: Int(Int64(bitPattern: bits))
    case .float32, .float64: number(type, bits).flatMap { Int(exactly: $0) }
    case .bool, .string, .array: nil
    }
  }

  static func number(_ type: GGUFValueType, _ bits: UInt64) -> Double? {
    switch type {
    case .float32: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case .float64: Double(bitPattern: bits)
    case .uint64: Double(bits)
    default: integer(type, bits).map(Double.init)
    }
  }

  /// The value as JSON, which knows no NaN and no infinity; nil for those, for a string and for an
  /// array.
  static func json(_ type: GGUFValueType, _ bits: UInt64) -> JSONValue? {
    if type == .bool { return .bool(bits != 0) }
    if let integer = integer(type, bits) { return .integer(integer) }
    return number(type, bits).flatMap { $0.isFinite ? .number($0) : nil }
  }
}

/// The contents of strings and arrays, read when they are asked for.
extension GGUFFile {
  /// A string as UTF-8; what is no UTF-8 becomes U+FFFD. Nil where the key is absent or no string.
  /// Throws for a string of more than `limit` bytes.
  package func string(_ key: String, limit: Int = 1 << 20) throws(StoreError) -> String? {
    guard let entry = entries[key], entry.type == .string else { return nil }
    try require(entry.count <= limit, key, entry, "at most \(limit) bytes")
    let bytes = try data.file.bytes(at: entry.offset, byteCount: entry.count)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The strings of an array, as bytes. Nil where the key is absent or no array of strings.
  package func strings(_ key: String, limit: Int = 1 << 24) throws(StoreError) -> [[UInt8]]? {
    guard let entry = entries[key], entry.elementType == .string else { return nil }
    try require(entry.count <= limit, key, entry, "at most \(limit) strings")
    var cursor = GGUFCursor(data, offset: entry.offset)
    var strings: [[UInt8]] = []
    strings.reserveCapacity(entry.count)
    for _ in 0..<entry.count {
      let count = try cursor.count("a string", limit: Self.longestString)
      strings.append(Array(try cursor.bytes(count, "a string")))
    }
    return strings
  }

  /// The numbers of an array, as type and bits. Nil where the key is absent or no array of numbers.
  func numbers<Number>(
    _ key: String, limit: Int = 1 << 24, _ read: (GGUFValueType, UInt64) -> Number?
  ) throws(StoreError) -> [Number]? {
    guard let entry = entries[key], let type = entry.elementType, let size = type.byteCount else {
      return nil
    }
    try require(entry.count <= limit, key, entry, "at most \(limit) numbers")
    var cursor = GGUFCursor(data, offset: entry.offset)
    var numbers: [Number] = []
    numbers.reserveCapacity(entry.count)
    for _ in 0..<entry.count {
      guard let number = read(type, try cursor.bits(size, "a number")) else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  private func require(
    _ holds: Bool, _ key: String, _ entry: GGUFEntry, _ expected: String
  ) throws(StoreError) {
    guard holds else {
      throw StoreError(
        .gguf, "is too long", file: path, offset: entry.offset, key: key, expected: expected,
        found: "\(entry.count)")
    }
  }
}
