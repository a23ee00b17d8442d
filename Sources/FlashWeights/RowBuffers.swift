internal import FlashKernels

/// One thread's way from a row of the source to a row of the store.
struct RowBuffers: ~Copyable {
  let width: Int
  private let kernels: Kernels
  private let encoder: RowEncoder
  private let values: Bytes
  private let stored: Bytes
  /// What was met in the rows so far.
  var faults = ValueFaults()

  init(width: Int, kernels: Kernels, stock: ByteStock) {
    self.width = width
    self.kernels = kernels
    encoder = RowEncoder(kernels)
    values = Bytes(count: 4 * width, from: stock)
    stored = Bytes(count: 4 * width, from: stock)
  }

  /// Encodes a row and reads it back: a value or the scale of a block may be too large for f16.
  /// Values and blocks that the store has too are taken as they are, without rounding.
  ///
  /// The searches for scales, which q8_0 and mxfp4 do not need, find none then and leave a block of
  /// zeros; where there is one, only values up to half of it become zero.
  ///
  /// - Parameters:
  ///   - multiplier: what every value is multiplied with.
  ///   - offset: what is added then.
  mutating func encode(
    _ source: UnsafeRawPointer, _ encoding: SourceEncoding, multiplier: Float, offset: Float = 0,
    to format: RowFormat, into row: UnsafeMutableRawPointer
  ) {
    if case .blocks(let type) = encoding, encoding.keptFormat == format, multiplier == 1,
      offset == 0
    {
      unsafe LanePacking.pack(format, width: width, blocks: source, into: row)
      return unsafe countScales(source, type)
    }
    let floats = unsafe values.start.assumingMemoryBound(to: Float.self)
    unsafe decode(source, encoding, into: floats)
    if encoding == .plain(format), multiplier == 1, offset == 0 {
      unsafe row.copyMemory(from: source, byteCount: format.byteCount(width: width))
      faults.nonFinite += unsafe kernels.nonFiniteCount(floats, count: width)
      return
    }
    if multiplier != 1 {
      for index in 0..<width { unsafe floats[index] *= multiplier }
    }
    if offset != 0 {
      for index in 0..<width { unsafe floats[index] += offset }
    }
    faults.nonFinite += unsafe kernels.nonFiniteCount(floats, count: width)
    unsafe encoder.encode(floats, width: width, format, into: row)
    guard format != .f32 else { return }
    let result = unsafe stored.start.assumingMemoryBound(to: Float.self)
    unsafe kernels.decodeRow(format, width: width, row: row, into: result)
    let bound = unsafe faults.error.add(floats, stored: result, count: width)
    let nonFiniteCount = unsafe kernels.nonFiniteCount(result, count: width)
    let isSearched = format.isQuantized && format != .q8_0 && format != .mxfp4
    guard isSearched || nonFiniteCount > 0 else { return }
    guard nonFiniteCount > 0 || !(bound <= Self.largestScale / 2) else { return }
    for index in 0..<width {
      let (value, stored) = unsafe (floats[index], result[index])
      let isLost = !stored.isFinite || (stored == 0 && abs(value) > Self.largestScale / 2)
      if value.isFinite, isLost { faults.overflowed += 1 }
    }
  }

  private func decode(
    _ source: UnsafeRawPointer, _ encoding: SourceEncoding, into values: UnsafeMutablePointer<Float>
  ) {
    switch encoding {
    case .plain(let format):
      unsafe kernels.decodeRow(format, width: width, row: source, into: values)
    case .blocks(let type):
      unsafe BlockDecoder.decode(
        type, source, blockCount: width / type.block.valueCount, into: values)
    case .unknown(let name): preconditionFailure("rows of \(name) are not converted")
    }
  }

  /// Counts the values of blocks of which an f16 scale is NaN or infinite, or the largest codes of
  /// MXFP4 would be.
  private mutating func countScales(_ blocks: UnsafeRawPointer, _ type: GGUFType) {
    let (valueCount, byteCount) = type.block
    for index in 0..<width / valueCount {
      let block = unsafe blocks + index * byteCount
      func isBad(at offset: Int) -> Bool {
        unsafe block.loadUnaligned(fromByteOffset: offset, as: UInt16.self) & 0x7C00 == 0x7C00
      }
      let isBadBlock =
        switch type {
        case .mxfp4: unsafe block.load(as: UInt8.self) > 252
        case .q4_K: isBad(at: 0) || isBad(at: 2)
        case .q6_K: isBad(at: 208)
        default: isBad(at: 0)
        }
      if isBadBlock { faults.nonFinite += valueCount }
    }
  }

  /// The largest f16.
  private static let largestScale: Float = 65504
}

/// How many values of a tensor are no finite numbers, in the source or only in the store, and how
/// far the store's values are from the source's.
struct ValueFaults: Sendable {
  /// NaN and infinite values of the source.
  var nonFinite = 0
  /// Finite values of the source that are too large for the store's format, which turns them into
  /// NaN, infinity or zero, and those that share their block.
  var overflowed = 0
  var error = RoundingError()

  static func += (total: inout ValueFaults, part: ValueFaults) {
    total.nonFinite += part.nonFinite
    total.overflowed += part.overflowed
    total.error += part.error
  }
}

/// How far stored values are from those they stand for.
struct RoundingError: Codable, Equatable, Sendable {
  /// Sum of the squares of the differences.
  var squares = 0.0
  /// Sum of the squares of the values.
  var power = 0.0

  /// Root of the mean square of the differences over that of the values.
  var relative: Double { power > 0 ? (squares / power).squareRoot() : 0 }

  static func += (total: inout RoundingError, part: RoundingError) {
    total.squares += part.squares
    total.power += part.power
  }

  /// Adds a row's and returns a bound of its values' magnitudes, infinite where one is not finite.
  mutating func add(
    _ values: UnsafePointer<Float>, stored: UnsafePointer<Float>, count: Int
  ) -> Float {
    let (a, b) = unsafe (UnsafeRawPointer(values), UnsafeRawPointer(stored))
    var (squares, power) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
    let whole = count / 8 * 8
    for index in stride(from: 0, to: whole, by: 8) {
      let value = unsafe a.loadUnaligned(fromByteOffset: 4 * index, as: SIMD8<Float>.self)
      let other = unsafe b.loadUnaligned(fromByteOffset: 4 * index, as: SIMD8<Float>.self)
      squares += (value - other) * (value - other)
      power += value * value
    }
    for index in whole..<count {
      let difference = unsafe values[index] - stored[index]
      squares[0] += difference * difference
      power[0] += unsafe values[index] * values[index]
    }
    guard squares.sum().isFinite, power.sum().isFinite else { return .infinity }
    self.squares += Double(squares.sum())
    self.power += Double(power.sum())
    return power.max().squareRoot()
  }
}
