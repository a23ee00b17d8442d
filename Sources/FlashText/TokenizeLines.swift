/// The lines that `tokenize` reads and writes: JSON strings and JSON arrays of ids.
package enum TokenizeLines {
  /// A line with a JSON string to a line with the array of its ids: `"Hello"` to `[15496]`.
  ///
  /// - Throws: `TokenizerError` where the line is no JSON string.
  package static func encodeLine(
    _ line: String, tokenizer: Tokenizer, addSpecialTokens: Bool, parseSpecialTokens: Bool
  ) throws(TokenizerError) -> String {
    let value = try JSONValue(utf8: Array(line.utf8), document: "the line")
    guard case .string(let utf8) = value else {
      throw .invalidLine(expected: "a JSON string", found: value.summary)
    }
    let ids = tokenizer.encode(
      String(decoding: utf8, as: UTF8.self), addSpecialTokens: addSpecialTokens,
      parseSpecialTokens: parseSpecialTokens)
    return "[\(ids.map(String.init).joined(separator: ","))]"
  }

  /// A line with a JSON array of ids to a line with the JSON string of their text.
  ///
  /// - Throws: `TokenizerError` where the line is no such array or an id is of no token.
  package static func decodeLine(
    _ line: String, tokenizer: Tokenizer, skipSpecialTokens: Bool
  ) throws(TokenizerError) -> String {
    let value = try JSONValue(utf8: Array(line.utf8), document: "the line")
    guard case .array(let elements) = value else {
      throw .invalidLine(expected: "a JSON array of token ids", found: value.summary)
    }
    var ids: [Int32] = []
    for (index, element) in elements.enumerated() {
      guard case .integer(let number) = element, let id = Int32(exactly: number),
        tokenizer.tokenText(id) != nil
      else {
        throw .invalidLine(
          expected: "a token id of the vocabulary (\(tokenizer.vocabularySize) ids)",
          found: "\(element.summary) at index \(index)")
      }
      ids.append(id)
    }
    return JSONText.quote(tokenizer.decode(ids, skipSpecialTokens: skipSpecialTokens))
  }
}
