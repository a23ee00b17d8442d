/// Narrow rows in groups of 16 that lie side by side, so that one vector holds the same values of
/// 16 rows and a product needs no sum over lanes. Bytes move; nothing is rounded.
///
/// A group takes the bytes of its 16 rows. For the quantized formats it is, block after block: 16
/// scales, then for each 4-byte piece of the block those of the 16 rows. For the plain formats it
/// is value after value, those of the 16 rows.
package enum SideBySide {
  package static let groupLength = 16

  /// Whether rows of a format can lie so: not those of q4_K and q6_K, which are 256 values or more.
  package static func arranges(_ format: RowFormat) -> Bool { format.valuesPerBlock <= 32 }

  /// Rearranges packed rows in place, as far as they make whole groups; those left over stay.
  ///
  /// - Parameters:
  ///   - format: one that `arranges`; traps otherwise.
  ///   - rows: `rowCount` rows of `format.byteCount(width:)` bytes without gaps.
  /// - Complexity: some nanoseconds a piece; allocates one group.
  package static func arrange(
    _ format: RowFormat, width: Int, rowCount: Int, rows: UnsafeMutableRawPointer
  ) {
    precondition(arranges(format), "\(format) rows do not lie side by side")
    let rowByteCount = format.byteCount(width: width)
    let groupByteCount = groupLength * rowByteCount
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: groupByteCount, alignment: 64)
    defer { unsafe copy.deallocate() }
    guard let base = copy.baseAddress else { return }
    for group in 0..<rowCount / groupLength {
      let start = unsafe rows + group * groupByteCount
      unsafe base.copyMemory(from: start, byteCount: groupByteCount)
      for row in 0..<groupLength {
        unsafe scatter(
          format, width: width, row: base + row * rowByteCount, number: row, into: start)
      }
    }
  }

  private static func scatter(
    _ format: RowFormat, width: Int, row: UnsafeRawPointer, number: Int,
    into group: UnsafeMutableRawPointer
  ) {
    if format.packing == "plain" {
      let size = format.bytesPerBlock
      for index in 0..<width {
        unsafe (group + (index * groupLength + number) * size).copyMemory(
          from: row + index * size, byteCount: size)
      }
      return
    }
    let blockByteCount = groupLength * format.bytesPerBlock
    let scaleByteCount = format.scaleBytesPerBlock
    LanePacking.forEachPiece(PackedRow(format, width: width)) { plain, packed, isScale in
      let block = plain / format.bytesPerBlock
      let inBlock = plain % format.bytesPerBlock
      let target = unsafe group + block * blockByteCount
      if isScale {
        unsafe (target + scaleByteCount * number).copyMemory(
          from: row + packed, byteCount: scaleByteCount)
      } else {
        let piece = (inBlock - scaleByteCount) / 4
        let place = scaleByteCount * groupLength + 4 * (piece * groupLength + number)
        unsafe (target + place).copyMemory(from: row + packed, byteCount: 4)
      }
    }
  }
}
