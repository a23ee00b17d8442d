internal import FlashKernels

/// Makes synthetic rows in their stored format, one thread's buffers.
///
/// Random quantized rows are made as they are stored, without a detour over f32: random quants and
/// one scale. Everything else is f32 first, then encoded as `convert` does.
@safe final class RowMaker {
  private let kernels: Kernels
  private let encoder: RowEncoder
  private let basisCount: Int
  private let basisWidth: Int
  /// A row of q8_0, the longest of the quantized formats, and a row of f32, `capacity` values wide.
  private let blocks: UnsafeMutableRawPointer
  private let values: UnsafeMutablePointer<Float>
  private let basisRows: UnsafeMutablePointer<UnsafeRawPointer>
  private let basisValues: UnsafeMutablePointer<Float>

  /// - Parameters:
  ///   - basis: vectors of `StateDrift`, at most 512 values wide.
  ///   - maximumWidth: of all rows that will be made.
  init(_ kernels: Kernels, basis: [[Float]], maximumWidth: Int) {
    self.kernels = kernels
    encoder = RowEncoder(kernels)
    basisCount = basis.count
    basisWidth = basis.first?.count ?? 0
    precondition(basisWidth <= StateDrift.maximumBasisWidth, "a basis is as wide as one group")
    let capacity = maximumWidth.roundedUp(to: 32)
    unsafe blocks = .allocate(
      byteCount: RowFormat.q8_0.byteCount(width: capacity), alignment: 64)
    unsafe values = .allocate(capacity: capacity)
    unsafe basisRows = .allocate(capacity: max(1, basisCount))
    unsafe basisValues = .allocate(capacity: max(1, basisCount * basisWidth))
    for (index, vector) in basis.enumerated() {
      let row = unsafe basisValues + index * basisWidth
      for (column, value) in vector.enumerated() { unsafe row[column] = value }
      unsafe basisRows[index] = UnsafeRawPointer(row)
    }
  }

  deinit {
    unsafe blocks.deallocate()
    unsafe values.deallocate()
    unsafe basisRows.deallocate()
    unsafe basisValues.deallocate()
  }

  /// Writes `format.byteCount(width:)` bytes.
  func make(
    _ recipe: RowRecipe, _ bits: RandomBits, width: Int, _ format: RowFormat,
    into row: UnsafeMutableRawPointer
  ) {
    switch recipe {
    case .random(let deviation):
      guard format.packing == "plain" else {
        return unsafe fill(row, format, width: width, deviation: deviation, bits)
      }
      fillValues(width: width, deviation: deviation, bits)
    case .constant(let value):
      unsafe values.update(repeating: value, count: width)
    case .values(let row):
      precondition(row.count == width, "a row is as wide as its tensor")
      for (index, value) in row.enumerated() { unsafe values[index] = value }
    case .apart(let coefficients, let noise):
      fillValues(width: width, deviation: noise, bits)
      unsafe values.update(repeating: 0, count: basisWidth)
      addBasis(coefficients)
    case .drift(let coefficients, let noise):
      guard format.packing == "plain" else {
        unsafe fill(row, format, width: width, deviation: noise, bits)
        return unsafe replaceFront(
          of: row, format, width: width, coefficients, noise: noise, bits.part("front"))
      }
      fillValues(width: width, deviation: noise, bits)
      addBasis(coefficients)
    }
    unsafe encoder.encode(values, width: width, format, into: row)
  }

  /// `values[0..<basisWidth] += Σ coefficients[j] * basis[j]`.
  private func addBasis(_ coefficients: [Float]) {
    precondition(coefficients.count == basisCount, "each basis vector has a coefficient")
    unsafe coefficients.withUnsafeBufferPointer { coefficients in
      unsafe kernels.accumulate(
        .f32, width: basisWidth, columns: 0..<basisWidth, scatteredRows: basisRows,
        rowCount: basisCount, coefficients: coefficients.baseAddress!,
        coefficientStride: basisCount, tokenCount: 1, accumulators: values,
        accumulatorStride: basisWidth)
    }
  }

  /// Encodes the first `basisWidth` values of a row anew. They are the first group of a `lanes16`
  /// row: its first scales, and the first pieces behind all scales.
  private func replaceFront(
    of row: UnsafeMutableRawPointer, _ format: RowFormat, width: Int, _ coefficients: [Float],
    noise: Float, _ bits: RandomBits
  ) {
    fillValues(width: basisWidth, deviation: noise, bits)
    addBasis(coefficients)
    unsafe encoder.encode(values, width: basisWidth, format, into: blocks)
    let scaleByteCount = format.scaleBytesPerBlock * (basisWidth / format.valuesPerBlock)
    unsafe row.copyMemory(from: blocks, byteCount: scaleByteCount)
    unsafe (row + format.scaleBytesPerBlock * (width / format.valuesPerBlock)).copyMemory(
      from: blocks + scaleByteCount,
      byteCount: format.byteCount(width: basisWidth) - scaleByteCount)
  }

  /// Fills `values` with noise: a random q8_0 row, decoded.
  private func fillValues(width: Int, deviation: Float, _ bits: RandomBits) {
    guard deviation != 0 else { return unsafe values.update(repeating: 0, count: width) }
    let padded = width.roundedUp(to: 32)
    unsafe fill(blocks, .q8_0, width: padded, deviation: deviation, bits)
    unsafe kernels.decodeRow(.q8_0, width: padded, row: blocks, into: values)
  }

  /// Random quants under one scale whose sign changes from block to block, because the quants of
  /// q4_0 reach from -8 to 7 and their mean, if it were the same in all rows, would add up over the
  /// layers. Of mxfp4 under two scales.
  private func fill(
    _ row: UnsafeMutableRawPointer, _ format: RowFormat, width: Int, deviation: Float,
    _ bits: RandomBits
  ) {
    var bits = bits
    if format.valuesPerBlock == 256 {
      return unsafe fillSuper(row, format, width: width, deviation: deviation, &bits)
    }
    let blockCount = width / format.valuesPerBlock
    if format == .mxfp4 {
      unsafe fillPowers(row, blockCount: blockCount, deviation: deviation, &bits)
    } else {
      unsafe fillHalves(row, format, blockCount: blockCount, deviation: deviation, &bits)
    }
    // A byte of 0 would be -128 in q8_0, which the encoder never writes: it becomes 1.
    let lowest: UInt64 = format == .q8_0 ? 0x0101_0101_0101_0101 : 0
    var place = format.scaleBytesPerBlock * blockCount
    let end = blockCount * format.bytesPerBlock
    while place + 8 <= end {
      let word = bits.next()
      unsafe row.storeBytes(
        of: word | Self.isZero(word) & lowest, toByteOffset: place, as: UInt64.self)
      place += 8
    }
  }

  /// Scales of `blockCount` blocks of q4_0 or q8_0.
  private func fillHalves(
    _ row: UnsafeMutableRawPointer, _ format: RowFormat, blockCount: Int, deviation: Float,
    _ bits: inout RandomBits
  ) {
    // The root of the mean square of -8...7, and of -127...127 with -127 twice.
    let scale = Float16(deviation / (format == .q4_0 ? 4.6368 : 73.68)).bitPattern
    for first in stride(from: 0, to: blockCount, by: 64) {
      let signs = bits.next()
      for block in first..<min(first + 64, blockCount) {
        let sign = UInt16(truncatingIfNeeded: signs >> UInt64(block - first) & 1) << 15
        unsafe row.storeBytes(of: scale | sign, toByteOffset: 2 * block, as: UInt16.self)
      }
    }
  }

  /// Scales of mxfp4: one or the other of the powers of two that the scale lies between, each so
  /// often that the mean square is right. That of the doubled values is 34.25, and their mean zero.
  private func fillPowers(
    _ row: UnsafeMutableRawPointer, blockCount: Int, deviation: Float, _ bits: inout RandomBits
  ) {
    let scale = deviation / Float(34.25).squareRoot()
    let share = (scale.significand * scale.significand - 1) / 3
    var due = Float(bits.next() >> 40) * 0x1p-24
    for block in 0..<blockCount {
      due += share
      let code = UInt8(clamping: scale.exponent + (due >= 1 ? 129 : 128))
      if due >= 1 { due -= 1 }
      unsafe row.storeBytes(of: code, toByteOffset: block, as: UInt8.self)
    }
  }

  /// The same for q4_K, whose minima make the mean zero, and for q6_K, by way of GGML's order.
  private func fillSuper(
    _ row: UnsafeMutableRawPointer, _ format: RowFormat, width: Int, deviation: Float,
    _ bits: inout RandomBits
  ) {
    let byteCount = format.bytesPerBlock
    for block in 0..<width / format.valuesPerBlock {
      let start = unsafe blocks + block * byteCount
      // 128 and 192 bytes of quants.
      let quants = format == .q4_K ? 16..<144 : 0..<192
      for place in stride(from: quants.lowerBound, to: quants.upperBound, by: 8) {
        unsafe start.storeBytes(of: bits.next(), toByteOffset: place, as: UInt64.self)
      }
      if format == .q4_K {
        // All scales and minima are 32; 4.6098 is the root of the mean square of -7.5...7.5.
        let scale = deviation / (4.6098 * 32)
        unsafe start.storeBytes(of: Float16(scale).bitPattern, as: UInt16.self)
        unsafe start.storeBytes(
          of: Float16(scale * 7.5).bitPattern, toByteOffset: 2, as: UInt16.self)
        unsafe (start + 4).initializeMemory(as: UInt8.self, repeating: 0xA0, count: 8)
        unsafe (start + 12).initializeMemory(as: UInt8.self, repeating: 0, count: 4)
      } else {
        // Scales are 8 or -8; 18.48 is the root of the mean square of -32...31.
        let scale = Float16(deviation / (18.48 * 8))
        let signs = bits.next()
        for part in 0..<16 {
          unsafe start.storeBytes(
            of: signs >> UInt64(part) & 1 == 0 ? 8 : -8, toByteOffset: 192 + part, as: Int8.self)
        }
        unsafe start.storeBytes(of: scale.bitPattern, toByteOffset: 208, as: UInt16.self)
      }
    }
    unsafe LanePacking.pack(format, width: width, blocks: blocks, into: row)
  }

  /// 1 in the lowest bit of each byte that is zero; the other bits are of no use.
  @inline(__always)
  private static func isZero(_ word: UInt64) -> UInt64 {
    let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
    return ~(((word & low) &+ low) | word) >> 7
  }
}
