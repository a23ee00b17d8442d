/// Between GGML's order of a quantized row (block after block, each an f16 scale and its bytes, as
/// in GGUF files) and the `lanes16` order of our rows. Whole 4-byte pieces move and q8_0 values
/// change their sign bit (value + 128); nothing is rounded, so one undoes the other.
package enum LanePacking {
  /// `blocks`, `row`: `format.byteCount(width:)` bytes each, at any address, not overlapping.
  /// Traps unless `format` is packed in `lanes16`.
  package static func pack(
    _ format: RowFormat, width: Int, blocks: UnsafeRawPointer, into row: UnsafeMutableRawPointer
  ) {
    forEachPiece(format, width: width) { source, target, isScale in
      if isScale {
        let scale = unsafe blocks.loadUnaligned(fromByteOffset: source, as: UInt16.self)
        unsafe row.storeBytes(of: scale, toByteOffset: target, as: UInt16.self)
      } else {
        let piece = unsafe blocks.loadUnaligned(fromByteOffset: source, as: UInt32.self)
        unsafe row.storeBytes(of: piece ^ signs(format), toByteOffset: target, as: UInt32.self)
      }
    }
  }

  /// The inverse of `pack`.
  package static func unpack(
    _ format: RowFormat, width: Int, row: UnsafeRawPointer, into blocks: UnsafeMutableRawPointer
  ) {
    forEachPiece(format, width: width) { target, source, isScale in
      if isScale {
        let scale = unsafe row.loadUnaligned(fromByteOffset: source, as: UInt16.self)
        unsafe blocks.storeBytes(of: scale, toByteOffset: target, as: UInt16.self)
      } else {
        let piece = unsafe row.loadUnaligned(fromByteOffset: source, as: UInt32.self)
        unsafe blocks.storeBytes(of: piece ^ signs(format), toByteOffset: target, as: UInt32.self)
      }
    }
  }

  private static func signs(_ format: RowFormat) -> UInt32 { format == .q8_0 ? 0x8080_8080 : 0 }

  /// Calls `body(offset in blocks, offset in row, isScale)` for each scale and 4-byte piece.
  @inline(__always)
  static func forEachPiece(
    _ format: RowFormat, width: Int, _ body: (Int, Int, Bool) -> Void
  ) {
    precondition(format.packing == "lanes16", "\(format) rows have no blocks to pack")
    precondition(format.fits(width: width), "width \(width) is no multiple of the block")
    let blockCount = width / format.valuesPerBlock
    let pieceCount = (format.bytesPerBlock - 2) / 4
    for block in 0..<blockCount {
      let group = block / 16
      let lanes = min(16, blockCount - group * 16)
      let from = block * format.bytesPerBlock
      let to = 2 * blockCount + 4 * (group * 16 * pieceCount + block % 16)
      body(from, 2 * block, true)
      for piece in 0..<pieceCount {
        body(from + 2 + 4 * piece, to + 4 * piece * lanes, false)
      }
    }
  }
}
