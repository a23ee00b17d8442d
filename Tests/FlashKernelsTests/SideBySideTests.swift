import FlashKernels
import Testing

/// Narrow rows that lie side by side, 16 in a vector.
struct SideBySideTests {
  static let formats: [RowFormat] = [.f32, .f16, .bf16, .q8_0, .q4_0, .mxfp4]

  /// [token][row] of rows that are arranged from an odd address on.
  private static func products(
    _ rows: [[UInt8]], _ format: RowFormat, width: Int, _ xs: [[Float]], _ kernels: Kernels
  ) -> [[Float]] {
    var bytes: [UInt8] = [0xff] + rows.flatMap(\.self)
    let activations = kernels.prepared(xs, format, width: width)
    var output = [Float](repeating: 0, count: max(1, xs.count * rows.count))
    unsafe bytes.withUnsafeMutableBytes { buffer in
      let base = unsafe buffer.baseAddress! + 1
      unsafe SideBySide.arrange(format, width: width, rowCount: rows.count, rows: base)
      unsafe activations.withUnsafeBytes {
        unsafe kernels.dot(
          format, width: width, besideRows: base, rowCount: rows.count,
          activations: $0.baseAddress!,
          activationStride: kernels.activationByteCount(format, width: width),
          tokenCount: xs.count, output: &output, outputStride: rows.count)
      }
    }
    return xs.indices.map { Array(output[$0 * rows.count..<($0 + 1) * rows.count]) }
  }

  @Test(arguments: formats, InstructionSet.supported)
  func productsAgreeWithDoublePrecision(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 21)
    let widths = format.valuesPerBlock == 1 ? [1, 7, 32, 131] : [32, 96, 512, 544, 1056]
    for width in widths {
      let rows = (0..<37).map { _ in randomRow(format, width: width, using: &generator) }
      let xs = (0..<3).map { _ in generator.floats(width) }
      let found = Self.products(rows, format, width: width, xs, kernels)
      for (t, x) in xs.enumerated() {
        let rounded = Reference.activation(format, x)
        for r in rows.indices {
          let terms = zip(Reference.values(format, width: width, row: rows[r][...]), rounded)
            .map(*)
          let tolerance = 2e-6 * terms.map(abs).reduce(1e-30, +)
          #expect(abs(Double(found[t][r]) - terms.reduce(0, +)) <= tolerance, "width \(width)")
        }
      }
    }
  }

  @Test(arguments: formats, InstructionSet.supported)
  func aProductIsTheSameAloneAndAmongRowsAndTokens(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 22)
    let width = 96
    let rows = (0..<48).map { _ in randomRow(format, width: width, using: &generator) }
    let xs = (0..<4).map { _ in generator.floats(width) }
    let all = Self.products(rows, format, width: width, xs, kernels)
    for t in xs.indices {
      for r in rows.indices {
        let group = [rows[r]] + Array(rows[..<15])
        let alone = Self.products(group, format, width: width, [xs[t]], kernels)[0][0]
        #expect(alone.bitPattern == all[t][r].bitPattern)
      }
    }
  }

  @Test(arguments: formats)
  func rowsThatMakeNoWholeGroupStay(format: RowFormat) {
    var generator = SeededGenerator(seed: 23)
    let rows = (0..<15).map { _ in randomRow(format, width: 32, using: &generator) }
    var bytes = rows.flatMap(\.self)
    unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe SideBySide.arrange(format, width: 32, rowCount: 15, rows: buffer.baseAddress!)
    }
    #expect(bytes == rows.flatMap(\.self))
  }
}
