import FlashKernels
import Testing

/// What dot, accumulate and decode compute, against double-precision Swift.
struct RowKernelTests {
  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func decodedRowsAreExactlyTheirDefinition(format: RowFormat, isa: InstructionSet) {
    var generator = SeededGenerator(seed: 1)
    for width in testWidths(format) {
      let row = randomRow(format, width: width, using: &generator)
      let expected = Reference.values(format, width: width, row: row[...]).map { Float($0) }
      #expect(bits(Kernels(isa).decoded(format, width: width, row: row)) == bits(expected))
    }
  }

  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func dotsAgreeWithDoublePrecisionAtEveryWidthAndOffset(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 2)
    for width in testWidths(format) {
      let rows = RowBuffer(
        format, width: width,
        rows: (0..<3).map { _ in randomRow(format, width: width, using: &generator) },
        offset: width / format.valuesPerBlock % 5, gap: 1)
      let x = generator.floats(width)
      let computed = kernels.dot(
        rows, kernels.prepared([x], format, width: width), tokenCount: 1)[0]
      let rounded = Reference.activation(format, x)
      for r in 0..<rows.rowCount {
        let terms = zip(Reference.values(format, width: width, row: rows.row(r)), rounded).map(*)
        let tolerance = 2e-6 * terms.map(abs).reduce(1e-30, +)
        #expect(abs(Double(computed[r]) - terms.reduce(0, +)) <= tolerance, "width \(width)")
      }
    }
  }

  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func accumulationAgreesWithDoublePrecision(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 3)
    for width in testWidths(format) {
      let rows = RowBuffer(
        format, width: width,
        rows: (0..<11).map { _ in randomRow(format, width: width, using: &generator) },
        offset: width / format.valuesPerBlock % 3, gap: 1)
      var coefficients = generator.floats(11)
      coefficients[width % 11] = 0
      let start = generator.floats(width)
      var accumulator = start
      kernels.accumulate(
        rows, order: Array(0..<11), columns: 0..<width, coefficients: [coefficients],
        firstNeuron: 20, neurons: (0..<11).map { 2 * $0 }, to: &accumulator)
      // Neurons 20 ... 40, of two groups.
      let groups = [0..<6, 6..<11].map { range in
        Reference.group(
          format, width: width, rows: range.map { rows.row($0) },
          coefficients: Array(coefficients[range]))
      }
      let values = (0..<11).map { Reference.values(format, width: width, row: rows.row($0)) }
      let unpackedStart = kernels.unpacked(format, start)
      let computed = kernels.unpacked(format, accumulator)
      for i in 0..<width {
        #expect(start[Reference.packedPosition(format, width: width, i)] == unpackedStart[i])
        let terms = (0..<11).map { abs(Double(coefficients[$0]) * values[$0][i]) }
        let tolerance = 2e-6 * terms.reduce(abs(Double(unpackedStart[i])), +)
        let expected = groups.reduce(Double(unpackedStart[i])) { $0 + $1[i] }
        #expect(abs(Double(computed[i]) - expected) <= tolerance, "width \(width)")
      }
    }
  }

  /// The inverse of 2^-128, the scale that blocks of zeros get, is beyond f32.
  @Test(arguments: InstructionSet.supported, [1, 9])
  func rowsOfTheSmallestScaleAddNothing(isa: InstructionSet, tokens: Int) {
    var generator = SeededGenerator(seed: 8)
    let zeros = [UInt8](repeating: 0, count: RowFormat.mxfp4.byteCount(width: 512))
    let rows = RowBuffer(.mxfp4, width: 512, rows: [zeros, zeros, zeros])
    let start = generator.floats(512 * tokens)
    var accumulators = start
    Kernels(isa).accumulate(
      rows, order: [0, 1, 2], columns: 0..<512,
      coefficients: (0..<tokens).map { _ in generator.floats(3) }, to: &accumulators)
    #expect(accumulators == start)
  }
}
