/// JSON text as a tree that keeps every string byte for byte and every object's members in order.
///
/// Foundation's readers key objects by `String`, and equal strings are canonically equivalent ones:
/// "é" and "e" with an accent are two tokens of one vocabulary, and one of them would be lost.
/// Depth is limited, so that no input overflows the stack. RFC 8259.
enum JSONValue: Equatable {
  case null
  case boolean(Bool)
  case integer(Int)
  case real(Double)
  case string([UInt8])
  case array([JSONValue])
  case object([Member])

  struct Member: Equatable {
    let name: [UInt8]
    let value: JSONValue
  }

  /// Reads one value that fills `utf8` but for white space around it.
  ///
  /// - Parameter document: the name that errors give the text.
  /// - Throws: `TokenizerError.malformedJSON`.
  init(utf8: [UInt8], document: String) throws(TokenizerError) {
    var reader = JSONReader(utf8: utf8, document: document)
    self = try reader.readDocument()
  }

  /// What an error message says was found.
  var summary: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .string(let utf8):
      String(String(decoding: utf8, as: UTF8.self).prefix(40)).debugDescription
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object of \(members.count)"
    }
  }
}

/// A recursive-descent reader over UTF-8.
private struct JSONReader {
  static let maximumDepth = 64

  let utf8: [UInt8]
  let document: String
  var offset = 0

  init(utf8: [UInt8], document: String) {
    self.utf8 = utf8
    self.document = document
  }

  mutating func readDocument() throws(TokenizerError) -> JSONValue {
    if utf8.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }  // a byte order mark, by some editors
    guard String(validating: utf8, as: UTF8.self) != nil else { throw expected("UTF-8") }
    let value = try readValue(depth: 0)
    skipWhitespace()
    guard offset == utf8.count else { throw expected("the end") }
    return value
  }

  private func expected(_ what: String) -> TokenizerError {
    .malformedJSON(document: document, byteOffset: offset, expected: what)
  }

  private var next: UInt8? { offset < utf8.count ? utf8[offset] : nil }

  private mutating func skipWhitespace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      offset += 1
    }
  }

  /// Skips white space, then `character` where it comes next.
  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    skipWhitespace()
    guard next == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  private mutating func readValue(depth: Int) throws(TokenizerError) -> JSONValue {
    guard depth < Self.maximumDepth else {
      throw expected("at most \(Self.maximumDepth) levels of nesting")
    }
    skipWhitespace()
    switch next {
    case UInt8(ascii: "{"): return try readObject(depth: depth)
    case UInt8(ascii: "["): return try readArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try readString())
    case UInt8(ascii: "t"): return try readWord("true", .boolean(true))
    case UInt8(ascii: "f"): return try readWord("false", .boolean(false))
    case UInt8(ascii: "n"): return try readWord("null", .null)
    default: return try readNumber()
    }
  }

  private mutating func readWord(
    _ word: String, _ value: JSONValue
  ) throws(TokenizerError) -> JSONValue {
    guard utf8[offset...].starts(with: word.utf8) else { throw expected("a value") }
    offset += word.utf8.count
    return value
  }

  private mutating func readObject(depth: Int) throws(TokenizerError) -> JSONValue {
    offset += 1
    var members: [JSONValue.Member] = []
    if skip("}") { return .object(members) }
    repeat {
      skipWhitespace()
      guard next == UInt8(ascii: "\"") else { throw expected("a member's name") }
      let name = try readString()
      guard skip(":") else { throw expected("':'") }
      members.append(.init(name: name, value: try readValue(depth: depth + 1)))
    } while skip(",")
    guard skip("}") else { throw expected("',' or '}'") }
    return .object(members)
  }

  private mutating func readArray(depth: Int) throws(TokenizerError) -> JSONValue {
    offset += 1
    var elements: [JSONValue] = []
    if skip("]") { return .array(elements) }
    repeat {
      elements.append(try readValue(depth: depth + 1))
    } while skip(",")
    guard skip("]") else { throw expected("',' or ']'") }
    return .array(elements)
  }

  private mutating func readNumber() throws(TokenizerError) -> JSONValue {
    let start = offset
    while let byte = next, isInNumber(byte) { offset += 1 }
    let text = String(decoding: utf8[start..<offset], as: UTF8.self)
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    let isWellFormed =
      digits.first?.isNumber == true
      && (digits.first != "0" || digits.dropFirst().first?.isNumber != true)
    if isWellFormed, let value = Int(text) { return .integer(value) }
    if isWellFormed, let value = Double(text) { return .real(value) }
    offset = start
    throw expected("a value")
  }

  private func isInNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
      UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
      true
    default: false
    }
  }

  private mutating func readString() throws(TokenizerError) -> [UInt8] {
    offset += 1
    var result: [UInt8] = []
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw expected("no control character in a string") }
      offset += 1
      if byte == UInt8(ascii: "\\") {
        try readEscape(into: &result)
      } else {
        result.append(byte)
      }
    }
    guard next != nil else { throw expected("'\"'") }
    offset += 1
    return result
  }

  private mutating func readEscape(into result: inout [UInt8]) throws(TokenizerError) {
    guard let byte = next else { throw expected("an escaped character") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0C)
    case UInt8(ascii: "n"): result.append(0x0A)
    case UInt8(ascii: "r"): result.append(0x0D)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "u"): result.append(contentsOf: String(try readUnicodeEscape()).utf8)
    default: throw expected("an escaped character")
    }
  }

  /// Reads the four digits after `\u`, and the second half of a surrogate pair.
  private mutating func readUnicodeEscape() throws(TokenizerError) -> Unicode.Scalar {
    let unit = try readHexadecimal()
    if let scalar = Unicode.Scalar(UInt32(unit)) { return scalar }
    guard UTF16.isLeadSurrogate(unit), utf8[offset...].starts(with: "\\u".utf8) else {
      throw expected("a surrogate pair")
    }
    offset += 2
    let trail = try readHexadecimal()
    guard UTF16.isTrailSurrogate(trail) else { throw expected("a surrogate pair") }
    return UTF16.decode(UTF16.EncodedScalar([unit, trail]))
  }

  private mutating func readHexadecimal() throws(TokenizerError) -> UInt16 {
    let digits = utf8[offset...].prefix(4)
    guard digits.count == 4, digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"),
      let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw expected("four hexadecimal digits") }
    offset += 4
    return unit
  }
}
