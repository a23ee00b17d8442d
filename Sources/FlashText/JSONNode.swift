/// One value of a tokenizer's file and where it stands, so that every error can name the place.
struct JSONNode {
  let value: JSONValue
  let path: String

  /// The object's member; `nil` where it is absent or null.
  ///
  /// - Throws: where this is no object.
  func optional(_ name: String) throws(TokenizerError) -> JSONNode? {
    guard case .object(let members) = value else { throw unexpected("an object") }
    let member = members.last { $0.name.elementsEqual(name.utf8) }
    guard let member, member.value != .null else { return nil }
    return JSONNode(value: member.value, path: path.isEmpty ? name : "\(path).\(name)")
  }

  /// The object's member.
  ///
  /// - Throws: where it is absent or null.
  func member(_ name: String) throws(TokenizerError) -> JSONNode {
    if let member = try optional(name) { return member }
    throw .unexpectedValue(
      path: path.isEmpty ? name : "\(path).\(name)", expected: "a value", found: "nothing")
  }

  func elements() throws(TokenizerError) -> [JSONNode] {
    guard case .array(let elements) = value else { throw unexpected("an array") }
    return elements.enumerated().map { JSONNode(value: $1, path: "\(path)[\($0)]") }
  }

  func utf8() throws(TokenizerError) -> [UInt8] {
    guard case .string(let utf8) = value else { throw unexpected("a string") }
    return utf8
  }

  func string() throws(TokenizerError) -> String { String(decoding: try utf8(), as: UTF8.self) }

  func integer() throws(TokenizerError) -> Int {
    guard case .integer(let value) = value else { throw unexpected("a whole number") }
    return value
  }

  /// A token's id.
  ///
  /// - Throws: where it is no whole number from 0 to `Int32.max`.
  func tokenID() throws(TokenizerError) -> Int32 {
    guard case .integer(let value) = value, value >= 0, let id = Int32(exactly: value) else {
      throw unexpected("a token id")
    }
    return id
  }

  /// The object's member, a Boolean; `absent` where there is none.
  func flag(_ name: String, absent: Bool = false) throws(TokenizerError) -> Bool {
    guard let member = try optional(name) else { return absent }
    guard case .boolean(let value) = member.value else { throw member.unexpected("a Boolean") }
    return value
  }

  func unexpected(_ expected: String) -> TokenizerError {
    .unexpectedValue(
      path: path.isEmpty ? "the file" : path, expected: expected, found: value.summary)
  }
}
