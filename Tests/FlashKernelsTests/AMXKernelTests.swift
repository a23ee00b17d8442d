import FlashKernels
import Testing

/// AMX gives the bits of AVX-512: on the tiles of this CPU if it has them, and on emulated ones.
struct AMXKernelTests {
  private static let kernels: [(name: String, kernels: Kernels)] =
    [
      ("emulated", Kernels.emulatedAMX),
      ("this CPU's", InstructionSet.amx.isSupported ? Kernels(.amx) : nil),
    ]
    .compactMap { name, kernels in kernels.map { (name, $0) } }

  /// Whole groups of 16 blocks, part of one, one and a part.
  private static func cases(_ widths: [Int], _ superWidths: [Int]) -> [(RowFormat, Int)] {
    [RowFormat.q8_0, .q4_0, .mxfp4, .q4_K, .q6_K].flatMap { format in
      (format.valuesPerBlock == 32 ? widths : superWidths).map { (format, $0) }
    }
  }

  private func rows(
    _ format: RowFormat, width: Int, _ count: Int, _ generator: inout SeededGenerator
  ) -> RowBuffer {
    RowBuffer(
      format, width: width,
      rows: (0..<count).map { _ in randomRow(format, width: width, using: &generator) },
      offset: width / 32 % 3, gap: 2)
  }

  @Test(
    .enabled(if: Kernels.emulatedAMX != nil, "this CPU has no AVX-512"),
    arguments: cases([32, 96, 480, 512, 544, 1056], [256, 512, 768]))
  func tilesGiveTheBitsOfVectors(format: RowFormat, width: Int) {
    var generator = SeededGenerator(seed: 21)
    let all = rows(format, width: width, 40, &generator)
    let reference = Kernels(.avx512)
    let activations = reference.prepared(
      (0..<40).map { _ in generator.floats(width) }, format, width: width)
    let expected = reference.dot(all, activations, tokenCount: 40).map(bits)
    for (name, kernels) in Self.kernels {
      for rowCount in [1, 15, 16, 17, 32, 40] {
        let some = RowBuffer(
          format, width: width, rows: (0..<rowCount).map { Array(all.row($0)) }, offset: 1)
        for tokens in [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 40] {
          let found = kernels.dot(some, activations, tokenCount: tokens)
          #expect(
            found.map(bits) == expected[..<tokens].map { Array($0[..<rowCount]) },
            "\(name) tiles, \(rowCount) rows, \(tokens) tokens")
        }
      }
      let order = (0..<40).map { $0 * 7 % 40 }
      let scattered = kernels.dot(all, order: order, activations, tokenCount: 40)
      #expect(scattered.map(bits) == expected.map { row in order.map { row[$0] } })
    }
  }

  /// More tokens than one pass holds, rows as wide as the buffers, and wider.
  @Test(
    .enabled(if: Kernels.emulatedAMX != nil, "this CPU has no AVX-512"),
    arguments: [RowFormat.q8_0, .q4_0, .mxfp4, .q4_K, .q6_K],
    [(4096, 70), (6176, 50), (8192, 33), (8224, 8), (1024, 71)])
  func longPassesAndWideRowsGiveTheBitsOfVectors(format: RowFormat, shape: (Int, Int)) {
    let (width, tokens) = (
      (shape.0 + format.valuesPerBlock - 1) / format.valuesPerBlock * format.valuesPerBlock,
      shape.1
    )
    var generator = SeededGenerator(seed: 22)
    let rows = rows(format, width: width, 17, &generator)
    let reference = Kernels(.avx512)
    let activations = reference.prepared(
      (0..<tokens).map { _ in generator.floats(width) }, format, width: width)
    let expected = reference.dot(rows, activations, tokenCount: tokens).map(bits)
    for (name, kernels) in Self.kernels {
      let found = kernels.dot(rows, activations, tokenCount: tokens)
      #expect(found.map(bits) == expected, "\(name) tiles")
    }
  }

  /// Down rows: neurons of four groups, some silent, and a token for which all are; whole groups
  /// of 16 blocks and parts of one.
  @Test(
    .enabled(if: Kernels.emulatedAMX != nil, "this CPU has no AVX-512"),
    arguments: cases([512, 544, 1024, 96], [512, 768, 256]))
  func foldsOnTilesGiveTheBitsOfVectors(format: RowFormat, width: Int) {
    var generator = SeededGenerator(seed: 24)
    let rows = rows(format, width: width, 75, &generator)
    let neurons = (0..<75).map { Int32($0 + $0 / 10 * 3) }
    for tokens in [1, 7, 8, 9, 16, 17, 33] {
      var coefficients = (0..<tokens).map { _ in
        generator.floats(75).map { abs($0) < 0.3 ? 0 : $0 }
      }
      coefficients[tokens / 2] = Array(repeating: 0, count: 75)
      // Minus zero would become plus zero if zero were added.
      let start = generator.floats(tokens * width).map { $0 < 0 ? -0.0 : $0 }
      let run = { (kernels: Kernels) in
        var accumulators = start
        kernels.accumulate(
          rows, order: Array(0..<75), columns: 0..<width, coefficients: coefficients,
          firstNeuron: 7, neurons: neurons, to: &accumulators)
        return bits(accumulators)
      }
      let expected = run(Kernels(.avx512))
      for (name, kernels) in Self.kernels {
        #expect(run(kernels) == expected, "\(name) tiles, \(tokens) tokens")
      }
    }
  }

  /// A NaN scale must not reach other rows or tokens.
  @Test(
    .enabled(if: Kernels.emulatedAMX != nil, "this CPU has no AVX-512"),
    arguments: [RowFormat.q8_0, .q4_0, .mxfp4, .q4_K, .q6_K])
  func aBadRowSpoilsNoOther(format: RowFormat) {
    var generator = SeededGenerator(seed: 23)
    let width = format.valuesPerBlock == 256 ? 768 : 544
    var rows = rows(format, width: width, 16, &generator)
    rows.bytes.replaceSubrange(rows.row(5).indices, with: rows.row(5).map { _ in 0xff })
    let reference = Kernels(.avx512)
    let activations = reference.prepared(
      (0..<16).map { _ in generator.floats(width) }, format, width: width)
    let expected = reference.dot(rows, activations, tokenCount: 16)
    for (name, kernels) in Self.kernels {
      for (found, row) in zip(kernels.dot(rows, activations, tokenCount: 16), expected) {
        for r in 0..<16 {
          // All bits set are no NaN in mxfp4, but 2^127.
          let isBad = { (x: Float) in format == .mxfp4 ? !x.isFinite : x.isNaN }
          #expect(isBad(found[r]) == (r == 5) && isBad(row[r]) == (r == 5))
          #expect(r == 5 || found[r].bitPattern == row[r].bitPattern, "\(name) tiles, row \(r)")
        }
      }
    }
  }
}
