/// `LanePacking` of GGML's super-blocks: block_q4_K and block_q6_K of ggml-common.h.
enum SuperPacking {
  // MARK: q4_K

  /// Nibbles of sub-blocks 2c and 2c + 1 lie in the low and high halves of the same 32 bytes; in
  /// our pieces the halves of a byte are values i and 16 + i of one sub-block.
  static func packQ4K(
    _ plan: PackedRow, _ blocks: UnsafeRawPointer, into row: UnsafeMutableRawPointer
  ) {
    for index in 0..<plan.blockCount / 8 {
      let from = unsafe blocks + 144 * index
      unsafe packScalesQ4K(plan, index, from, into: row)
      for pair in 0..<4 {
        let block = 8 * index + 2 * pair
        for piece in 0..<4 {
          let place = 16 + 32 * pair + 4 * piece
          let first = unsafe from.loadUnaligned(fromByteOffset: place, as: UInt32.self)
          let second = unsafe from.loadUnaligned(fromByteOffset: place + 16, as: UInt32.self)
          unsafe row.storeBytes(
            of: first & low | (second & low) << 4, toByteOffset: plan.piece(piece, ofBlock: block),
            as: UInt32.self)
          unsafe row.storeBytes(
            of: first >> 4 & low | second & ~low,
            toByteOffset: plan.piece(piece, ofBlock: block + 1), as: UInt32.self)
        }
      }
    }
  }

  static func unpackQ4K(
    _ plan: PackedRow, _ row: UnsafeRawPointer, into blocks: UnsafeMutableRawPointer
  ) {
    for index in 0..<plan.blockCount / 8 {
      let to = unsafe blocks + 144 * index
      unsafe unpackScalesQ4K(plan, index, row, into: to)
      for pair in 0..<4 {
        let block = 8 * index + 2 * pair
        for piece in 0..<4 {
          let even = unsafe row.loadUnaligned(
            fromByteOffset: plan.piece(piece, ofBlock: block), as: UInt32.self)
          let odd = unsafe row.loadUnaligned(
            fromByteOffset: plan.piece(piece, ofBlock: block + 1), as: UInt32.self)
          let place = 16 + 32 * pair + 4 * piece
          unsafe to.storeBytes(
            of: even & low | (odd & low) << 4, toByteOffset: place, as: UInt32.self)
          unsafe to.storeBytes(
            of: even >> 4 & low | odd & ~low, toByteOffset: place + 16, as: UInt32.self)
        }
      }
    }
  }

  private static let low: UInt32 = 0x0F0F_0F0F

  /// Where the f16s, the lower and the upper bits of a super-block's scales lie.
  private static func placesQ4K(
    _ plan: PackedRow, _ index: Int
  ) -> (halves: Int, low: Int, high: Int) {
    let (start, second) = (plan.scales(ofSuper: index), index % 2)
    let lanes = plan.lanes(ofBlock: 8 * index)
    return (
      start + 4 * second, start + lanes / 2 + 8 * second,
      start + lanes / 2 + lanes + 4 * second
    )
  }

  /// GGML's twelve bytes: the lower six bits of bytes 0..<4 and 4..<8 are the scales and minima of
  /// the first four blocks; those of the others are the halves of bytes 8..<12 and the upper two
  /// bits of the first eight.
  private static func packScalesQ4K(
    _ plan: PackedRow, _ index: Int, _ block: UnsafeRawPointer, into row: UnsafeMutableRawPointer
  ) {
    let places = placesQ4K(plan, index)
    let halves = unsafe block.loadUnaligned(as: UInt32.self)
    unsafe row.storeBytes(of: halves, toByteOffset: places.halves, as: UInt32.self)
    let codes = unsafe (block + 4).assumingMemoryBound(to: UInt8.self)
    var high: UInt32 = 0
    for j in 0..<8 {
      let scale: UInt8
      let minimum: UInt8
      if j < 4 {
        (scale, minimum) = unsafe (codes[j] & 63, codes[j + 4] & 63)
      } else {
        scale = unsafe codes[j + 4] & 15 | (codes[j - 4] >> 6) << 4
        minimum = unsafe codes[j + 4] >> 4 | (codes[j] >> 6) << 4
      }
      unsafe row.storeBytes(
        of: scale & 15 | minimum << 4, toByteOffset: places.low + j, as: UInt8.self)
      high |= UInt32(scale >> 4 | (minimum >> 4) << 2) << UInt32(4 * j)
    }
    unsafe row.storeBytes(of: high, toByteOffset: places.high, as: UInt32.self)
  }

  private static func unpackScalesQ4K(
    _ plan: PackedRow, _ index: Int, _ row: UnsafeRawPointer, into block: UnsafeMutableRawPointer
  ) {
    let places = placesQ4K(plan, index)
    let halves = unsafe row.loadUnaligned(fromByteOffset: places.halves, as: UInt32.self)
    unsafe block.storeBytes(of: halves, as: UInt32.self)
    let high = unsafe row.loadUnaligned(fromByteOffset: places.high, as: UInt32.self)
    let codes = unsafe (block + 4).assumingMemoryBound(to: UInt8.self)
    for j in 0..<8 {
      let lower = unsafe row.load(fromByteOffset: places.low + j, as: UInt8.self)
      let upper = UInt8(truncatingIfNeeded: high >> UInt32(4 * j)) & 15
      if j < 4 {
        unsafe codes[j] = lower & 15 | (upper & 3) << 4
        unsafe codes[j + 4] = lower >> 4 | (upper >> 2) << 4
      } else {
        unsafe codes[j + 4] = lower
        unsafe codes[j - 4] |= (upper & 3) << 6
        unsafe codes[j] |= (upper >> 2) << 6
      }
    }
  }

  // MARK: q6_K

  /// Word k of sub-block b: its values 4k..<4k+4 in six bits of each byte.
  private typealias Words = InlineArray<8, UInt32>

  static func packQ6K(
    _ plan: PackedRow, _ blocks: UnsafeRawPointer, into row: UnsafeMutableRawPointer
  ) {
    for index in 0..<plan.blockCount / 8 {
      let from = unsafe blocks + 210 * index
      forEachScaleQ6K(plan, index) { source, target, byteCount in
        unsafe (row + target).copyMemory(from: from + source, byteCount: byteCount)
      }
      for b in 0..<8 {
        let (half, quarter) = (b / 4, b % 4)
        var words = Words(repeating: 0)
        for k in 0..<8 {
          let lower = unsafe from.loadUnaligned(
            fromByteOffset: 64 * half + 32 * (quarter % 2) + 4 * k, as: UInt32.self)
          let upper = unsafe from.loadUnaligned(
            fromByteOffset: 128 + 32 * half + 4 * k, as: UInt32.self)
          let nibbles = lower >> UInt32(quarter / 2 * 4) & low
          words[k] = nibbles | (upper >> UInt32(2 * quarter) & 0x0303_0303) << 4
        }
        for k in 0..<6 {
          let top = words[6 + k % 2] >> UInt32(k / 2 * 2) & 0x0303_0303
          unsafe row.storeBytes(
            of: words[k] | top << 6, toByteOffset: plan.piece(k, ofBlock: 8 * index + b),
            as: UInt32.self)
        }
      }
    }
  }

  static func unpackQ6K(
    _ plan: PackedRow, _ row: UnsafeRawPointer, into blocks: UnsafeMutableRawPointer
  ) {
    for index in 0..<plan.blockCount / 8 {
      let to = unsafe blocks + 210 * index
      unsafe to.initializeMemory(as: UInt8.self, repeating: 0, count: 192)
      forEachScaleQ6K(plan, index) { target, source, byteCount in
        unsafe (to + target).copyMemory(from: row + source, byteCount: byteCount)
      }
      for b in 0..<8 {
        let (half, quarter) = (b / 4, b % 4)
        var words = Words(repeating: 0)
        for k in 0..<6 {
          let piece = unsafe row.loadUnaligned(
            fromByteOffset: plan.piece(k, ofBlock: 8 * index + b), as: UInt32.self)
          words[k] = piece & 0x3F3F_3F3F
          words[6 + k % 2] |= (piece >> 6 & 0x0303_0303) << UInt32(k / 2 * 2)
        }
        for k in 0..<8 {
          unsafe add(
            words[k] & low, shift: quarter / 2 * 4,
            to: to + 64 * half + 32 * (quarter % 2) + 4 * k)
          unsafe add(words[k] >> 4 & low, shift: 2 * quarter, to: to + 128 + 32 * half + 4 * k)
        }
      }
    }
  }

  private static func add(_ word: UInt32, shift: Int, to place: UnsafeMutableRawPointer) {
    let old = unsafe place.loadUnaligned(as: UInt32.self)
    unsafe place.storeBytes(of: old | word << UInt32(shift), as: UInt32.self)
  }

  /// Calls `body(offset in the block, offset in the row, bytes)` for the f16 and each scale. GGML's
  /// scales are those of 16 values each, in order.
  @inline(__always)
  private static func forEachScaleQ6K(
    _ plan: PackedRow, _ index: Int, _ body: (Int, Int, Int) -> Void
  ) {
    let (start, second) = (plan.scales(ofSuper: index), index % 2)
    let lanes = plan.lanes(ofBlock: 8 * index)
    body(208, start + 2 * second, 2)
    for b in 0..<8 {
      let place = start + lanes / 4 + 8 * second + b
      body(192 + 2 * b, place, 1)
      body(193 + 2 * b, place + lanes, 1)
    }
  }
}
