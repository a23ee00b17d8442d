import FlashKernels

/// Repeatable pseudo-random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }
}

/// The meaning of the formats in plain double-precision Swift, read straight from the definition of
/// `RowFormat.packing`; shares no code with the kernels.
enum Reference {
  static func half(_ bits: UInt16) -> Double {
    let exponent = Int(bits >> 10) & 31
    let fraction = Double(bits & 1023)
    let magnitude =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? Double.infinity : Double.nan
      default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
      }
    return bits & 0x8000 == 0 ? magnitude : -magnitude
  }

  private static func word(_ row: ArraySlice<UInt8>, _ offset: Int) -> UInt16 {
    UInt16(row[row.startIndex + offset]) | UInt16(row[row.startIndex + offset + 1]) << 8
  }

  /// The values of `row`, whose first byte is at `row.startIndex`.
  static func values(_ format: RowFormat, width: Int, row: ArraySlice<UInt8>) -> [Double] {
    (0..<width).map { i in
      switch format {
      case .f32:
        let bits = UInt32(word(row, 4 * i)) | UInt32(word(row, 4 * i + 2)) << 16
        return Double(Float(bitPattern: bits))
      case .f16:
        return half(word(row, 2 * i))
      case .bf16:
        return Double(Float(bitPattern: UInt32(word(row, 2 * i)) << 16))
      case .q8_0, .q4_0, .mxfp4, .q4_K, .q6_K:
        let (scale, minimum) = scales(format, width: width, row: row, block: i / 32, i % 32)
        return scale * Double(integer(format, width: width, row: row, i)) - minimum
      }
    }
  }

  /// The integer of value i, without an offset.
  private static func integer(
    _ format: RowFormat, width: Int, row: ArraySlice<UInt8>, _ i: Int
  ) -> Int {
    let byte = { (index: Int) -> Int in
      let pieces = [RowFormat.q8_0: 8, .q6_K: 6][format] ?? 4
      let (block, group) = (i / 32, i / 512)
      let lanes = min(16, width / 32 - group * 16)
      let scaleBytes = width / format.valuesPerBlock * format.scaleBytesPerBlock
      let offset = group * 16 * 4 * pieces + index / 4 * 4 * lanes + block % 16 * 4 + index % 4
      return Int(row[row.startIndex + scaleBytes + offset])
    }
    let e = i % 32
    switch format {
    case .q8_0: return byte(e) - 128
    case .q6_K where e < 24: return byte(e) % 64 - 32
    case .q6_K: return byte(e - 24) / 64 + byte(e - 16) / 64 * 4 + byte(e - 8) / 64 * 16 - 32
    default:
      let nibble = e < 16 ? byte(e) & 15 : byte(e - 16) >> 4
      return switch format {
      case .q4_0: nibble - 8
      case .mxfp4: [0, 1, 2, 3, 4, 6, 8, 12][nibble & 7] * (nibble < 8 ? 1 : -1)
      default: nibble
      }
    }
  }

  /// What value e of a block is multiplied with, and what is subtracted then.
  private static func scales(
    _ format: RowFormat, width: Int, row: ArraySlice<UInt8>, block: Int, _ e: Int
  ) -> (scale: Double, minimum: Double) {
    if format == .mxfp4 {
      let exponent = Int(row[row.startIndex + block]) - 128
      return (Double(sign: .plus, exponent: exponent, significand: 1), 0)
    }
    if format.valuesPerBlock == 32 { return (half(word(row, 2 * block)), 0) }
    let lanes = min(16, width / 32 - block / 16 * 16)
    let start = block / 16 * 2 * format.scaleBytesPerBlock
    let byte = { Int(row[row.startIndex + start + $0]) }
    let (lane, pair) = (block % 16, block % 16 / 8)
    if format == .q6_K {
      let code = Int8(truncatingIfNeeded: byte(lanes / 4 + (e < 16 ? 0 : lanes) + lane))
      return (half(word(row, start + 2 * pair)) * Double(code), 0)
    }
    let low = byte(lanes / 2 + lane)
    let upper = (byte(lanes / 2 + lanes + lane / 2) >> (lane % 2 * 4)) & 15
    return (
      half(word(row, start + 4 * pair)) * Double(low % 16 + upper % 4 * 16),
      half(word(row, start + 4 * pair + 2)) * Double(low / 16 + upper / 4 * 16)
    )
  }

  /// Position of plain index i in an accumulator of packed order.
  static func packedPosition(_ format: RowFormat, width: Int, _ i: Int) -> Int {
    if format.valuesPerBlock == 1 { return i }
    let group = i / 512
    let lanes = min(16, width / 32 - group * 16)
    return group * 512 + i % 32 * lanes + i / 32 % 16
  }

  /// What `accumulate` documents that the rows of a group of neurons add for one token, in plain
  /// order: the roundings in f32, the sums in double precision. `scales` by row and block.
  static func group(
    _ format: RowFormat, width: Int, rows: [ArraySlice<UInt8>], coefficients: [Float]
  ) -> [Double] {
    var result = [Double](repeating: 0, count: width)
    let used = rows.indices.filter { coefficients[$0] != 0 }
    let values = rows.map { Self.values(format, width: width, row: $0) }
    if format.valuesPerBlock == 1 {
      for i in 0..<width {
        result[i] = used.reduce(0) { $0 + Double(coefficients[$1]) * values[$1][i] }
      }
      return result
    }
    let largest = used.map { abs(coefficients[$0]) }.max() ?? 0
    for half in 0..<width / 16 {
      let scales = rows.map {
        self.scales(format, width: width, row: $0, block: half / 2, half % 2 * 16)
      }
      let most = used.map { abs(Float(scales[$0].scale)) }.max() ?? 0
      for r in used {
        let scale = Float(scales[r].scale)
        let inverse: Float = most > 0 ? 1 / most : 0
        let output: Float = coefficients[r] / largest * 127
        let q = Double((output * (scale * inverse)).rounded(.toNearestOrEven))
        let offset: Double = format == .q4_K ? 8 : 0
        let rest = Double(output) * (offset * scales[r].scale - scales[r].minimum)
        for i in half * 16..<half * 16 + 16 {
          let integer = Double(integer(format, width: width, row: rows[r], i))
          result[i] += Double(largest / 127) * (rest + q * Double(most) * (integer - offset))
        }
      }
    }
    return result
  }

  /// The activation as `prepareActivation` documents its rounding, in plain order.
  static func activation(_ format: RowFormat, _ x: [Float]) -> [Double] {
    if format.valuesPerBlock == 1 { return x.map(Double.init) }
    return stride(from: 0, to: x.count, by: 32).flatMap { start in
      let block = x[start..<start + 32]
      let largest = block.map(abs).max()!
      let inverse = largest > 0 ? 127 / largest : 0
      return block.map { Double(($0 * inverse).rounded(.toNearestOrEven)) * Double(largest / 127) }
    }
  }
}

/// A row whose bytes are random but whose scales are moderate numbers, so that sums stay finite.
func randomRow(
  _ format: RowFormat, width: Int, using generator: inout SeededGenerator
) -> [UInt8] {
  let values = generator.floats(width)
  switch format {
  case .f32: return values.flatMap { bytes($0.bitPattern, 4) }
  case .f16: return (0..<width).flatMap { _ in bytes(randomHalf(using: &generator), 2) }
  case .bf16: return values.flatMap { bytes($0.bitPattern >> 16, 2) }
  case .q8_0, .q4_0:
    let scales = (0..<width / 32).flatMap { _ in bytes(randomHalf(using: &generator), 2) }
    return scales + generator.bytes(format.byteCount(width: width) - scales.count)
  case .mxfp4:
    let count = width / 32
    let scales = (0..<count).map { _ in UInt8.random(in: 123...128, using: &generator) }
    return scales + generator.bytes(16 * count)
  case .q4_K, .q6_K:
    var row = generator.bytes(format.byteCount(width: width))
    let halves = format == .q4_K ? 2 : 1
    for index in 0..<width / 256 * halves {
      // Those of two super-blocks begin their group's scales.
      let group = index / (2 * halves)
      let place = group * 2 * format.scaleBytesPerBlock + 2 * (index % (2 * halves))
      row.replaceSubrange(place..<place + 2, with: bytes(randomHalf(using: &generator), 2))
    }
    return row
  }
}

/// Either sign, 2^-5 to 2 in magnitude.
private func randomHalf(using generator: inout SeededGenerator) -> UInt32 {
  let sign = UInt32.random(in: 0...1, using: &generator) << 15
  return sign | UInt32.random(in: 10 << 10..<16 << 10, using: &generator)
}

private func bytes(_ value: UInt32, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}
