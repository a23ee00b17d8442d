/// Widening to the unit of direct I/O.
extension FileExtent {
  /// The smallest extent of whole units that holds this one; an empty one stays empty.
  package func widened(toUnit unit: Int) -> FileExtent {
    let start = offset - offset % unit
    guard byteCount > 0 else { return FileExtent(offset: start, byteCount: 0) }
    let end = (end + unit - 1) / unit * unit
    return FileExtent(offset: start, byteCount: end - start)
  }

  /// This extent in pieces of `byteCount` bytes, the last one shorter: a long read, so that a queue
  /// fills.
  package func pieces(ofByteCount byteCount: Int) -> some Sequence<FileExtent> {
    stride(from: offset, to: end, by: byteCount).lazy.map { start in
      FileExtent(offset: start, byteCount: Swift.min(byteCount, end - start))
    }
  }
}
