internal import Foundation

/// What is done to a text before it is split: the member `normalizer`.
indirect enum Normalizer: Sendable {
  case sequence([Normalizer])
  case nfc
  case nfd
  case nfkc
  case nfkd
  case lowercase
  case stripAccents
  case byteLevel
  case prepend([UInt8])
  case replace(TextPattern, [UInt8])
  case strip(left: Bool, right: Bool)

  init(_ node: JSONNode) throws(TokenizerError) {
    let type = try node.member("type").string()
    switch type {
    case "Sequence":
      var parts: [Normalizer] = []
      for element in try node.member("normalizers").elements() { parts.append(try Self(element)) }
      self = .sequence(parts)
    case "NFC": self = .nfc
    case "NFD": self = .nfd
    case "NFKC": self = .nfkc
    case "NFKD": self = .nfkd
    case "Lowercase": self = .lowercase
    case "StripAccents": self = .stripAccents
    case "ByteLevel": self = .byteLevel
    case "Prepend": self = .prepend(try node.member("prepend").utf8())
    case "Replace":
      self = .replace(
        try TextPattern(node.member("pattern")), try node.member("content").utf8())
    case "Strip":
      self = .strip(
        left: try node.flag("strip_left", absent: true),
        right: try node.flag("strip_right", absent: true))
    default: throw .unsupported(part: "normalizer \(type)", path: node.path)
    }
  }

  /// - Parameter utf8: well-formed UTF-8, as is the result.
  func apply(_ utf8: [UInt8]) -> [UInt8] {
    let text: String
    switch self {
    case .sequence(let parts): return parts.reduce(utf8) { $1.apply($0) }
    case .prepend(let prefix): return utf8.isEmpty ? [] : prefix + utf8
    case .replace(let pattern, let content):
      return pattern.replaceMatches(in: utf8[...], with: content)
    case .byteLevel: return ByteLevelAlphabet.spell(utf8)
    default: text = String(decoding: utf8, as: UTF8.self)
    }
    switch self {
    case .nfc: return Array(text.precomposedStringWithCanonicalMapping.utf8)
    case .nfd: return Array(text.decomposedStringWithCanonicalMapping.utf8)
    case .nfkc: return Array(text.precomposedStringWithCompatibilityMapping.utf8)
    case .nfkd: return Array(text.decomposedStringWithCompatibilityMapping.utf8)
    case .lowercase:
      // A character at a time, as the reference: no final sigma.
      return text.unicodeScalars.flatMap { $0.properties.lowercaseMapping.utf8 }
    case .stripAccents:
      return text.unicodeScalars.filter { !ScalarClass.isMark($0) }.flatMap { String($0).utf8 }
    case .strip(let left, let right):
      var scalars = Substring(text).unicodeScalars
      if left { scalars = scalars.drop(while: ScalarClass.isWhitespace) }
      while right, let last = scalars.last, ScalarClass.isWhitespace(last) { scalars.removeLast() }
      return Array(Substring(scalars).utf8)
    default: return utf8
    }
  }
}
