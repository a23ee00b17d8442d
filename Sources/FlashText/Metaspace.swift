/// SentencePiece's spelling of spaces as a visible character, with one before the text as wished
/// (arXiv:1808.06226, section 3.1).
struct Metaspace: Sendable {
  enum PrependScheme: Sendable {
    case first
    case always
    case never
  }

  let replacement: Unicode.Scalar
  let prependScheme: PrependScheme
  private let splits: Bool

  /// Reads the pre-tokenizer or the decoder of this name; `add_prefix_space: false` is the old
  /// spelling of `prepend_scheme: "never"`.
  init(_ node: JSONNode) throws(TokenizerError) {
    let text = try node.member("replacement").string().unicodeScalars
    guard let scalar = text.first, text.count == 1 else {
      throw try node.member("replacement").unexpected("one character")
    }
    replacement = scalar
    splits = try node.flag("split", absent: true)
    let scheme = try node.optional("prepend_scheme")
    switch try scheme?.string() {
    case "first": prependScheme = .first
    case "never": prependScheme = .never
    case "always": prependScheme = .always
    case nil: prependScheme = try node.flag("add_prefix_space", absent: true) ? .always : .never
    default: throw scheme?.unexpected("first, always or never") ?? node.unexpected("a scheme")
    }
  }

  /// The pieces of a text, each but perhaps the first with its leading replacement.
  func apply(_ piece: PreTokenizer.Piece) -> [PreTokenizer.Piece] {
    let mark = Array(String(replacement).utf8)
    var utf8: [UInt8] = []
    for byte in piece.utf8 {
      if byte == UInt8(ascii: " ") { utf8 += mark } else { utf8.append(byte) }
    }
    let prepends =
      switch prependScheme {
      case .always: true
      case .first: piece.startsText
      case .never: false
      }
    if prepends, !utf8.starts(with: mark) { utf8 = mark + utf8 }
    let whole = PreTokenizer.Piece(utf8: utf8[...], startsText: piece.startsText)
    if !splits { return [whole] }
    let pattern = TextPattern.scalars { [replacement] in $0 == replacement }
    return whole.split(SplitBehavior.mergedWithNext.pieces(pattern.stretches(of: whole.utf8)))
  }
}
