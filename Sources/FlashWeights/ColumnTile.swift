internal import FlashKernels

/// Some columns of a matrix, turned into rows: `[columns, rows]`.
///
/// The matrix is read in squares of 16 by 16, whose 16 rows and 16 columns are a cache line of f32
/// each: written one value at a time, columns 16 KiB apart evict each other from the first cache,
/// which took a third of the time of a conversion.
struct ColumnTile: ~Copyable {
  /// Columns of a square, and rows.
  static let leastCount = 16

  /// How the turned columns are encoded: as the matrix, or f32 where that has blocks.
  let encoding: SourceEncoding
  private let matrix: SourceEncoding
  private let rows: Int
  private let rowByteCount: Int
  private let values: Bytes
  /// 16 rows of the columns' blocks, decoded.
  private let decoded: Bytes

  /// - Parameters:
  ///   - matrix: how the matrix is encoded, row by row.
  ///   - heldCount: columns of the matrix, whole blocks.
  ///   - capacity: the most columns that are turned at a time.
  init(
    _ matrix: SourceEncoding, rows: Int, heldCount: Int, capacity: Int, stock: ByteStock
  ) {
    self.matrix = matrix
    self.rows = rows
    rowByteCount = matrix.byteCount(width: heldCount)
    if case .blocks = matrix { encoding = .plain(.f32) } else { encoding = matrix }
    values = Bytes(count: capacity * encoding.byteCount(width: rows), from: stock)
    decoded = Bytes(
      count: 4 * Self.leastCount * (capacity + 2 * matrix.valuesPerBlock), from: stock)
  }

  /// The column that is row `index` of the tile.
  func column(_ index: Int) -> UnsafeRawPointer {
    unsafe UnsafeRawPointer(values.start + index * encoding.byteCount(width: rows))
  }

  /// Turns `columns` of `source`, the whole matrix.
  func fill(_ columns: Range<Int>, from source: UnsafeRawPointer) {
    guard case .blocks(let type) = matrix else {
      let size = encoding.byteCount(width: 1)
      let start = unsafe source + columns.lowerBound * size
      if size == 2 {
        unsafe turn(UInt16.self, start, rowByteCount, 0..<rows, columns.count)
      } else {
        unsafe turn(UInt32.self, start, rowByteCount, 0..<rows, columns.count)
      }
      return
    }
    let (valueCount, byteCount) = type.block
    let first = columns.lowerBound / valueCount
    let blockCount = (columns.upperBound + valueCount - 1) / valueCount - first
    let width = blockCount * valueCount
    let floats = unsafe decoded.start.assumingMemoryBound(to: Float.self)
    let inside = 4 * (columns.lowerBound - first * valueCount)
    for start in stride(from: 0, to: rows, by: Self.leastCount) {
      let end = min(start + Self.leastCount, rows)
      for row in start..<end {
        unsafe BlockDecoder.decode(
          type, source + row * rowByteCount + first * byteCount, blockCount: blockCount,
          into: floats + (row - start) * width)
      }
      unsafe turn(UInt32.self, decoded.start + inside, 4 * width, start..<end, columns.count)
    }
  }

  /// Writes rows `rows` of the first `count` columns; row `rows.lowerBound` begins at `start`.
  private func turn<Element: FixedWidthInteger & SIMDScalar>(
    _: Element.Type, _ start: UnsafeRawPointer, _ rowByteCount: Int, _ rows: Range<Int>,
    _ count: Int
  ) {
    let size = MemoryLayout<Element>.size
    let least = Self.leastCount
    let target = unsafe values.start.assumingMemoryBound(to: Element.self)
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: least) {
      let square = min(least, rows.upperBound - first)
      let piece = unsafe start + (first - rows.lowerBound) * rowByteCount
      for column in 0..<count {
        let place = unsafe piece + column * size
        let output = unsafe target + column * self.rows + first
        guard square == least else {
          for row in 0..<square {
            unsafe output[row] = place.loadUnaligned(
              fromByteOffset: row * rowByteCount, as: Element.self)
          }
          continue
        }
        var line = SIMD16<Element>()
        for row in 0..<least {
          unsafe line[row] = place.loadUnaligned(
            fromByteOffset: row * rowByteCount, as: Element.self)
        }
        unsafe UnsafeMutableRawPointer(output).storeBytes(of: line, as: SIMD16<Element>.self)
      }
    }
  }
}
