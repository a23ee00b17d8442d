/// The blocks of 256 values, in which sub-blocks have scales of their own (ggml's K-quants).
extension BlockDecoder {
  /// 16 scales and minima of four bits, 256 values of two, then the f16 scales of both.
  static func decodeQ2K(_ block: Bytes, _ values: Output) {
    let (d, least) = unsafe (half(block, 80), half(block, 82))
    for part in 0..<16 {
      let (half, pair) = (part / 8, part % 8)
      let scale = unsafe Int32(block[part])
      let (step, offset) = (d * Float(scale & 15), least * Float(scale &>> 4))
      let codes = unsafe block + 16 + 32 * half + 16 * (pair % 2)
      let shift = Int32(2 * (pair / 2))
      let output = unsafe values + 16 * part
      for l in 0..<16 {
        unsafe output[l] = step * Float(Int32(codes[l]) &>> shift & 3) - offset
      }
    }
  }

  /// The third bits of 256 values, their lower two, and 16 scales of six bits.
  static func decodeQ3K(_ block: Bytes, _ values: Output) {
    let d = unsafe half(block, 108)
    for part in 0..<16 {
      let (half, pair) = (part / 8, part % 8)
      // The low four bits lie in bytes 0..<8, the high two in bytes 8..<12.
      let low = unsafe Int32(block[96 + part % 8]) &>> Int32(4 * (part / 8)) & 15
      let high = unsafe Int32(block[104 + part % 4]) &>> Int32(2 * (part / 4)) & 3
      let step = d * Float((low | high &<< 4) &- 32)
      let codes = unsafe block + 32 + 32 * half + 16 * (pair % 2)
      let masks = unsafe block + 16 * (pair % 2)
      let shift = Int32(2 * (pair / 2))
      let bit = Int32(4 * half + pair / 2)
      let output = unsafe values + 16 * part
      for l in 0..<16 {
        let top = unsafe (Int32(masks[l]) &>> bit & 1) &<< 2
        unsafe output[l] = step * Float((Int32(codes[l]) &>> shift & 3) &+ top &- 4)
      }
    }
  }

  /// The scale and the minimum of sub-block `j` of Q4_K and Q5_K: six bits each in twelve bytes.
  @inline(__always)
  private static func scaleAndMinimum(_ scales: Bytes, _ j: Int) -> (Float, Float) {
    if j < 4 {
      return unsafe (Float(Int32(scales[j] & 63)), Float(Int32(scales[j + 4] & 63)))
    }
    let (low, top, bottom) = unsafe (
      Int32(scales[j + 4]), Int32(scales[j]), Int32(scales[j - 4])
    )
    return (
      Float(low & 15 | (bottom &>> 6) &<< 4), Float(low &>> 4 | (top &>> 6) &<< 4)
    )
  }

  static func decodeQ4K(_ block: Bytes, _ values: Output) {
    let (d, least) = unsafe (half(block, 0), half(block, 2))
    for pair in 0..<4 {
      let (scale1, minimum1) = unsafe scaleAndMinimum(block + 4, 2 * pair)
      let (scale2, minimum2) = unsafe scaleAndMinimum(block + 4, 2 * pair + 1)
      let (d1, m1, d2, m2) = (d * scale1, least * minimum1, d * scale2, least * minimum2)
      let codes = unsafe block + 16 + 32 * pair
      let output = unsafe values + 64 * pair
      for l in 0..<32 {
        let q = unsafe Int32(codes[l])
        unsafe output[l] = d1 * Float(q & 15) - m1
        unsafe output[l + 32] = d2 * Float(q &>> 4) - m2
      }
    }
  }

  static func decodeQ5K(_ block: Bytes, _ values: Output) {
    let (d, least) = unsafe (half(block, 0), half(block, 2))
    for pair in 0..<4 {
      let (scale1, minimum1) = unsafe scaleAndMinimum(block + 4, 2 * pair)
      let (scale2, minimum2) = unsafe scaleAndMinimum(block + 4, 2 * pair + 1)
      let (d1, m1, d2, m2) = (d * scale1, least * minimum1, d * scale2, least * minimum2)
      let codes = unsafe block + 48 + 32 * pair
      let output = unsafe values + 64 * pair
      let shift = Int32(2 * pair)
      for l in 0..<32 {
        let q = unsafe Int32(codes[l])
        let high = unsafe Int32(block[16 + l]) &>> shift
        unsafe output[l] = d1 * Float(q & 15 | (high & 1) &<< 4) - m1
        unsafe output[l + 32] = d2 * Float(q &>> 4 | (high & 2) &<< 3) - m2
      }
    }
  }

  static func decodeQ6K(_ block: Bytes, _ values: Output) {
    let d = unsafe half(block, 208)
    for half in 0..<2 {
      for quarter in 0..<4 {
        let codes = unsafe block + 64 * half + 32 * (quarter % 2)
        let tops = unsafe block + 128 + 32 * half
        let (low, high) = (Int32(4 * (quarter / 2)), Int32(2 * quarter))
        for part in 0..<2 {
          let index = 192 + 8 * half + 2 * quarter + part
          let step = unsafe d * Float(Int32(Int8(bitPattern: block[index])))
          let output = unsafe values + 128 * half + 32 * quarter + 16 * part
          for l in 16 * part..<16 * part + 16 {
            let code = unsafe Int32(codes[l]) &>> low & 15 | (Int32(tops[l]) &>> high & 3) &<< 4
            unsafe output[l - 16 * part] = step * Float(code &- 32)
          }
        }
      }
    }
  }
}
