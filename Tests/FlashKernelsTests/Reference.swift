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
      case .q8_0, .q4_0:
        let pieces = format == .q8_0 ? 8 : 4
        let blocks = width / 32
        let block = i / 32
        let group = block / 16
        let lanes = min(16, blocks - group * 16)
        let byteIndex = format == .q8_0 ? i % 32 : i % 16
        let offset =
          2 * blocks + group * 16 * 4 * pieces + (byteIndex / 4) * 4 * lanes + block % 16 * 4
          + byteIndex % 4
        let byte = Int(row[row.startIndex + offset])
        let q = format == .q8_0 ? byte - 128 : (i % 32 < 16 ? byte & 15 : byte >> 4) - 8
        return half(word(row, 2 * block)) * Double(q)
      }
    }
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
    for block in 0..<width / 32 {
      let scales = rows.map { Float(half(word($0, 2 * block))) }
      let most = used.map { abs(scales[$0]) }.max() ?? 0
      for r in used {
        let ratio: Float = scales[r] * (1 / most)
        let q = (coefficients[r] * (127 / largest) * ratio).rounded(.toNearestOrEven)
        let unit = Double(q) * Double(largest / 127 * most) / Double(scales[r])
        for i in block * 32..<block * 32 + 32 { result[i] += unit * values[r][i] }
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
