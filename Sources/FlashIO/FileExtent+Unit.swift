extension FileExtent {
  /// The smallest extent of whole units that holds this one; an empty one stays empty.
  package func widened(toUnit unit: Int) -> FileExtent {
    let start = offset - offset % unit
    guard byteCount > 0 else { return FileExtent(offset: start, byteCount: 0) }
    let end = (end + unit - 1) / unit * unit
    return FileExtent(offset: start, byteCount: end - start)
  }
}
