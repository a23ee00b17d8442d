/// Languages whose comments and string literals can be told from code.
enum MaskedLanguage { case swift, c }

/// `text` with every byte of comments and string literals replaced by a space; line breaks stay, so
/// that line numbers hold. Code inside a Swift interpolation stays code. Swift's regex literals are
/// not known.
func maskingCommentsAndStrings(of text: String, as language: MaskedLanguage) -> String {
  var masker = CodeMasker(bytes: Array(text.utf8), language: language)
  return masker.masked()
}

/// One pass over the bytes of a file; `stack` says whether the next byte is code or literal.
private struct CodeMasker {
  enum Context {
    /// Code, with the parentheses open in it; inside an interpolation, one too many ends it.
    case code(parentheses: Int)
    case string(hashes: Int, isMultiline: Bool)
    case character
  }

  /// The bytes with which a comment or a literal can begin, and parentheses.
  static let codeMarks = Array("/\"#'()".utf8)

  let bytes: [UInt8]
  let language: MaskedLanguage
  var output: [UInt8] = []
  var index = 0
  var stack: [Context] = [.code(parentheses: 0)]

  init(bytes: [UInt8], language: MaskedLanguage) {
    self.bytes = bytes
    self.language = language
    output.reserveCapacity(bytes.count)
  }

  mutating func masked() -> String {
    while index < bytes.count {
      switch stack[stack.count - 1] {
      case .code(let parentheses): readCode(parentheses: parentheses)
      case .string(let hashes, let isMultiline):
        readString(hashes: hashes, isMultiline: isMultiline)
      case .character: readCharacter()
      }
    }
    return String(decoding: output, as: UTF8.self)
  }

  private func has(_ text: String, at start: Int) -> Bool {
    bytes[min(start, bytes.count)...].starts(with: text.utf8)
  }

  private mutating func mask(_ count: Int = 1) {
    for byte in bytes[index..<min(index + count, bytes.count)] {
      output.append(byte == UInt8(ascii: "\n") ? byte : UInt8(ascii: " "))
    }
    index += count
  }

  private mutating func keep() {
    output.append(bytes[index])
    index += 1
  }

  private mutating func readCode(parentheses: Int) {
    if !Self.codeMarks.contains(bytes[index]) {
      keep()
    } else if has("//", at: index) {
      while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { mask() }
    } else if has("/*", at: index) {
      maskBlockComment()
    } else if let opening = stringOpening() {
      stack.append(.string(hashes: opening.hashes, isMultiline: opening.isMultiline))
      mask(opening.hashes + (opening.isMultiline ? 3 : 1))
    } else if language == .c, has("'", at: index) {
      stack.append(.character)
      mask()
    } else if has(")", at: index), parentheses == 0, stack.count > 1 {
      stack.removeLast()
      mask()
    } else {
      let change = has("(", at: index) ? 1 : has(")", at: index) ? -1 : 0
      stack[stack.count - 1] = .code(parentheses: parentheses + change)
      keep()
    }
  }

  /// Swift's block comments nest; C's do not.
  private mutating func maskBlockComment() {
    var depth = 0
    repeat {
      if has("/*", at: index), language == .swift || depth == 0 {
        depth += 1
        mask(2)
      } else if has("*/", at: index) {
        depth -= 1
        mask(2)
      } else {
        mask()
      }
    } while depth > 0 && index < bytes.count
  }

  private func stringOpening() -> (hashes: Int, isMultiline: Bool)? {
    var hashes = 0
    if language == .swift {
      while has("#", at: index + hashes) { hashes += 1 }
    }
    guard has("\"", at: index + hashes) else { return nil }
    return (hashes, language == .swift && has("\"\"\"", at: index + hashes))
  }

  private func hasHashes(_ count: Int, at start: Int) -> Bool {
    start + count <= bytes.count
      && bytes[start..<start + count].allSatisfy { $0 == UInt8(ascii: "#") }
  }

  private mutating func readString(hashes: Int, isMultiline: Bool) {
    let quotes = isMultiline ? 3 : 1
    if has("\\", at: index), hasHashes(hashes, at: index + 1) {
      if language == .swift, has("(", at: index + 1 + hashes) {
        stack.append(.code(parentheses: 0))
      }
      mask(2 + hashes)
    } else if isMultiline ? has("\"\"\"", at: index) : has("\"", at: index),
      hasHashes(hashes, at: index + quotes)
    {
      stack.removeLast()
      mask(quotes + hashes)
    } else {
      if !isMultiline, has("\n", at: index) { stack.removeLast() }
      mask()
    }
  }

  private mutating func readCharacter() {
    if has("\\", at: index) {
      mask(2)
    } else {
      if has("'", at: index) || has("\n", at: index) { stack.removeLast() }
      mask()
    }
  }
}
