internal import FlashIO

/// Reads extents back and computes what their checksums should be.
enum StoreCheck {
  /// What an extent's bytes are: the checksum of its rows, and the first padding byte that is not
  /// zero.
  struct Result {
    var checksum: String
    /// The digest of the rows in the checkpoint's order.
    var digest: String
    var paddingOffset: Int?
  }

  /// Bytes read at a time.
  private static let sliceByteCount = 4 << 20

  /// A tensor's checksum. Memory: one slice of rows. `progress` gets the bytes read since the last
  /// call.
  static func checksum(
    _ tensor: StoredTensor, in file: borrowing File, progress: (Int) -> Void = { _ in }
  ) throws(StoreError) -> Result {
    var hashes = RowHashes(rowCount: tensor.rows)
    let rowByteCount = tensor.rowByteCount
    let rowsPerSlice = max(1, sliceByteCount / rowByteCount)
    var row = 0
    while row < tensor.rows {
      let count = min(rowsPerSlice, tensor.rows - row)
      let bytes = try file.bytes(
        at: tensor.extent.offset + row * rowByteCount, byteCount: count * rowByteCount)
      let slice = unsafe bytes.withUnsafeBytes {
        unsafe RowHashes.hash(rows: $0, rowByteCount: rowByteCount)
      }
      hashes.set(first: row, hashes: slice)
      progress(bytes.count)
      row += count
    }
    let end = tensor.extent.end
    let padding = try file.bytes(
      at: end, byteCount: end.roundedUp(to: StorePlan.alignment) - end)
    return Result(
      checksum: hashes.checksum, digest: hashes.checksum,
      paddingOffset: padding.firstIndex { $0 != 0 }.map { end + $0 })
  }

  /// The checksum of a layer's bundles; `order` names the checkpoint's index of each neuron.
  static func checksum(
    _ bundle: BundleLayout, in file: borrowing File, order: [Int]? = nil,
    progress: (Int) -> Void = { _ in }
  ) throws(StoreError) -> Result {
    var hashes = RowHashes(rowCount: bundle.neuronCount)
    let stridesPerSlice = max(1, sliceByteCount / bundle.stride)
    var paddingOffset: Int?
    var first = 0
    while first < bundle.strideCount {
      let count = min(stridesPerSlice, bundle.strideCount - first)
      let offset = bundle.extent.offset + first * bundle.stride
      let bytes = try file.bytes(at: offset, byteCount: count * bundle.stride)
      let neuronCount = bundle.neuronCount(inStrides: first..<first + count)
      let slice = unsafe bytes.withUnsafeBytes {
        unsafe RowHashes.hash(strides: $0, layout: bundle, neuronCount: neuronCount)
      }
      hashes.set(first: first * bundle.neuronsPerStride, hashes: slice)
      if paddingOffset == nil {
        paddingOffset = bundle.firstPaddingByte(of: bytes, neuronCount: neuronCount)
          .map { offset + $0 }
      }
      progress(bytes.count)
      first += count
    }
    let end = bundle.extent.end
    let gap = try file.bytes(at: end, byteCount: end.roundedUp(to: StorePlan.alignment) - end)
    return Result(
      checksum: hashes.checksum, digest: hashes.digest(order: order),
      paddingOffset: paddingOffset ?? gap.firstIndex { $0 != 0 }.map { end + $0 })
  }
}

extension BundleLayout {
  /// The first byte of whole strides that belongs to no neuron and is not zero.
  fileprivate func firstPaddingByte(of bytes: [UInt8], neuronCount: Int) -> Int? {
    for stride in 0..<bytes.count / self.stride {
      let start = stride * self.stride
      let neurons = min(neuronsPerStride, neuronCount - stride * neuronsPerStride)
      let gaps = [
        neurons * frontBytesPerNeuron..<frontByteCount,
        frontByteCount + neurons * lastPartByteCount..<self.stride,
      ]
      for gap in gaps {
        if let index = bytes[start + gap.lowerBound..<start + gap.upperBound]
          .firstIndex(where: { $0 != 0 })
        {
          return index
        }
      }
    }
    return nil
  }
}
