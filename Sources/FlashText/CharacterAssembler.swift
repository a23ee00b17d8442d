/// Bytes in, whole characters out. Bytes that no later one can make a character of become U+FFFD:
/// one for each byte, or one for the longest start of a character as Unicode recommends (chapter
/// 3.9, "Substitution of Maximal Subparts").
struct CharacterAssembler: Sendable {
  let replacesEachByte: Bool
  /// At most three bytes, the start of a character.
  private var pending: [UInt8] = []

  init(replacesEachByte: Bool) {
    self.replacesEachByte = replacesEachByte
  }

  /// The characters that are whole now.
  mutating func append(_ bytes: [UInt8]) -> [UInt8] {
    let all = pending + bytes
    var rest = all[...]
    var text: [UInt8] = []
    while !rest.isEmpty {
      switch UTF8Scalar.prefix(of: rest) {
      case .character(let byteCount):
        text.append(contentsOf: rest.prefix(byteCount))
        rest = rest.dropFirst(byteCount)
      case .illFormed(let byteCount):
        text.append(contentsOf: replacement(byteCount: byteCount))
        rest = rest.dropFirst(byteCount)
      case .incomplete:
        pending = Array(rest)
        return text
      }
    }
    pending = []
    return text
  }

  /// What stands for the bytes that were kept.
  mutating func finish() -> [UInt8] {
    defer { pending = [] }
    return pending.isEmpty ? [] : replacement(byteCount: pending.count)
  }

  private func replacement(byteCount: Int) -> [UInt8] {
    Array(
      repeatElement(UTF8Scalar.replacement, count: replacesEachByte ? byteCount : 1).joined())
  }
}
