/// What becomes of the matches at which a text is split (the reference's `SplitDelimiterBehavior`).
enum SplitBehavior: Sendable {
  case removed
  case isolated
  case contiguous
  case mergedWithPrevious
  case mergedWithNext

  init(_ node: JSONNode) throws(TokenizerError) {
    switch try node.string() {
    case "Removed": self = .removed
    case "Isolated": self = .isolated
    case "Contiguous": self = .contiguous
    case "MergedWithPrevious": self = .mergedWithPrevious
    case "MergedWithNext": self = .mergedWithNext
    default: throw node.unexpected("a split behavior")
    }
  }

  /// The pieces of a text, in order, from its stretches; none is empty.
  func pieces(_ stretches: [TextPattern.Stretch]) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    switch self {
    case .removed: pieces = stretches.filter { !$0.isMatch }.map(\.range)
    case .isolated: pieces = stretches.map(\.range)
    case .contiguous:
      var previous = false
      for stretch in stretches {
        Self.add(stretch.range, to: &pieces, joins: stretch.isMatch == previous)
        previous = stretch.isMatch
      }
    case .mergedWithPrevious:
      var previous = false
      for stretch in stretches {
        Self.add(stretch.range, to: &pieces, joins: stretch.isMatch && !previous)
        previous = stretch.isMatch
      }
    case .mergedWithNext:
      var next = false
      for stretch in stretches.reversed() {
        Self.add(stretch.range, to: &pieces, joins: stretch.isMatch && !next)
        next = stretch.isMatch
      }
      pieces.reverse()
    }
    return pieces.filter { !$0.isEmpty }
  }

  /// Appends a piece, or widens the last one by it.
  private static func add(_ range: Range<Int>, to pieces: inout [Range<Int>], joins: Bool) {
    if joins, let last = pieces.popLast() {
      let lower = min(last.lowerBound, range.lowerBound)
      pieces.append(lower..<max(last.upperBound, range.upperBound))
    } else {
      pieces.append(range)
    }
  }
}
