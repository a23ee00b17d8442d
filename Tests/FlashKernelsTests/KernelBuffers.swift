import FlashKernels

/// Rows one after another at an odd address: what the kernels promise to accept.
struct RowBuffer {
  let format: RowFormat
  let width: Int
  let offset: Int
  let stride: Int
  let rowCount: Int
  var bytes: [UInt8]

  init(_ format: RowFormat, width: Int, rows: [[UInt8]], offset: Int = 0, gap: Int = 0) {
    self.format = format
    self.width = width
    self.offset = offset
    stride = format.byteCount(width: width) + gap
    rowCount = rows.count
    bytes = [UInt8](repeating: 0xff, count: offset)
    for row in rows { bytes += row + [UInt8](repeating: 0xff, count: gap) }
    bytes += [0xff]
  }

  func row(_ r: Int) -> ArraySlice<UInt8> {
    bytes[offset + r * stride..<offset + r * stride + format.byteCount(width: width)]
  }

  /// Calls `body` with a pointer to each row of `order`.
  func withRowPointers<Result>(
    _ order: [Int], _ body: (UnsafePointer<UnsafeRawPointer>) -> Result
  ) -> Result {
    unsafe bytes.withUnsafeBytes { buffer in
      let pointers = unsafe order.map { unsafe buffer.baseAddress! + offset + $0 * stride }
      // One more than needed, so that there is an address for no rows too.
      return unsafe (pointers + [buffer.baseAddress!]).withUnsafeBufferPointer {
        unsafe body($0.baseAddress!)
      }
    }
  }
}

extension Kernels {
  /// `xs` prepared, one after another.
  func prepared(_ xs: [[Float]], _ format: RowFormat, width: Int) -> [UInt8] {
    let byteCount = activationByteCount(format, width: width)
    var result = [UInt8](repeating: 0, count: byteCount * xs.count + 1)
    unsafe result.withUnsafeMutableBytes { buffer in
      for (t, x) in xs.enumerated() {
        unsafe prepareActivation(
          x, width: width, format, into: buffer.baseAddress! + t * byteCount)
      }
    }
    return result
  }

  /// [token][row]
  func dot(_ rows: RowBuffer, _ activations: [UInt8], tokenCount: Int) -> [[Float]] {
    let outputStride = rows.rowCount + 3
    var output = [Float](repeating: .nan, count: tokenCount * outputStride + 1)
    unsafe rows.bytes.withUnsafeBytes { buffer in
      unsafe activations.withUnsafeBytes { activations in
        unsafe dot(
          rows.format, width: rows.width, rows: buffer.baseAddress! + rows.offset,
          rowStride: rows.stride, rowCount: rows.rowCount, activations: activations.baseAddress!,
          activationStride: activationByteCount(rows.format, width: rows.width),
          tokenCount: tokenCount, output: &output, outputStride: outputStride)
      }
    }
    return (0..<tokenCount).map {
      Array(output[$0 * outputStride..<$0 * outputStride + rows.rowCount])
    }
  }

  /// Rows in `order`, by pointer: [token][place in order].
  func dot(
    _ rows: RowBuffer, order: [Int], _ activations: [UInt8], tokenCount: Int,
    wantsMore: Bool = false
  ) -> [[Float]] {
    var output = [Float](repeating: .nan, count: tokenCount * order.count + 1)
    unsafe rows.withRowPointers(order) { pointers in
      unsafe activations.withUnsafeBytes { activations in
        unsafe dot(
          rows.format, width: rows.width, scatteredRows: pointers, rowCount: order.count,
          activations: activations.baseAddress!,
          activationStride: activationByteCount(rows.format, width: rows.width),
          tokenCount: tokenCount, output: &output, outputStride: order.count,
          ahead: wantsMore ? nowhere : nil)
      }
    }
    return (0..<tokenCount).map { Array(output[$0 * order.count..<($0 + 1) * order.count]) }
  }

  /// Adds to `accumulators` [token, width] in packed order; `coefficients` [token][place in order];
  /// `neurons`, or 0 and those after it, by place.
  func accumulate(
    _ rows: RowBuffer, order: [Int], columns: Range<Int>, coefficients: [[Float]],
    firstNeuron: Int = 0, neurons: [Int32]? = nil, wantsMore: Bool = false,
    to accumulators: inout [Float]
  ) {
    let tokenCount = coefficients.count
    let neurons = neurons ?? order.indices.map { Int32($0) }
    unsafe rows.withRowPointers(order) { pointers in
      unsafe accumulate(
        rows.format, width: rows.width, columns: columns, scatteredRows: pointers,
        rowCount: order.count, firstNeuron: firstNeuron, neurons: neurons + [0],
        coefficients: coefficients.flatMap { $0 } + [0],
        coefficientStride: order.count, tokenCount: tokenCount, accumulators: &accumulators,
        accumulatorStride: rows.width, ahead: wantsMore ? nowhere : nil)
    }
  }

  func decoded(_ format: RowFormat, width: Int, row: [UInt8]) -> [Float] {
    var values = [Float](repeating: .nan, count: width)
    unsafe decodeRow(format, width: width, row: row, into: &values)
    return values
  }

  /// An accumulator of packed order in plain order.
  func unpacked(_ format: RowFormat, _ accumulator: [Float]) -> [Float] {
    var values = [Float](repeating: 0, count: accumulator.count)
    unsafe addUnpacked(format, width: accumulator.count, accumulator: accumulator, to: &values)
    return values
  }
}

/// The widths that tests go through: all small ones, for the quantized formats all up to beyond two
/// groups, part groups included.
func testWidths(_ format: RowFormat) -> [Int] {
  let block = format.valuesPerBlock
  return block == 1
    ? Array(0...130) : Array(stride(from: 0, through: max(1056, 5 * block), by: block))
}

/// Bytes that are wanted afterwards: no memory at all.
private var nowhere: UnsafeRawPointer? { unsafe UnsafeRawPointer(bitPattern: 4096) }

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
