/// How a normalized text is split into the pieces that are encoded one by one: the member
/// `pre_tokenizer`.
indirect enum PreTokenizer: Sendable {
  case sequence([PreTokenizer])
  case split(TextPattern, SplitBehavior, isInverted: Bool)
  case byteLevel(addsPrefixSpace: Bool, TextPattern?)
  case metaspace(Metaspace)

  /// Part of a text, UTF-8.
  struct Piece {
    var utf8: ArraySlice<UInt8>
    /// Whether it begins where the whole text begins.
    var startsText: Bool
  }

  /// GPT-2's splitter (openai/gpt-2, `encoder.py`), which ByteLevel has built in.
  private static let byteLevelExpression =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  init(_ node: JSONNode) throws(TokenizerError) {
    let type = try node.member("type").string()
    switch type {
    case "Sequence":
      var parts: [PreTokenizer] = []
      for element in try node.member("pretokenizers").elements() { parts.append(try Self(element)) }
      self = .sequence(parts)
    case "ByteLevel":
      let usesExpression = try node.flag("use_regex", absent: true)
      self = .byteLevel(
        addsPrefixSpace: try node.flag("add_prefix_space", absent: true),
        usesExpression
          ? try TextPattern(expression: Self.byteLevelExpression, path: node.path) : nil)
    case "Split":
      self = .split(
        try TextPattern(node.member("pattern")), try SplitBehavior(node.member("behavior")),
        isInverted: try node.flag("invert"))
    case "Digits":
      self = .split(
        .scalars(ScalarClass.isNumeric),
        try node.flag("individual_digits") ? .isolated : .contiguous, isInverted: false)
    case "Punctuation":
      let behavior = try node.optional("behavior")
      self = .split(
        .scalars(ScalarClass.isPunctuation),
        try behavior.map { (node) throws(TokenizerError) in try SplitBehavior(node) } ?? .isolated,
        isInverted: false)
    case "Whitespace":
      self = .split(
        try TextPattern(expression: #"\w+|[^\w\s]+"#, path: node.path), .removed, isInverted: true)
    case "WhitespaceSplit":
      self = .split(.scalars(ScalarClass.isWhitespace), .removed, isInverted: false)
    case "Metaspace": self = .metaspace(try Metaspace(node))
    default: throw .unsupported(part: "pre-tokenizer \(type)", path: node.path)
    }
  }

  /// The pieces of pieces, in order; none is empty.
  func apply(_ pieces: [Piece]) -> [Piece] {
    switch self {
    case .sequence(let parts): return parts.reduce(pieces) { $1.apply($0) }
    case .split(let pattern, let behavior, let isInverted):
      return pieces.flatMap { piece in
        var stretches = pattern.stretches(of: piece.utf8)
        if isInverted {
          stretches = stretches.map { .init(range: $0.range, isMatch: !$0.isMatch) }
        }
        return piece.split(behavior.pieces(stretches))
      }
    case .byteLevel(let addsPrefixSpace, let pattern):
      return pieces.flatMap { piece in
        var piece = piece
        if addsPrefixSpace, piece.utf8.first != UInt8(ascii: " ") {
          piece.utf8 = [UInt8(ascii: " ")] + piece.utf8
        }
        var parts = [piece]
        if let pattern {
          parts = piece.split(SplitBehavior.isolated.pieces(pattern.stretches(of: piece.utf8)))
        }
        for index in parts.indices {
          parts[index].utf8 = ByteLevelAlphabet.spell(parts[index].utf8)[...]
        }
        return parts
      }
    case .metaspace(let metaspace): return pieces.flatMap(metaspace.apply)
    }
  }
}

extension PreTokenizer.Piece {
  /// The parts of this piece at `ranges` of it.
  func split(_ ranges: [Range<Int>]) -> [Self] {
    ranges.map { range in
      Self(utf8: utf8[range], startsText: startsText && range.lowerBound == utf8.startIndex)
    }
  }
}
