/// Finding whole words in a line of code.
extension Substring {
  /// Whether `word` stands in the line with no letter, digit or underscore next to it.
  func hasWord(_ word: String) -> Bool {
    guard contains(word) else { return false }
    return ranges(of: word).contains { range in
      let before = self[..<range.lowerBound].last
      let after = self[range.upperBound...].first
      return before?.isWordCharacter != true && after?.isWordCharacter != true
    }
  }

  /// Whether the line calls `name`, as a function and not as a method of something.
  func calls(_ name: String) -> Bool {
    guard contains(name) else { return false }
    return ranges(of: name).contains { range in
      let before = self[..<range.lowerBound].last
      return before?.isWordCharacter != true && before != "."
        && self[range.upperBound...].first == "("
    }
  }

  /// Without the spaces at both ends.
  var trimmed: Substring {
    let start = firstIndex { $0 != " " } ?? endIndex
    let end = lastIndex { $0 != " " }.map(index(after:)) ?? startIndex
    return start < end ? self[start..<end] : self[start..<start]
  }
}

extension Character {
  fileprivate var isWordCharacter: Bool { isLetter || isNumber || self == "_" }
}
