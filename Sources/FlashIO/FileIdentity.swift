/// Which file it is and when it was last written: enough to notice that it was replaced, truncated
/// or changed while it was open.
package struct FileIdentity: Sendable, Hashable {
  /// The major number in the upper half, the minor in the lower.
  package let device: UInt64
  package let inode: UInt64
  package let byteCount: Int
  /// Nanoseconds since 1970.
  package let modificationTime: Int64

  /// Follows symbolic links.
  /// - Throws: `FileFailure` when there is no such file or it may not be looked at.
  package init(path: String) throws(FileFailure) {
    self.init(try StatusOfFile.read(path: path))
  }

  init(_ status: StatusOfFile) {
    device = status.device
    inode = status.inode
    byteCount = status.byteCount
    modificationTime = status.modificationTime
  }
}
