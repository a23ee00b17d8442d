/// The tokens that are found in a text before it is split: the member `added_tokens`.
///
/// Those with `normalized` false are searched in the text as it came, the others in what the
/// normalizer made of it; of several that begin at one place the longest counts.
struct AddedTokens: Sendable {
  /// One token and the conditions of its match.
  struct Token: Sendable {
    let id: Int32
    let text: [UInt8]
    let isSpecial: Bool
    let isNormalized: Bool
    /// Takes the white space before it, after it.
    let stripsLeft: Bool
    let stripsRight: Bool
    let isSingleWord: Bool
  }

  /// A part of a text: a token, or text between tokens.
  enum Part {
    case token(Int32)
    case text(Range<Int>)
  }

  let vocabulary: Vocabulary
  let specialIDs: Set<Int32>
  /// What a decoder is given for tokens with `normalized` true: it undoes the normalizer's work.
  private(set) var normalizedTexts: [Int32: [UInt8]] = [:]
  private let tokens: [Token]
  private var asWritten = ByteTrie()
  private var normalized = ByteTrie()

  /// Reads the array; a missing one holds no tokens.
  ///
  /// - Parameter model: the model's vocabulary, whose id counts where a token is in it too.
  init(_ node: JSONNode?, model: Vocabulary) throws(TokenizerError) {
    var vocabulary = Vocabulary()
    var tokens: [Token] = []
    for element in try node?.elements() ?? [] {
      let token = try Token(element, model: model)
      if token.text.isEmpty { continue }
      vocabulary.add(token.text, id: token.id)
      tokens.append(token)
    }
    self.vocabulary = vocabulary
    self.tokens = tokens
    specialIDs = Set(tokens.filter(\.isSpecial).map(\.id))
  }

  /// Makes the tokens known to `split`, those with `normalized` true as `normalizer` writes them.
  mutating func buildTries(normalizer: Normalizer?) {
    for (index, token) in tokens.enumerated() {
      if token.isNormalized {
        let text = normalizer?.apply(token.text) ?? token.text
        normalizedTexts[token.id] = text
        normalized.insert(text, value: index)
      } else {
        asWritten.insert(token.text, value: index)
      }
    }
  }

  /// Finds the tokens in a text; the texts between them are not empty.
  ///
  /// - Parameters:
  ///   - isNormalized: which of the two groups to look for.
  ///   - parseSpecial: whether special tokens count; else they are text, others still count.
  /// - Complexity: O(n) times the longest token.
  func split(_ utf8: [UInt8], isNormalized: Bool, parseSpecial: Bool) -> [Part] {
    let trie = isNormalized ? normalized : asWritten
    var parts: [Part] = []
    var textStart = 0
    var position = 0
    while position < utf8.count {
      guard let match = trie.longestMatch(in: utf8, at: position) else {
        position += 1
        continue
      }
      let token = tokens[match.value]
      var start = position
      position = match.end
      if token.isSpecial && !parseSpecial { continue }
      if token.isSingleWord, Self.touchesWord(start..<match.end, in: utf8) { continue }
      if token.stripsLeft { start = max(textStart, Self.spaceStart(before: start, in: utf8)) }
      var end = match.end
      if token.stripsRight { end = Self.spaceEnd(after: end, in: utf8) }
      if textStart < start { parts.append(.text(textStart..<start)) }
      parts.append(.token(token.id))
      textStart = end
    }
    if textStart < utf8.count { parts.append(.text(textStart..<utf8.count)) }
    return parts
  }

  private static func touchesWord(_ range: Range<Int>, in utf8: [UInt8]) -> Bool {
    let before = UTF8Scalar.last(in: utf8[..<range.lowerBound])
    let after = UTF8Scalar.first(in: utf8[range.upperBound...])
    return [before, after].contains { $0.map(ScalarClass.isWord) ?? false }
  }

  private static func spaceStart(before position: Int, in utf8: [UInt8]) -> Int {
    var start = position
    while let scalar = UTF8Scalar.last(in: utf8[..<start]), ScalarClass.isWhitespace(scalar) {
      start -= UTF8.width(scalar)
    }
    return start
  }

  private static func spaceEnd(after position: Int, in utf8: [UInt8]) -> Int {
    var end = position
    while let scalar = UTF8Scalar.first(in: utf8[end...]), ScalarClass.isWhitespace(scalar) {
      end += UTF8.width(scalar)
    }
    return end
  }
}

extension AddedTokens.Token {
  init(_ node: JSONNode, model: Vocabulary) throws(TokenizerError) {
    text = try node.member("content").utf8()
    let writtenID = try node.member("id").tokenID()
    id = model.id(of: text) ?? writtenID
    isSpecial = try node.flag("special")
    isNormalized = try node.flag("normalized", absent: !isSpecial)
    stripsLeft = try node.flag("lstrip")
    stripsRight = try node.flag("rstrip")
    isSingleWord = try node.flag("single_word")
  }
}

/// Byte strings by their prefixes.
struct ByteTrie: Sendable {
  /// Child nodes by parent's number and byte, the parent in the upper bits. Node 0 is the root.
  private var children: [Int: Int] = [:]
  private var values: [Int?] = [nil]
  /// Most positions of a text begin no token: they end here, without a dictionary.
  private var isFirstByte = [Bool](repeating: false, count: 256)

  mutating func insert(_ text: [UInt8], value: Int) {
    guard let first = text.first else { return }
    isFirstByte[Int(first)] = true
    var node = 0
    for byte in text {
      let key = node << 8 | Int(byte)
      if let child = children[key] {
        node = child
      } else {
        children[key] = values.count
        node = values.count
        values.append(nil)
      }
    }
    values[node] = value
  }

  /// The longest string that `utf8` continues with at `position`.
  func longestMatch(in utf8: [UInt8], at position: Int) -> (end: Int, value: Int)? {
    guard isFirstByte[Int(utf8[position])] else { return nil }
    var longest: (end: Int, value: Int)?
    var node = 0
    for index in position..<utf8.count {
      guard let child = children[node << 8 | Int(utf8[index])] else { break }
      node = child
      if let value = values[node] { longest = (index + 1, value) }
    }
    return longest
  }
}
