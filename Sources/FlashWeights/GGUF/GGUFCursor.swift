/// Reads the front of a GGUF file in order, through one small buffer, and never beyond the file.
///
/// A length that the file states is compared with what is left before anything is reserved for it.
struct GGUFCursor {
  private static let bufferByteCount = 1 << 18

  let file: SourceFile
  private(set) var offset: Int
  private var buffer: [UInt8] = []
  private var bufferStart = 0

  init(_ file: SourceFile, offset: Int) {
    self.file = file
    self.offset = offset
  }

  /// An error about the byte that is read next.
  func failure(
    _ problem: String, key: String? = nil, tensor: String? = nil, expected: String? = nil,
    found: String? = nil, at place: Int? = nil
  ) -> StoreError {
    StoreError(
      .gguf, problem, file: file.path, offset: place ?? offset, tensor: tensor, key: key,
      expected: expected, found: found)
  }

  private func require(_ byteCount: Int, _ what: String) throws(StoreError) {
    let left = file.byteCount - offset
    guard byteCount >= 0, byteCount <= left else {
      throw failure(
        "\(what) runs past the end of the file", expected: "at most \(left) bytes",
        found: "\(UInt(bitPattern: byteCount))")
    }
  }

  mutating func skip(_ byteCount: Int, _ what: String) throws(StoreError) {
    try require(byteCount, what)
    offset += byteCount
  }

  /// The next bytes. `what` names them for an error.
  mutating func bytes(_ byteCount: Int, _ what: String) throws(StoreError) -> ArraySlice<UInt8> {
    try require(byteCount, what)
    if offset < bufferStart || offset + byteCount > bufferStart + buffer.count {
      let count = min(max(byteCount, Self.bufferByteCount), file.byteCount - offset)
      buffer = try file.file.bytes(at: offset, byteCount: count)
      bufferStart = offset
    }
    let start = offset - bufferStart
    offset += byteCount
    return buffer[start..<start + byteCount]
  }

  /// The next little-endian number, as its bits.
  mutating func bits(_ byteCount: Int, _ what: String) throws(StoreError) -> UInt64 {
    try bytes(byteCount, what).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  mutating func int32(_ what: String) throws(StoreError) -> Int32 {
    Int32(truncatingIfNeeded: try bits(4, what))
  }

  /// A 64-bit count or length from 0 to `limit`.
  mutating func count(_ what: String, limit: Int) throws(StoreError) -> Int {
    let start = offset
    let bits = try bits(8, what)
    guard bits <= UInt64(limit) else {
      throw failure(
        "\(what) is out of bounds", expected: "at most \(limit)",
        found: "\(Int64(bitPattern: bits))", at: start)
    }
    return Int(bits)
  }
}
