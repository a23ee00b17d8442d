/// Between GGML's order of a quantized row (block after block, as in GGUF files) and the `lanes16`
/// order of our rows. Bits move and q8_0 values change their sign bit (value + 128); nothing is
/// rounded, so one undoes the other.
package enum LanePacking {
  /// `blocks`, `row`: `format.byteCount(width:)` bytes each, at any address, not overlapping.
  /// Traps unless `format` is packed in `lanes16`.
  package static func pack(
    _ format: RowFormat, width: Int, blocks: UnsafeRawPointer, into row: UnsafeMutableRawPointer
  ) {
    let plan = PackedRow(format, width: width)
    switch format {
    case .q4_K: unsafe SuperPacking.packQ4K(plan, blocks, into: row)
    case .q6_K: unsafe SuperPacking.packQ6K(plan, blocks, into: row)
    case .f32, .f16, .bf16, .q8_0, .q4_0, .mxfp4:
      forEachPiece(plan) { unsafe move(format, isScale: $2, from: blocks + $0, to: row + $1) }
    }
  }

  /// The inverse of `pack`.
  package static func unpack(
    _ format: RowFormat, width: Int, row: UnsafeRawPointer, into blocks: UnsafeMutableRawPointer
  ) {
    let plan = PackedRow(format, width: width)
    switch format {
    case .q4_K: unsafe SuperPacking.unpackQ4K(plan, row, into: blocks)
    case .q6_K: unsafe SuperPacking.unpackQ6K(plan, row, into: blocks)
    case .f32, .f16, .bf16, .q8_0, .q4_0, .mxfp4:
      forEachPiece(plan) { unsafe move(format, isScale: $2, from: row + $1, to: blocks + $0) }
    }
  }

  /// One scale, or one piece.
  @inline(__always)
  private static func move(
    _ format: RowFormat, isScale: Bool, from source: UnsafeRawPointer,
    to target: UnsafeMutableRawPointer
  ) {
    if !isScale {
      let signs: UInt32 = format == .q8_0 ? 0x8080_8080 : 0
      let piece = unsafe source.loadUnaligned(as: UInt32.self)
      unsafe target.storeBytes(of: piece ^ signs, as: UInt32.self)
    } else if format == .mxfp4 {
      unsafe target.storeBytes(of: source.load(as: UInt8.self), as: UInt8.self)
    } else {
      unsafe target.storeBytes(of: source.loadUnaligned(as: UInt16.self), as: UInt16.self)
    }
  }

  /// Calls `body(offset in blocks, offset in row, isScale)` for each scale and 4-byte piece.
  @inline(__always)
  static func forEachPiece(_ plan: PackedRow, _ body: (Int, Int, Bool) -> Void) {
    let (byteCount, scaleByteCount) = (plan.format.bytesPerBlock, plan.format.scaleBytesPerBlock)
    for block in 0..<plan.blockCount {
      let from = block * byteCount
      body(from, scaleByteCount * block, true)
      for piece in 0..<plan.pieceCount {
        body(from + scaleByteCount + 4 * piece, plan.piece(piece, ofBlock: block), false)
      }
    }
  }
}

/// Where things lie in a row packed in `lanes16`.
struct PackedRow {
  let format: RowFormat
  /// Blocks of 32 values.
  let blockCount: Int
  /// Four-byte pieces of a block.
  let pieceCount: Int
  private let scaleByteCount: Int

  init(_ format: RowFormat, width: Int) {
    precondition(format.packing == "lanes16", "\(format) rows have no blocks to pack")
    precondition(format.fits(width: width), "width \(width) is no multiple of the block")
    self.format = format
    blockCount = width / 32
    scaleByteCount = width / format.valuesPerBlock * format.scaleBytesPerBlock
    pieceCount =
      switch format {
      case .q8_0: 8
      case .q6_K: 6
      case .f32, .f16, .bf16, .q4_0, .mxfp4, .q4_K: 4
      }
  }

  /// Blocks in the group of a block.
  @inline(__always)
  func lanes(ofBlock block: Int) -> Int { min(16, blockCount - block / 16 * 16) }

  @inline(__always)
  func piece(_ piece: Int, ofBlock block: Int) -> Int {
    let lanes = lanes(ofBlock: block)
    return scaleByteCount + 4 * (block / 16 * 16 * pieceCount + block % 16 + piece * lanes)
  }

  /// Where the scales of a super-block's group begin.
  @inline(__always)
  func scales(ofSuper index: Int) -> Int { index / 2 * 2 * format.scaleBytesPerBlock }
}
