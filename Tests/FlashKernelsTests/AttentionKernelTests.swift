import FlashKernels
import Testing

/// Scores and weighted values over the key-value cache.
struct AttentionKernelTests {
  private static let arguments = KeyValueFormat.allCases

  private func headDimensions(_ format: KeyValueFormat) -> [Int] {
    format == .q8_0 ? [32, 64, 128, 160] : [1, 7, 32, 64, 80, 128, 160, 257]
  }

  /// Entries at an odd stride from an odd address, and the values they hold.
  private func cache(
    _ format: KeyValueFormat, headDimension: Int, count: Int, _ kernels: Kernels,
    _ generator: inout SeededGenerator
  ) -> (bytes: [UInt8], stride: Int, values: [[Double]]) {
    let stride = format.byteCount(headDimension) + 1
    var bytes = [UInt8](repeating: 0xff, count: 1 + count * stride)
    var values: [[Double]] = []
    for p in 0..<count {
      let entry = generator.floats(headDimension)
      let start = 1 + p * stride
      unsafe bytes.withUnsafeMutableBytes {
        unsafe kernels.storeKeyValue(
          format, entry, count: headDimension, into: $0.baseAddress! + start)
      }
      #expect(bytes[start + stride - 1] == 0xff, "the entry runs over")
      values.append(
        decoded(format, bytes[start..<start + stride - 1], headDimension: headDimension))
      let error = zip(values[p], entry).map { abs($0 - Double($1)) }.max()!
      #expect(error <= (format == .f32 ? 0 : format == .f16 ? 3e-4 : 4.5e-3))
    }
    return (bytes, stride, values)
  }

  private func decoded(
    _ format: KeyValueFormat, _ entry: ArraySlice<UInt8>, headDimension: Int
  ) -> [Double] {
    switch format {
    case .f32: return Reference.values(.f32, width: headDimension, row: entry)
    case .f16: return Reference.values(.f16, width: headDimension, row: entry)
    case .q8_0:
      return (0..<headDimension).map { i in
        let block = entry.startIndex + i / 32 * 34
        let scale = Reference.half(UInt16(entry[block]) | UInt16(entry[block + 1]) << 8)
        return scale * Double(Int8(bitPattern: entry[block + 2 + i % 32]))
      }
    }
  }

  @Test(arguments: arguments, InstructionSet.supported)
  func scoresAreScaledDotsAndDoNotDependOnTheCount(format: KeyValueFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 14)
    for headDimension in headDimensions(format) {
      let (bytes, stride, keys) = cache(
        format, headDimension: headDimension, count: 11, kernels, &generator)
      let query = generator.floats(headDimension)
      let run = { (first: Int, count: Int) -> [Float] in
        var scores = [Float](repeating: .nan, count: count)
        unsafe bytes.withUnsafeBytes {
          unsafe kernels.scores(
            format, query: query, headDimension: headDimension,
            keys: $0.baseAddress! + 1 + first * stride, stride: stride, count: count, scale: 0.125,
            into: &scores)
        }
        return scores
      }
      let all = run(0, 11)
      for p in 0..<11 {
        #expect(run(p, 1)[0].bitPattern == all[p].bitPattern)
        let terms = zip(query, keys[p]).map { Double($0) * $1 }
        let tolerance = 1e-6 * terms.map(abs).reduce(0, +)
        #expect(abs(Double(all[p]) - 0.125 * terms.reduce(0, +)) <= tolerance)
      }
    }
  }

  @Test(arguments: arguments, InstructionSet.supported)
  func valuesAreAddedInOneChainHoweverTheyAreCut(format: KeyValueFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 15)
    for headDimension in headDimensions(format) {
      let (bytes, stride, values) = cache(
        format, headDimension: headDimension, count: 11, kernels, &generator)
      let weights = generator.floats(11, in: 0...1)
      let start = generator.floats(headDimension)
      let add = { (first: Int, count: Int, output: inout [Float]) in
        unsafe bytes.withUnsafeBytes {
          unsafe kernels.addValues(
            format, weights: Array(weights[first...]), count: count,
            values: $0.baseAddress! + 1 + first * stride, stride: stride,
            headDimension: headDimension, to: &output)
        }
      }
      var together = start
      add(0, 11, &together)
      var apart = start
      for p in 0..<11 { add(p, 1, &apart) }
      #expect(bits(together) == bits(apart))
      for d in 0..<headDimension {
        let expected = (0..<11).reduce(Double(start[d])) {
          $0 + Double(weights[$1]) * values[$1][d]
        }
        #expect(abs(Double(together[d]) - expected) <= 4e-6)
      }
    }
  }
}
