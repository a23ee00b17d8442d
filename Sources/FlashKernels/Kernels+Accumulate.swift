internal import CFlashKernels

/// Rows times coefficients (AXPY): the down projection of the neurons that fire.
///
/// An accumulator is in the row's *packed order*: the plain order for f32, f16 and bf16; for the
/// quantized formats, group by group of up to 16 blocks of n lanes, position
/// `512 * group + n * e + lane` for value e of the group's block `lane`. Zero is zero in any order.
extension Kernels {
  /// The multiples, in packed order, at which `columns` of `accumulate` may begin and end (it may
  /// also end at the width).
  package func columnGranularity(_ format: RowFormat, width: Int) -> Int {
    requireFit(format, width)
    return switch format {
    case .f32, .f16, .bf16: 64
    case .q8_0, .q4_0: 512
    }
  }

  /// `accumulators[t][p] += Σ coefficients[t * coefficientStride + r] * row r [p]` for p in
  /// `columns`, rows in the given order, one multiply-add per element and row. A coefficient equal
  /// to zero is skipped: its row is not looked at, so what it holds (even NaN) changes nothing.
  ///
  /// - Parameters:
  ///   - columns: positions in packed order, cut at multiples of `columnGranularity`.
  ///   - coefficients: [tokenCount, coefficientStride], rowCount of each used.
  ///   - accumulators: [tokenCount, accumulatorStride], in packed order, whole width each.
  package func accumulate(
    _ format: RowFormat, width: Int, columns: Range<Int>,
    scatteredRows: UnsafePointer<UnsafeRawPointer>, rowCount: Int,
    coefficients: UnsafePointer<Float>, coefficientStride: Int, tokenCount: Int,
    accumulators: UnsafeMutablePointer<Float>, accumulatorStride: Int
  ) {
    let granularity = columnGranularity(format, width: width)
    precondition(
      columns.lowerBound >= 0 && columns.upperBound <= width
        && (columns.lowerBound % granularity == 0 || columns.isEmpty)
        && (columns.upperBound % granularity == 0 || columns.upperBound == width),
      "columns \(columns) are not cut at multiples of \(granularity)")
    if columns.isEmpty { return }
    unsafe scatteredRows.withMemoryRebound(to: UnsafeRawPointer?.self, capacity: rowCount) {
      var job = unsafe CFlashKernels_Accumulate(
        width: width, firstColumn: columns.lowerBound, endColumn: columns.upperBound,
        rows: $0, rowCount: rowCount, coefficients: coefficients,
        coefficientStride: coefficientStride, tokenCount: tokenCount, accumulators: accumulators,
        accumulatorStride: accumulatorStride)
      unsafe rows(format).accumulate(&job)
    }
  }

  /// `output[i] += accumulator[packed position of i]`. Both: [width].
  package func addUnpacked(
    _ format: RowFormat, width: Int, accumulator: UnsafePointer<Float>,
    to output: UnsafeMutablePointer<Float>
  ) {
    requireFit(format, width)
    unsafe rows(format).addUnpacked(width, accumulator, output)
  }
}
