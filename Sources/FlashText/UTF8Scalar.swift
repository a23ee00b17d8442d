/// Characters in UTF-8 by hand, where text is walked as bytes (Unicode 16, table 3-7).
enum UTF8Scalar {
  static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

  /// What stands at the start of bytes that may be cut off or ill-formed.
  enum Prefix: Equatable {
    case character(byteCount: Int)
    /// The start of a character that later bytes may complete.
    case incomplete
    /// Bytes of no character: the longest start of one that the next byte contradicts, or one byte.
    case illFormed(byteCount: Int)
  }

  /// The length of the character that starts with `lead`, in well-formed text.
  static func byteCount(lead: UInt8) -> Int {
    switch lead {
    case 0xF0...: 4
    case 0xE0...: 3
    case 0xC0...: 2
    default: 1
    }
  }

  /// - Parameter bytes: at least one.
  static func prefix(of bytes: ArraySlice<UInt8>) -> Prefix {
    let lead = bytes[bytes.startIndex]
    let byteCount: Int
    var secondBytes: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0x00...0x7F: byteCount = 1
    case 0xC2...0xDF: byteCount = 2
    case 0xE0...0xEF: byteCount = 3
    case 0xF0...0xF4: byteCount = 4
    default: return .illFormed(byteCount: 1)
    }
    switch lead {
    case 0xE0: secondBytes = 0xA0...0xBF
    case 0xED: secondBytes = 0x80...0x9F
    case 0xF0: secondBytes = 0x90...0xBF
    case 0xF4: secondBytes = 0x80...0x8F
    default: break
    }
    for (index, byte) in bytes.prefix(byteCount).enumerated().dropFirst() {
      let allowed = index == 1 ? secondBytes : 0x80...0xBF
      if !allowed.contains(byte) { return .illFormed(byteCount: index) }
    }
    return bytes.count < byteCount ? .incomplete : .character(byteCount: byteCount)
  }

  /// The first character of well-formed text.
  static func first(in utf8: ArraySlice<UInt8>) -> Unicode.Scalar? {
    guard let lead = utf8.first else { return nil }
    return String(decoding: utf8.prefix(byteCount(lead: lead)), as: UTF8.self).unicodeScalars.first
  }

  /// The last character of well-formed text.
  static func last(in utf8: ArraySlice<UInt8>) -> Unicode.Scalar? {
    guard let start = utf8.lastIndex(where: { $0 & 0xC0 != 0x80 }) else { return nil }
    return first(in: utf8[start...])
  }
}
