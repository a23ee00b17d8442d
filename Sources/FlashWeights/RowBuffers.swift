internal import FlashKernels

/// One thread's way from a row of the checkpoint to a row of the store.
struct RowBuffers: ~Copyable {
  let width: Int
  private let kernels: Kernels
  private let encoder: RowEncoder
  private let values: Bytes
  private let stored: Bytes
  /// What was met in the rows so far.
  var faults = ValueFaults()

  init(width: Int, kernels: Kernels) {
    self.width = width
    self.kernels = kernels
    encoder = RowEncoder(kernels)
    values = Bytes(count: 4 * width)
    stored = Bytes(count: 4 * width)
  }

  /// Encodes a row and reads it back: a value or the scale of a block may be too large for f16.
  ///
  /// The search for a q4_0 scale finds none then and leaves a block of zeros; where there is one,
  /// only values up to half of it become zero.
  mutating func encode(
    _ source: UnsafeRawPointer, _ sourceFormat: RowFormat, to format: RowFormat,
    into row: UnsafeMutableRawPointer
  ) {
    let floats = unsafe values.start.assumingMemoryBound(to: Float.self)
    unsafe kernels.decodeRow(sourceFormat, width: width, row: source, into: floats)
    faults.nonFinite += unsafe kernels.nonFiniteCount(floats, count: width)
    unsafe encoder.encode(floats, width: width, format, into: row)
    guard format != .f32 else { return }
    let result = unsafe stored.start.assumingMemoryBound(to: Float.self)
    unsafe kernels.decodeRow(format, width: width, row: row, into: result)
    let nonFiniteCount = unsafe kernels.nonFiniteCount(result, count: width)
    guard format == .q4_0 || nonFiniteCount > 0 else { return }
    for index in 0..<width {
      let (value, stored) = unsafe (floats[index], result[index])
      let isLost = !stored.isFinite || (stored == 0 && abs(value) > Self.largestScale / 2)
      if value.isFinite, isLost { faults.overflowed += 1 }
    }
  }

  /// The largest f16.
  private static let largestScale: Float = 65504
}

/// How many values of a tensor are no finite numbers, in the checkpoint or only in the store.
struct ValueFaults: Sendable {
  /// NaN and infinite values of the checkpoint.
  var nonFinite = 0
  /// Finite values of the checkpoint that are too large for the store's format, which turns them
  /// into NaN, infinity or zero, and those that share their block.
  var overflowed = 0

  static func += (total: inout ValueFaults, part: ValueFaults) {
    total.nonFinite += part.nonFinite
    total.overflowed += part.overflowed
  }
}
