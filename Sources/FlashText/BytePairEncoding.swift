/// Byte pair encoding: a piece of text starts as its characters, and the pair of neighbours that
/// was merged first in training is merged first, the leftmost of equals (Sennrich et al. 2016,
/// arXiv:1508.07909). What the vocabulary lacks becomes bytes or the unknown token.
struct BytePairEncoding: Sendable {
  private struct Merge {
    let rank: Int32
    let id: Int32
  }

  let vocabulary: Vocabulary
  /// By the ids of left and right, left in the upper half.
  private let merges: [UInt64: Merge]
  /// The ids of `<0x00>` to `<0xFF>`; empty without byte fallback.
  private let byteIDs: [Int32?]
  private let unknownID: Int32?
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool
  private let continuingPrefix: [UInt8]
  private let endSuffix: [UInt8]

  /// Reads the member `model`.
  ///
  /// - Parameters:
  ///   - vocabulary: its vocabulary, `readVocabulary`.
  ///   - addedTokens: where the unknown token is looked for after that.
  init(_ node: JSONNode, vocabulary: Vocabulary, addedTokens: Vocabulary) throws(TokenizerError) {
    self.vocabulary = vocabulary
    continuingPrefix = try node.optional("continuing_subword_prefix")?.utf8() ?? []
    endSuffix = try node.optional("end_of_word_suffix")?.utf8() ?? []
    fusesUnknown = try node.flag("fuse_unk")
    ignoresMerges = try node.flag("ignore_merges")
    merges = try Self.readMerges(
      node.member("merges"), vocabulary: vocabulary, prefixCount: continuingPrefix.count)
    byteIDs = try node.flag("byte_fallback") ? Self.byteTokens(of: vocabulary) : []
    if let token = try node.optional("unk_token") {
      let text = try token.utf8()
      unknownID = vocabulary.id(of: text) ?? addedTokens.id(of: text)
      if unknownID == nil {
        throw .unknownToken(token: String(decoding: text, as: UTF8.self), path: token.path)
      }
    } else {
      unknownID = nil
    }
  }

  /// Reads the vocabulary of the member `model`.
  static func readVocabulary(_ model: JSONNode) throws(TokenizerError) -> Vocabulary {
    let type = try model.optional("type")?.string() ?? "BPE"
    guard type == "BPE" else { throw .unsupported(part: "model \(type)", path: model.path) }
    let node = try model.member("vocab")
    guard case .object(let members) = node.value else { throw node.unexpected("an object") }
    var vocabulary = Vocabulary()
    vocabulary.reserveCapacity(members.count)
    for member in members {
      guard case .integer(let value) = member.value, value >= 0, let id = Int32(exactly: value)
      else {
        let name = String(decoding: member.name, as: UTF8.self)
        throw JSONNode(value: member.value, path: "\(node.path)[\(name.debugDescription)]")
          .unexpected("a token id")
      }
      vocabulary.add(member.name, id: id)
    }
    return vocabulary
  }

  /// Reads merges in both spellings: "left right" and ["left", "right"].
  private static func readMerges(
    _ node: JSONNode, vocabulary: Vocabulary, prefixCount: Int
  ) throws(TokenizerError) -> [UInt64: Merge] {
    guard case .array(let elements) = node.value else { throw node.unexpected("an array") }
    var merges: [UInt64: Merge] = [:]
    merges.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      guard let (left, right) = sides(of: element) else {
        throw JSONNode(value: element, path: "\(node.path)[\(index)]")
          .unexpected("\"left right\" or [\"left\", \"right\"]")
      }
      func id(_ text: [UInt8]) throws(TokenizerError) -> Int32 {
        if let id = vocabulary.id(of: text) { return id }
        throw .unknownToken(
          token: String(decoding: text, as: UTF8.self), path: "\(node.path)[\(index)]")
      }
      let key = try pairKey(id(left), id(right))
      let merged = try id(left + right.dropFirst(prefixCount))
      merges[key] = Merge(rank: Int32(index), id: merged)
    }
    return merges
  }

  private static func sides(of element: JSONValue) -> ([UInt8], [UInt8])? {
    switch element {
    case .string(let utf8):
      let sides = utf8.split(
        separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
      return sides.count == 2 ? (Array(sides[0]), Array(sides[1])) : nil
    case .array(let sides):
      guard sides.count == 2, case .string(let left) = sides[0], case .string(let right) = sides[1]
      else { return nil }
      return (left, right)
    default: return nil
    }
  }

  private static func byteTokens(of vocabulary: Vocabulary) -> [Int32?] {
    (UInt8.min...UInt8.max).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return vocabulary.id(of: Array("<0x\(digits.count == 1 ? "0" : "")\(digits)>".utf8))
    }
  }

  private static func pairKey(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Appends the ids of one piece of text.
  ///
  /// - Parameters:
  ///   - piece: UTF-8.
  ///   - avoided: ids that the piece as a whole does not become.
  /// - Complexity: O(n log n) in the piece's length.
  func encode(_ piece: ArraySlice<UInt8>, avoiding avoided: Set<Int32>, into ids: inout [Int32]) {
    if ignoresMerges, let id = vocabulary.id(of: Array(piece)), !avoided.contains(id) {
      ids.append(id)
      return
    }
    merge(symbols(of: piece), into: &ids)
  }

  /// The ids of the single characters.
  private func symbols(of piece: ArraySlice<UInt8>) -> [Int32] {
    var symbols: [Int32] = []
    symbols.reserveCapacity(piece.count)
    var pendingUnknown: Int32?
    var start = piece.startIndex
    while start < piece.endIndex {
      let end = start + UTF8Scalar.byteCount(lead: piece[start])
      var text = start == piece.startIndex ? [] : continuingPrefix
      text.append(contentsOf: piece[start..<end])
      if end == piece.endIndex { text.append(contentsOf: endSuffix) }
      start = end
      if let id = vocabulary.id(of: text) {
        if let unknown = pendingUnknown.take() { symbols.append(unknown) }
        symbols.append(id)
      } else if let bytes = fallback(for: text) {
        symbols.append(contentsOf: bytes)
      } else if let unknownID {
        if !fusesUnknown, let unknown = pendingUnknown { symbols.append(unknown) }
        pendingUnknown = unknownID
      }
    }
    if let unknown = pendingUnknown { symbols.append(unknown) }
    return symbols
  }

  /// The ids of the bytes of `text`; `nil` where one of them has no token.
  private func fallback(for text: [UInt8]) -> [Int32]? {
    if byteIDs.isEmpty { return nil }
    let ids = text.compactMap { byteIDs[Int($0)] }
    return ids.count == text.count ? ids : nil
  }

  /// Merges neighbours until no pair of them is known, and appends what is left.
  ///
  /// Symbols are a linked list over their first positions. A heap orders the pairs by rank, then
  /// position; an entry is stale where the pair at its position has another rank by now.
  private func merge(_ symbols: [Int32], into ids: inout [Int32]) {
    var symbols = symbols
    let count = symbols.count
    var next = Array(1...max(count, 1))
    var previous = Array(-1..<max(count, 1) - 1)
    var heap = MinimumHeap()

    func merge(at position: Int) -> Merge? {
      guard symbols[position] >= 0, next[position] < count else { return nil }
      return merges[Self.pairKey(symbols[position], symbols[next[position]])]
    }
    func offer(_ position: Int) {
      guard let merge = merge(at: position) else { return }
      heap.insert(UInt64(merge.rank) << 32 | UInt64(position))
    }

    for position in symbols.indices { offer(position) }
    while let entry = heap.popMinimum() {
      let position = Int(entry & 0xFFFF_FFFF)
      guard let merge = merge(at: position), merge.rank == Int32(entry >> 32) else { continue }
      let right = next[position]
      symbols[position] = merge.id
      symbols[right] = -1
      next[position] = next[right]
      if next[right] < count { previous[next[right]] = position }
      offer(position)
      if previous[position] >= 0 { offer(previous[position]) }
    }
    for symbol in symbols where symbol >= 0 { ids.append(symbol) }
  }
}
