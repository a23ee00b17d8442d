/// Tokens by text and by id. Texts are bytes, because `String` would take canonically equivalent
/// tokens for one; ids are looked up, because a file may leave gaps of any size.
struct Vocabulary: Sendable {
  private var ids: [[UInt8]: Int32] = [:]
  private var texts: [Int32: [UInt8]] = [:]
  private(set) var maximumID: Int32 = -1

  func id(of text: [UInt8]) -> Int32? { ids[text] }

  func text(of id: Int32) -> [UInt8]? { texts[id] }

  /// Adds a token; the last of several with one text or one id counts, as in the reference.
  mutating func add(_ text: [UInt8], id: Int32) {
    ids[text] = id
    texts[id] = text
    maximumID = max(maximumID, id)
  }

  mutating func reserveCapacity(_ count: Int) {
    ids.reserveCapacity(count)
    texts.reserveCapacity(count)
  }
}
