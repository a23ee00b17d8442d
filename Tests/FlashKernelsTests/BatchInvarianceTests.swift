import FlashKernels
import Testing

/// The law: how a call is cut cannot be seen in the bits of its result.
struct BatchInvarianceTests {
  private static func widths(_ format: RowFormat) -> [Int] {
    switch format.valuesPerBlock {
    case 1: [1, 15, 64, 131]
    case 32: [32, 480, 512, 1056]
    default: [256, 512, 1280]
    }
  }

  private static func rows(
    _ format: RowFormat, width: Int, _ count: Int, _ generator: inout SeededGenerator
  ) -> RowBuffer {
    RowBuffer(
      format, width: width,
      rows: (0..<count).map { _ in randomRow(format, width: width, using: &generator) },
      offset: 1, gap: 2)
  }

  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func aDotIsTheSameAloneAndAmongRowsAndTokens(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 4)
    for width in Self.widths(format) {
      let all = Self.rows(format, width: width, 9, &generator)
      let xs = (0..<9).map { _ in generator.floats(width) }
      let alone = xs.map { x in
        (0..<9).map { r in
          let row = RowBuffer(format, width: width, rows: [Array(all.row(r))])
          return kernels.dot(row, kernels.prepared([x], format, width: width), tokenCount: 1)[0][0]
        }
      }
      let order = [8, 0, 3, 3, 7, 1, 2, 5, 4, 6]
      for tokens in 0...9 {
        let activations = kernels.prepared(Array(xs[..<tokens]), format, width: width)
        for rowCount in tokens == 9 ? Array(0...9) : [9] {
          let rows = RowBuffer(
            format, width: width, rows: (0..<rowCount).map { Array(all.row($0)) }, offset: 3)
          let together = kernels.dot(rows, activations, tokenCount: tokens)
          #expect(together.map(bits) == alone[..<tokens].map { bits(Array($0[..<rowCount])) })
        }
        let scattered = kernels.dot(all, order: order, activations, tokenCount: tokens)
        #expect(scattered.map(bits) == alone[..<tokens].map { row in bits(order.map { row[$0] }) })
      }
    }
  }

  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func accumulationIsTheSameGroupByGroupTokenByTokenAndColumnByColumn(
    format: RowFormat, isa: InstructionSet
  ) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 5)
    for width in Self.widths(format) {
      let rows = Self.rows(format, width: width, 45, &generator)
      let order = Array(0..<45)
      // Half of the places of the layer, over four groups, the first and last in part.
      let neurons = order.map { Int32(2 * $0 + $0 % 2) }
      let groups = Dictionary(grouping: order) { (20 + Int(neurons[$0])) / format.neuronsPerGroup }
      let granularity = kernels.columnGranularity(format, width: width)
      for tokens in 1...9 {
        let coefficients = (0..<tokens).map { _ in
          generator.floats(45).map { abs($0) < 0.3 ? 0 : $0 }
        }
        let start = generator.floats(tokens * width)
        var together = start
        kernels.accumulate(
          rows, order: order, columns: 0..<width, coefficients: coefficients, firstNeuron: 20,
          neurons: neurons, to: &together)
        var apart = start
        for cut in stride(from: 0, to: width, by: granularity) {
          let columns = cut..<min(cut + granularity, width)
          for t in 0..<tokens {
            var one = Array(apart[t * width..<(t + 1) * width])
            for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
              let used = group.filter { coefficients[t][$0] != 0 }
              kernels.accumulate(
                rows, order: used, columns: columns,
                coefficients: [used.map { coefficients[t][$0] }],
                neurons: used.map { neurons[$0] + 20 }, to: &one)
            }
            apart.replaceSubrange(t * width..<(t + 1) * width, with: one)
          }
        }
        #expect(bits(together) == bits(apart), "width \(width), \(tokens) tokens")
      }
    }
  }

  /// What is brought closer meanwhile need not be memory at all.
  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func whatIsWantedAfterwardsChangesNoBit(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 12)
    for width in Self.widths(format) {
      let rows = Self.rows(format, width: width, 45, &generator)
      let order = Array(0..<45)
      for tokens in [1, 3] {
        let xs = (0..<tokens).map { _ in generator.floats(width) }
        let activations = kernels.prepared(xs, format, width: width)
        let plain = kernels.dot(rows, order: order, activations, tokenCount: tokens)
        let ahead = kernels.dot(
          rows, order: order, activations, tokenCount: tokens, wantsMore: true)
        #expect(plain.map(bits) == ahead.map(bits))
        let coefficients = (0..<tokens).map { _ in generator.floats(45) }
        var sums = [[Float]](repeating: generator.floats(tokens * width), count: 2)
        kernels.accumulate(
          rows, order: order, columns: 0..<width, coefficients: coefficients, to: &sums[0])
        kernels.accumulate(
          rows, order: order, columns: 0..<width, coefficients: coefficients, wantsMore: true,
          to: &sums[1])
        #expect(bits(sums[0]) == bits(sums[1]))
      }
    }
  }

  /// Dense against exact: neurons that no token uses are listed, or are not.
  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func silentNeuronsOfAWholeGroupMayBeListed(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 9)
    let width = 1024
    let rows = Self.rows(format, width: width, 64, &generator)
    for tokens in [1, 4, 5, 9] {
      let coefficients = (0..<tokens).map { _ in
        generator.floats(64).enumerated().map {
          $0.offset % 31 == 0 || $0.offset % 5 == 2 ? $0.element : 0
        }
      }
      let used = (0..<64).filter { $0 % 31 == 0 || $0 % 5 == 2 }
      let start = generator.floats(tokens * width)
      var dense = start
      kernels.accumulate(
        rows, order: Array(0..<64), columns: 0..<width, coefficients: coefficients, to: &dense)
      var exact = start
      kernels.accumulate(
        rows, order: used, columns: 0..<width,
        coefficients: coefficients.map { row in used.map { row[$0] } },
        neurons: used.map { Int32($0) }, to: &exact)
      #expect(bits(dense) == bits(exact), "\(tokens) tokens")
    }
  }

  @Test(arguments: RowFormat.allCases, InstructionSet.supported)
  func aZeroCoefficientChangesNothingEvenBesideNaN(format: RowFormat, isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 6)
    let width = format.valuesPerBlock == 256 ? 768 : 544
    // All bits set: NaN scales or NaN values.
    let poison = [UInt8](repeating: 0xff, count: format.byteCount(width: width))
    let row = randomRow(format, width: width, using: &generator)
    let rows = RowBuffer(format, width: width, rows: [poison, row, poison])
    // Minus zero would become plus zero if zero were added.
    let start = [Float](repeating: -0.0, count: width)
    for tokens in 1...6 {
      var without = start
      kernels.accumulate(
        rows, order: [1], columns: 0..<width, coefficients: [[0.5]], to: &without)
      // The odd tokens do not use row 1 either.
      var accumulators = (0..<tokens).flatMap { _ in start }
      kernels.accumulate(
        rows, order: [0, 1, 2], columns: 0..<width,
        coefficients: (0..<tokens).map { [0, $0 % 2 == 0 ? 0.5 : -0.0, -0.0] }, to: &accumulators)
      for t in 0..<tokens {
        let result = bits(Array(accumulators[t * width..<(t + 1) * width]))
        #expect(result == bits(t % 2 == 0 ? without : start))
      }
    }
  }
}
