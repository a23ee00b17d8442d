import FlashKernels
import FlashTestSupport
import Testing

@testable import FlashWeights

/// Columns of a matrix become rows, whatever the matrix is made of.
struct ColumnTileTests {
  private static let rowCount = 37
  private static let width = 512

  /// Random rows: small whole numbers, or blocks with small scales.
  private func matrix(_ encoding: SourceEncoding) -> [UInt8] {
    var random = SplitMix(seed: 11)
    let byteCount = Self.rowCount * encoding.byteCount(width: Self.width)
    var bytes = (0..<byteCount).map { _ in UInt8(random.below(256)) }
    if case .blocks(let type) = encoding {
      for start in stride(from: 0, to: byteCount, by: type.block.byteCount) {
        for byte in [1, 3] { bytes[start + byte] = 0x1C + UInt8(random.below(8)) }
        if type == .q6_K { bytes[start + 209] = 0x1C }
      }
    }
    return bytes
  }

  @Test(
    arguments: [
      .plain(.f32), .plain(.bf16), .plain(.f16), .blocks(.q4_0), .blocks(.q8_0), .blocks(.mxfp4),
      .blocks(.q4_K), .blocks(.q6_K),
    ] as [SourceEncoding])
  func columnsBecomeRows(encoding: SourceEncoding) throws {
    let bytes = matrix(encoding)
    let rowByteCount = encoding.byteCount(width: Self.width)
    var expected: [[UInt8]] = []
    var size = encoding.byteCount(width: 1)
    for row in 0..<Self.rowCount {
      let part = Array(bytes[row * rowByteCount..<(row + 1) * rowByteCount])
      guard case .blocks(let type) = encoding else {
        expected.append(part)
        continue
      }
      size = 4
      var values = [Float](repeating: 0, count: Self.width)
      unsafe part.withUnsafeBytes {
        unsafe BlockDecoder.decode(
          type, $0.baseAddress!, blockCount: Self.width / type.block.valueCount, into: &values)
      }
      expected.append(unsafe values.withUnsafeBytes { unsafe [UInt8]($0) })
    }
    let tile = ColumnTile(
      encoding, rows: Self.rowCount, heldCount: Self.width, capacity: 256, stock: ByteStock())
    for columns in [0..<16, 0..<256, 5..<6, 250..<506, 256..<512, 511..<512, 17..<49] {
      unsafe bytes.withUnsafeBytes { unsafe tile.fill(columns, from: $0.baseAddress!) }
      for (index, column) in columns.enumerated() {
        let found = unsafe UnsafeRawBufferPointer(
          start: tile.column(index), count: size * Self.rowCount)
        let wanted = expected.flatMap { $0[size * column..<size * (column + 1)] }
        try #require(unsafe found.elementsEqual(wanted), "\(encoding.name), column \(column)")
      }
    }
  }

  /// Memory that is given back is taken again by what needs more than half of it.
  @Test func stockIsUsedAgain() {
    let stock = ByteStock()
    func address(_ count: Int) -> Int {
      let bytes = Bytes(count: count, from: stock)
      return unsafe Int(bitPattern: bytes.start)
    }
    let first = address(10_000)
    #expect(address(16_384) == first)
    #expect(address(100_000) != first)
    #expect(address(9000) == first && address(8000) != first)
  }
}
