/// From blocks of GGUF files to f32, to the last bit what ggml's `dequantize_row_*` gives
/// (ggml-quants.c): every value is one chain of products and sums, none of them fused.
enum BlockDecoder {
  typealias Output = UnsafeMutablePointer<Float>
  typealias Bytes = UnsafePointer<UInt8>

  /// Whether `decode` knows a type.
  static func knows(_ type: GGUFType) -> Bool {
    switch type {
    case .f32, .f16, .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K,
      .iq4_NL, .iq4_XS, .mxfp4:
      true
    default: false
    }
  }

  /// Decodes blocks that follow each other. `blocks` may start at any address; `values` has room
  /// for `blockCount` blocks of values. Traps for a type that `knows` denies.
  static func decode(
    _ type: GGUFType, _ blocks: UnsafeRawPointer, blockCount: Int, into values: Output
  ) {
    let body: (Bytes, Output) -> Void =
      switch type {
      case .f32: { unsafe $1[0] = Float(bitPattern: UInt32(littleEndian: word($0, 0))) }
      case .f16: { unsafe $1[0] = half($0, 0) }
      case .bf16: { unsafe $1[0] = Float(bitPattern: UInt32(word16($0, 0)) << 16) }
      default: unsafe blockBody(type)
      }
    let (valueCount, byteCount) = type.block
    let bytes = unsafe blocks.assumingMemoryBound(to: UInt8.self)
    for block in 0..<blockCount {
      unsafe body(bytes + block * byteCount, values + block * valueCount)
    }
  }

  private static func blockBody(_ type: GGUFType) -> (Bytes, Output) -> Void {
    switch type {
    case .q4_0: unsafe decodeQ40
    case .q4_1: unsafe decodeQ41
    case .q5_0: unsafe decodeQ50
    case .q5_1: unsafe decodeQ51
    case .q8_0: unsafe decodeQ80
    case .iq4_NL: unsafe decodeIQ4NL
    case .iq4_XS: unsafe decodeIQ4XS
    case .mxfp4: unsafe decodeMXFP4
    case .q2_K: unsafe decodeQ2K
    case .q3_K: unsafe decodeQ3K
    case .q4_K: unsafe decodeQ4K
    case .q5_K: unsafe decodeQ5K
    case .q6_K: unsafe decodeQ6K
    default: preconditionFailure("\(type.name) blocks are not decoded")
    }
  }

  @inline(__always)
  static func word16(_ bytes: Bytes, _ offset: Int) -> UInt16 {
    unsafe UnsafeRawPointer(bytes).loadUnaligned(fromByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  static func word(_ bytes: Bytes, _ offset: Int) -> UInt32 {
    unsafe UnsafeRawPointer(bytes).loadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  /// The f16 at an offset.
  @inline(__always)
  static func half(_ bytes: Bytes, _ offset: Int) -> Float {
    unsafe Float(Float16(bitPattern: word16(bytes, offset)))
  }

  private static func decodeQ40(_ block: Bytes, _ values: Output) {
    let d = unsafe half(block, 0)
    for j in 0..<16 {
      let q = unsafe Int32(block[2 + j])
      unsafe values[j] = Float((q & 15) &- 8) * d
      unsafe values[j + 16] = Float((q &>> 4) &- 8) * d
    }
  }

  private static func decodeQ41(_ block: Bytes, _ values: Output) {
    let (d, m) = unsafe (half(block, 0), half(block, 2))
    for j in 0..<16 {
      let q = unsafe Int32(block[4 + j])
      unsafe values[j] = Float(q & 15) * d + m
      unsafe values[j + 16] = Float(q &>> 4) * d + m
    }
  }

  private static func decodeQ50(_ block: Bytes, _ values: Output) {
    let d = unsafe half(block, 0)
    let high = unsafe word(block, 2)
    for j in 0..<16 {
      let q = unsafe Int32(block[6 + j])
      let low = Int32(truncatingIfNeeded: (high &>> UInt32(j)) & 1) &<< 4
      let top = Int32(truncatingIfNeeded: (high &>> UInt32(j + 16)) & 1) &<< 4
      unsafe values[j] = Float(((q & 15) | low) &- 16) * d
      unsafe values[j + 16] = Float(((q &>> 4) | top) &- 16) * d
    }
  }

  private static func decodeQ51(_ block: Bytes, _ values: Output) {
    let (d, m) = unsafe (half(block, 0), half(block, 2))
    let high = unsafe word(block, 4)
    for j in 0..<16 {
      let q = unsafe Int32(block[8 + j])
      let low = Int32(truncatingIfNeeded: (high &>> UInt32(j)) & 1) &<< 4
      let top = Int32(truncatingIfNeeded: (high &>> UInt32(j + 16)) & 1) &<< 4
      unsafe values[j] = Float((q & 15) | low) * d + m
      unsafe values[j + 16] = Float((q &>> 4) | top) * d + m
    }
  }

  private static func decodeQ80(_ block: Bytes, _ values: Output) {
    let d = unsafe half(block, 0)
    for j in 0..<32 {
      unsafe values[j] = Float(Int32(Int8(bitPattern: block[2 + j]))) * d
    }
  }

  /// The values of the 4-bit codes of IQ4_NL and IQ4_XS.
  private static let nonLinear: [Float] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  ]

  /// The values of MXFP4's codes, doubled (OCP Microscaling Formats, E2M1).
  private static let fourBitFloats: [Float] = [
    0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12,
  ]

  /// 32 codes of four bits, the low halves first, through a table of 16 values.
  @inline(__always)
  private static func look(
    up codes: Bytes, in table: [Float], scale: Float, into values: Output
  ) {
    unsafe table.withUnsafeBufferPointer { table in
      for j in 0..<16 {
        let q = unsafe Int(codes[j])
        unsafe values[j] = table[q & 15] * scale
        unsafe values[j + 16] = table[q &>> 4] * scale
      }
    }
  }

  private static func decodeIQ4NL(_ block: Bytes, _ values: Output) {
    unsafe look(up: block + 2, in: nonLinear, scale: half(block, 0), into: values)
  }

  private static func decodeIQ4XS(_ block: Bytes, _ values: Output) {
    let d = unsafe half(block, 0)
    let high = unsafe Int32(word16(block, 2))
    for part in 0..<8 {
      let low = unsafe Int32(block[4 + part / 2]) &>> Int32(4 * (part % 2)) & 15
      let scale = low | (high &>> Int32(2 * part) & 3) &<< 4
      unsafe look(
        up: block + 8 + 16 * part, in: nonLinear, scale: d * Float(scale &- 32),
        into: values + 32 * part)
    }
  }

  private static func decodeMXFP4(_ block: Bytes, _ values: Output) {
    // Half of 2^(e - 127); the two smallest are subnormal.
    let e = unsafe UInt32(block[0])
    let d = Float(bitPattern: e < 2 ? 0x0020_0000 &<< e : (e &- 1) &<< 23)
    unsafe look(up: block + 1, in: fourBitFloats, scale: d, into: values)
  }
}
