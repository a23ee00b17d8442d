/// The classes of characters that the reference's splitters and added tokens ask for.
enum ScalarClass {
  /// Categories Nd, Nl and No.
  static func isNumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }

  /// Categories P and the rest of ASCII's punctuation.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      true
    default: "$+<=>^`|~".unicodeScalars.contains(scalar)
    }
  }

  static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }

  static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }

  /// `\w` of Unicode's regular expressions (UTS 18, annex C).
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    return properties.isAlphabetic || isMark(scalar) || properties.isJoinControl
      || properties.generalCategory == .decimalNumber
      || properties.generalCategory == .connectorPunctuation
  }
}
