/// GPT-2's spelling of bytes as printable characters: 188 bytes stand for the Latin-1 character of
/// that number, the other 68 for U+0100 and up, in order (openai/gpt-2, `bytes_to_unicode`).
enum ByteLevelAlphabet {
  /// The UTF-8 text of each byte's character.
  static let characters: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  /// The byte of each character's scalar value, and `nil` for what is no such character.
  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  private static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt8.min...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? Unicode.Scalar(byte)
      }
    }
  }()

  /// Every byte as its character.
  static func spell(_ utf8: some Sequence<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    for byte in utf8 { text.append(contentsOf: characters[Int(byte)]) }
    return text
  }

  /// The bytes that `text` spells, or `text` itself where a character of it spells none: an added
  /// token is plain text.
  static func bytes(of text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      guard scalar.value < bytes.count, let byte = bytes[Int(scalar.value)] else { return text }
      result.append(byte)
    }
    return result
  }
}
