internal import Foundation

/// What a text is searched for: a regular expression, or a class of characters of which each is a
/// match of its own.
enum TextPattern: Sendable {
  case expression(NSRegularExpression)
  case scalars(@Sendable (Unicode.Scalar) -> Bool)

  /// A stretch of a text, in its indices, that matches or lies between matches.
  struct Stretch {
    let range: Range<Int>
    let isMatch: Bool
  }

  /// Reads `{"String": text}` or `{"Regex": expression}`.
  ///
  /// ICU's expressions stand for the reference's Oniguruma: both have Unicode classes, look-ahead
  /// and nested sets; there `^` and `$` match at lines, and a line ends with U+000A only. ICU's
  /// stack is bounded: after a group repeated about a million times the rest counts as no match.
  init(_ node: JSONNode) throws(TokenizerError) {
    if let literal = try node.optional("String") {
      try self.init(
        expression: NSRegularExpression.escapedPattern(for: literal.string()), path: literal.path)
    } else {
      let expression = try node.member("Regex")
      try self.init(expression: expression.string(), path: expression.path)
    }
  }

  init(expression: String, path: String) throws(TokenizerError) {
    do {
      self = .expression(
        try NSRegularExpression(
          pattern: expression, options: [.anchorsMatchLines, .useUnixLineSeparators]))
    } catch {
      throw .invalidPattern(
        pattern: expression, path: path, reason: (error as NSError).localizedDescription)
    }
  }

  /// Cuts a text into matches and what lies between them, in order and without gaps.
  ///
  /// - Parameter utf8: well-formed UTF-8.
  func stretches(of utf8: ArraySlice<UInt8>) -> [Stretch] {
    var stretches: [Stretch] = []
    var end = utf8.startIndex
    func addMatch(_ range: Range<Int>) {
      if end < range.lowerBound {
        stretches.append(Stretch(range: end..<range.lowerBound, isMatch: false))
      }
      stretches.append(Stretch(range: range, isMatch: true))
      end = range.upperBound
    }
    switch self {
    case .expression(let expression): Self.findMatches(of: expression, in: utf8, addMatch)
    case .scalars(let contains): Self.findScalars(contains, in: utf8, addMatch)
    }
    if end < utf8.endIndex {
      stretches.append(Stretch(range: end..<utf8.endIndex, isMatch: false))
    }
    return stretches
  }

  /// The text with every match replaced.
  func replaceMatches(in utf8: ArraySlice<UInt8>, with content: [UInt8]) -> [UInt8] {
    stretches(of: utf8).flatMap { $0.isMatch ? content[...] : utf8[$0.range] }
  }

  /// Foundation counts in UTF-16; one walk along the text turns its offsets into ours.
  private static func findMatches(
    of expression: NSRegularExpression, in utf8: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void
  ) {
    let text = String(decoding: utf8, as: UTF8.self)
    var index = utf8.startIndex
    var offset = 0
    func advance(to target: Int) -> Int {
      while offset < target {
        let byteCount = UTF8Scalar.byteCount(lead: utf8[index])
        index += byteCount
        offset += byteCount == 4 ? 2 : 1
      }
      return index
    }
    let all = NSRange(location: 0, length: text.utf16.count)
    for match in expression.matches(in: text, range: all) {
      let start = advance(to: match.range.location)
      body(start..<advance(to: match.range.location + match.range.length))
    }
  }

  private static func findScalars(
    _ contains: (Unicode.Scalar) -> Bool, in utf8: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void
  ) {
    var start = utf8.startIndex
    for scalar in String(decoding: utf8, as: UTF8.self).unicodeScalars {
      let end = start + UTF8.width(scalar)
      if contains(scalar) { body(start..<end) }
      start = end
    }
  }
}
