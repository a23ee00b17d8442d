internal import CFlashKernels

/// Rows times coefficients: the down projection of the neurons that fire.
///
/// An accumulator is in the row's *packed order*: the plain order for f32, f16 and bf16; for the
/// quantized formats, group by group of up to 16 blocks of n lanes, position
/// `512 * group + n * e + lane` for value e of the group's block `lane`. Zero is zero in any order.
extension Kernels {
  /// The multiples, in packed order, at which `columns` of `accumulate` may begin and end (it may
  /// also end at the width).
  package func columnGranularity(_ format: RowFormat, width: Int) -> Int {
    requireFit(format, width)
    return format.isQuantized ? 512 : 64
  }

  /// `accumulators[t][p] += Σ coefficients[t * coefficientStride + r] * row r [p]` for p in
  /// `columns`, in ascending order of neurons. A coefficient equal to zero is skipped: what its row
  /// holds (even NaN) changes nothing.
  ///
  /// f32, f16 and bf16 rows: one multiply-add per element and row (AXPY).
  ///
  /// Quantized rows: one multiply-add per element and group of `neuronsPerGroup` neurons, of an
  /// exact sum of integers. Neuron i of a group has coefficient a_i and, in a block of columns, the
  /// scale d_i; A is the largest |a_i| and D the largest |d_i| of the neurons with a_i other than
  /// zero. In f32, q_i = a_i / A * 127 * (d_i * (1 / D)), rounded to nearest even, and the
  /// element gains (Σ q_i * integer weight i) * ((A / 127) * D). Groups are cut by the neuron's
  /// place in its layer, so that silent neurons, listed or not, change no bit. In q6_K that is so
  /// for each half of a block. A q4_K weight, of scale d_i, is `d_i * (integer - 8) + r_i`, of
  /// integers from 0 to 15: the same, and before it the element gains
  /// (A / 127) * Σ a_i / A * 127 * r_i, in ascending order. A D of 2^-128, the smallest scale of
  /// mxfp4, counts as zero: its inverse is beyond f32.
  ///
  /// - Parameters:
  ///   - columns: positions in packed order, cut at multiples of `columnGranularity`.
  ///   - firstNeuron: row r is neuron `firstNeuron + neurons[r]` of its layer; + r where `neurons`
  ///     is nil. Calls must not cut a group of `format.neuronsPerGroup`.
  ///   - neurons: [rowCount], ascending.
  ///   - coefficients: [tokenCount, coefficientStride], rowCount of each used.
  ///   - accumulators: [tokenCount, accumulatorStride], in packed order, whole width each.
  ///   - ahead: bytes that are wanted afterwards, as in `dot`; of quantized rows and one token.
  package func accumulate(
    _ format: RowFormat, width: Int, columns: Range<Int>,
    scatteredRows: UnsafePointer<UnsafeRawPointer>, rowCount: Int, firstNeuron: Int = 0,
    neurons: UnsafePointer<Int32>? = nil,
    coefficients: UnsafePointer<Float>, coefficientStride: Int, tokenCount: Int,
    accumulators: UnsafeMutablePointer<Float>, accumulatorStride: Int,
    ahead: UnsafeRawPointer? = nil
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
        rows: $0, rowCount: rowCount, firstNeuron: firstNeuron, neurons: neurons,
        coefficients: coefficients, coefficientStride: coefficientStride, tokenCount: tokenCount,
        accumulators: accumulators, accumulatorStride: accumulatorStride, ahead: ahead)
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
