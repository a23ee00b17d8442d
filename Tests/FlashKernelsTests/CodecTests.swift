import FlashKernels
import Glibc
import Testing

private let quantized: [RowFormat] = [.q8_0, .q4_0, .mxfp4, .q4_K, .q6_K]

/// Encoding, packing and decoding, against GGML's own output and the rounding's definition.
struct CodecTests {
  private func encoded(
    _ format: RowFormat, _ values: [Float], _ isa: InstructionSet
  ) -> [UInt8] {
    var row = [UInt8](repeating: 0xee, count: format.byteCount(width: values.count) + 1)
    unsafe RowEncoder(Kernels(isa)).encode(values, width: values.count, format, into: &row)
    #expect(row.removeLast() == 0xee, "the encoder wrote beyond the row")
    return row
  }

  private func packed(_ format: RowFormat, _ blocks: [UInt8], width: Int) -> [UInt8] {
    if format.packing == "plain" { return blocks }
    var row = [UInt8](repeating: 0, count: blocks.count)
    unsafe LanePacking.pack(format, width: width, blocks: blocks, into: &row)
    return row
  }

  @Test(
    .enabled(if: QuantizationVectors.areThere, "shared/vectors/quants is not beside the package"),
    arguments: [RowFormat.f16, .bf16, .q8_0, .q4_0, .mxfp4, .q4_K, .q6_K],
    InstructionSet.supported)
  func blocksDecodeToExactlyWhatGGMLDecodes(format: RowFormat, isa: InstructionSet) throws {
    let expected = try QuantizationVectors.floatRows("\(format).dequant.f32")
    for (blocks, values) in zip(try QuantizationVectors.blockRows("\(format).blocks"), expected) {
      let row = packed(format, blocks, width: values.count)
      #expect(bits(Kernels(isa).decoded(format, width: values.count, row: row)) == bits(values))
    }
  }

  @Test(
    .enabled(if: QuantizationVectors.areThere, "shared/vectors/quants is not beside the package"),
    arguments: [RowFormat.f16, .bf16, .q8_0, .mxfp4, .q4_K, .q6_K], InstructionSet.supported)
  func encodingIsByteForByteGGMLs(format: RowFormat, isa: InstructionSet) throws {
    let expected = try QuantizationVectors.blockRows("\(format).blocks")
    for (values, blocks) in zip(try QuantizationVectors.floatRows("input.f32"), expected) {
      #expect(encoded(format, values, isa) == packed(format, blocks, width: values.count))
    }
  }

  @Test(
    .enabled(if: QuantizationVectors.areThere, "shared/vectors/quants is not beside the package"))
  func q4ErrorIsSmallerThanGGMLsInEveryRow() throws {
    let inputs = try QuantizationVectors.floatRows("input.f32")
    for (values, theirs) in zip(inputs, try QuantizationVectors.floatRows("q4_0.dequant.f32")) {
      let row = encoded(.q4_0, values, .scalar)
      let ours = Kernels(.scalar).decoded(.q4_0, width: values.count, row: row)
      #expect(squaredError(ours, values) < squaredError(theirs, values))
    }
  }

  @Test(arguments: RowFormat.allCases)
  func everyInstructionSetEncodesTheSameBytes(format: RowFormat) {
    var generator = SeededGenerator(seed: 7)
    for width in testWidths(format) {
      // Magnitudes from subnormal to large, zero blocks, ties between q8_0 steps.
      let magnitude = Float(sign: .plus, exponent: width % 130 - 100, significand: 1)
      var values = generator.floats(width).map { $0 * magnitude }
      if width > 40 { values.replaceSubrange(0..<32, with: repeatElement(0, count: 32)) }
      if width > 100 {
        values.replaceSubrange(32..<64, with: (0..<32).map { Float($0) * 0.5 - 8 })
        values[70] = 127
      }
      let expected = encoded(format, values, .scalar)
      for isa in InstructionSet.supported {
        #expect(encoded(format, values, isa) == expected, "\(isa), width \(width)")
      }
    }
  }

  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func notANumberAndInfinityEncodeTheSameOnEveryInstructionSet(
    format: RowFormat, isa: InstructionSet
  ) {
    let count = max(64, format.valuesPerBlock)
    var values = [Float](repeating: 0.25, count: count)
    values[3] = .nan
    values[40] = -.infinity
    #expect(encoded(format, values, isa) == encoded(format, values, .scalar))
    #expect(unsafe Kernels(isa).nonFiniteCount(values, count: count) == 2)
    #expect(unsafe Kernels(isa).nonFiniteCount(values, count: 40) == 1)
  }

  @Test(arguments: [RowFormat.q8_0, .q4_0], InstructionSet.supported)
  func decodingAndEncodingAgainIsIdentityWhereTheLargestStepIsUsed(
    format: RowFormat, isa: InstructionSet
  ) {
    var generator = SeededGenerator(seed: 8)
    let width = 1056
    let largest: Float = format == .q8_0 ? 127 : -8
    let values = (0..<width).map { i -> Float in
      let scale = Float(sign: .plus, exponent: i / 32 % 9 - 6, significand: 1.5)
      if i % 32 == 5 { return largest * scale }
      return scale * Float.random(in: -7...7, using: &generator).rounded()
    }
    let row = encoded(format, values, isa)
    #expect(Kernels(isa).decoded(format, width: width, row: row) == values)
  }

  @Test(arguments: InstructionSet.supported)
  func everyHalfDecodesAndEncodesToItself(isa: InstructionSet) {
    let kernels = Kernels(isa)
    let halves = (0...UInt16.max).map { $0 }
    let row = halves.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let values = kernels.decoded(.f16, width: halves.count, row: row)
    let again = encoded(.f16, values, isa)
    for half in halves {
      let i = Int(half)
      #expect(Double(values[i]) == Reference.half(half) || values[i].isNaN)
      // A NaN is made quiet.
      let expected = values[i].isNaN ? half | 0x200 : half
      let encodedHalf = UInt16(again[2 * i]) | UInt16(again[2 * i + 1]) << 8
      if encodedHalf != expected { Issue.record("\(half) came back as \(encodedHalf)") }
    }
  }

  @Test(arguments: quantized)
  func unpackingUndoesPacking(format: RowFormat) {
    var generator = SeededGenerator(seed: 9)
    for width in testWidths(format) {
      let blocks = generator.bytes(format.byteCount(width: width))
      var back = [UInt8](repeating: 0, count: blocks.count)
      let row = packed(format, blocks, width: width)
      unsafe LanePacking.unpack(format, width: width, row: row, into: &back)
      #expect(back == blocks)
    }
  }

  @Test(arguments: InstructionSet.supported)
  func everyScaleOfMXFP4DecodesAsInGGML(isa: InstructionSet) {
    let codes: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]
    let low = (0..<16).map { UInt8($0 | (15 - $0) << 4) }
    let blocks = (0..<256).flatMap { [UInt8($0)] + low }
    let expected = (0..<UInt32(256)).flatMap { scale in
      // ggml_e8m0_to_fp32_half, of 255 too.
      let half = Float(bitPattern: scale < 2 ? 0x0020_0000 << scale : (scale - 1) << 23)
      return (codes + codes.reversed()).map { $0 * half }
    }
    let row = packed(.mxfp4, blocks, width: expected.count)
    #expect(bits(Kernels(isa).decoded(.mxfp4, width: expected.count, row: row)) == bits(expected))
  }

  /// GGML takes the floor of log2f, which rounds up close below some powers of two: up to 44 of
  /// f32's numbers.
  @Test func mxfp4ScalesBesidePowersOfTwoAndTiesAreGGMLs() {
    var generator = SeededGenerator(seed: 10)
    let values = (-124...126).flatMap { exponent in
      [-45, -44, -23, -22, -12, -11, -6, -5, -3, -2, -1, 0, 1].flatMap { steps -> [Float] in
        let power = Float(sign: .plus, exponent: exponent, significand: 1)
        let largest = Float(bitPattern: UInt32(Int(power.bitPattern) + steps))
        // Every fourth is a code's value, or in the middle of two.
        return [-largest]
          + (1..<32).map {
            let share = Float.random(in: -1...1, using: &generator)
            return ($0 % 4 == 0 ? (share * 24).rounded() / 24 : share) * 0.75 * power
          }
      }
    }
    let expected = packed(.mxfp4, blocksOfGGML(values), width: values.count)
    for isa in InstructionSet.supported {
      #expect(encoded(.mxfp4, values, isa) == expected, "\(isa)")
    }
  }

  /// quantize_row_mxfp4_ref as ggml-quants.c has it.
  private func blocksOfGGML(_ values: [Float]) -> [UInt8] {
    let codes: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]
    return stride(from: 0, to: values.count, by: 32).flatMap { start -> [UInt8] in
      let block = Array(values[start..<start + 32])
      let power = UInt8(log2f(block.map(abs).max()!).rounded(.down) - 2 + 127)
      let scale = Float(sign: .plus, exponent: Int(power) - 128, significand: 1)
      let best = block.map { value in
        var (index, least) = (0, abs(value))
        for code in 1..<16 where abs(codes[code] * scale - value) < least {
          (index, least) = (code, abs(codes[code] * scale - value))
        }
        return UInt8(index)
      }
      return [power] + (0..<16).map { best[$0] | best[16 + $0] << 4 }
    }
  }

  private func squaredError(_ a: [Float], _ b: [Float]) -> Double {
    zip(a, b).reduce(0) { sum, pair in
      let difference = Double(pair.0) - Double(pair.1)
      return sum + difference * difference
    }
  }
}
