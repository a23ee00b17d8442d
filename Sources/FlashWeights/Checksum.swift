internal import Crypto
internal import FlashIO

/// The checksums of a store: SHA-256 of the SHA-256s of an extent's rows.
///
/// Hashing row by row (a tensor's row, or all parts of a neuron) instead of the extent as a whole
/// lets several threads write an extent in any order, and lets the same row hashes, taken in the
/// order of the checkpoint, give the digest of the weights, which therefore does not change when
/// neurons are reordered. Padding is not hashed: it must be zero.
struct RowHashes: Sendable {
  static let byteCount = 32
  /// 32 bytes for each row.
  private(set) var bytes: [UInt8]
  private(set) var isKnown: [Bool]

  init(rowCount: Int) {
    bytes = Array(repeating: 0, count: rowCount * Self.byteCount)
    isKnown = Array(repeating: false, count: rowCount)
  }

  var isComplete: Bool { isKnown.allSatisfy { $0 } }

  mutating func set(first: Int, hashes: [UInt8]) {
    let start = first * Self.byteCount
    bytes.replaceSubrange(start..<start + hashes.count, with: hashes)
    for row in first..<first + hashes.count / Self.byteCount { isKnown[row] = true }
  }

  /// The checksum of the extent: the rows in the order they lie.
  var checksum: String { SHA256.hash(data: bytes).hexadecimal }

  /// The digest of the weights: the rows in the order of the checkpoint, where `order[i]` is the
  /// checkpoint's index of row i.
  func digest(order: [Int]?) -> String {
    guard let order else { return checksum }
    precondition(order.count == isKnown.count, "an order must name every row")
    var sorted = [UInt8](repeating: 0, count: bytes.count)
    for (row, original) in order.enumerated() {
      let source = row * Self.byteCount
      let target = original * Self.byteCount
      sorted.replaceSubrange(
        target..<target + Self.byteCount, with: bytes[source..<source + Self.byteCount])
    }
    return SHA256.hash(data: sorted).hexadecimal
  }

  /// The hashes of rows that lie one after another without gaps.
  static func hash(
    rows: UnsafeRawBufferPointer, rowByteCount: Int
  ) -> [UInt8] {
    var hashes: [UInt8] = []
    hashes.reserveCapacity(rows.count / rowByteCount * byteCount)
    var start = 0
    while start < rows.count {
      let row = unsafe UnsafeRawBufferPointer(rebasing: rows[start..<start + rowByteCount])
      unsafe hashes.append(contentsOf: SHA256.hash(data: row))
      start += rowByteCount
    }
    return hashes
  }

  /// The hashes of the neurons of whole strides; `neuronCount` of them, the last stride may hold
  /// fewer than the others.
  static func hash(
    strides: UnsafeRawBufferPointer, layout: BundleLayout, neuronCount: Int
  ) -> [UInt8] {
    var hashes: [UInt8] = []
    hashes.reserveCapacity(neuronCount * byteCount)
    let (front, last) = (layout.frontBytesPerNeuron, layout.lastPartByteCount)
    for neuron in 0..<neuronCount {
      let start = neuron / layout.neuronsPerStride * layout.stride
      let place = neuron % layout.neuronsPerStride
      let frontStart = start + place * front
      let lastStart = start + layout.frontByteCount + place * last
      var hash = SHA256()
      unsafe hash.update(bufferPointer: .init(rebasing: strides[frontStart..<frontStart + front]))
      unsafe hash.update(bufferPointer: .init(rebasing: strides[lastStart..<lastStart + last]))
      hashes.append(contentsOf: hash.finalize())
    }
    return hashes
  }
}

extension SHA256 {
  /// Text over which a digest of several parts is taken, one part a line.
  static func digest(lines: [String]) -> String {
    SHA256.hash(data: Array(lines.joined(separator: "\n").utf8)).hexadecimal
  }
}

extension SHA256.Digest {
  var hexadecimal: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in self {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension File {
  /// The file's length and SHA-256, hexadecimal. Memory: 4 MiB.
  func checksum() throws(StoreError) -> (byteCount: Int, checksum: String) {
    let count = try byteCount()
    return (count, try checksum(of: FileExtent(offset: 0, byteCount: count)))
  }

  /// The SHA-256 of an extent, hexadecimal. Memory: 4 MiB.
  func checksum(of extent: FileExtent) throws(StoreError) -> String {
    var hash = SHA256()
    for offset in stride(from: extent.offset, to: extent.end, by: 4 << 20) {
      let piece = try bytes(at: offset, byteCount: min(4 << 20, extent.end - offset))
      hash.update(data: piece)
    }
    return hash.finalize().hexadecimal
  }
}
