/// A run of bytes in one file.
package struct FileExtent: Hashable, Codable, Sendable {
  /// Bytes from the start of the file.
  package var offset: Int
  package var byteCount: Int

  package init(offset: Int, byteCount: Int) {
    self.offset = offset
    self.byteCount = byteCount
  }

  /// The first byte after the extent.
  package var end: Int { offset + byteCount }
}
