/// What can be wrong with a tokenizer's files or with a line of tokens. A `path` is where in the
/// file: `pre_tokenizer.pretokenizers[1].pattern`.
package enum TokenizerError: Error, Equatable, CustomStringConvertible {
  /// The text is no JSON: the byte where reading stopped, and what should stand there.
  case malformedJSON(document: String, byteOffset: Int, expected: String)
  /// A field is absent or holds something else.
  case unexpectedValue(path: String, expected: String, found: String)
  /// A part of the reference's repertoire that this tokenizer does not have.
  case unsupported(part: String, path: String)
  /// A token is named that no vocabulary holds.
  case unknownToken(token: String, path: String)
  /// A regular expression does not compile.
  case invalidPattern(pattern: String, path: String, reason: String)
  /// A line given to `tokenize` holds something else than it should.
  case invalidLine(expected: String, found: String)

  package var description: String {
    switch self {
    case .malformedJSON(let document, let byteOffset, let expected):
      "\(document) is not JSON: at byte \(byteOffset) expected \(expected)"
    case .unexpectedValue(let path, let expected, let found):
      "tokenizer: \(path): expected \(expected), found \(found)"
    case .unsupported(let part, let path):
      "tokenizer: \(path): \(part) is not supported"
    case .unknownToken(let token, let path):
      "tokenizer: \(path): token \(token.debugDescription) is not in the vocabulary"
    case .invalidPattern(let pattern, let path, let reason):
      "tokenizer: \(path): the regular expression \(pattern.debugDescription) is invalid: \(reason)"
    case .invalidLine(let expected, let found):
      "expected \(expected), found \(found)"
    }
  }
}
