internal import Glibc

/// Whether reads go past the page cache.
package enum DirectMode: String, Sendable, CaseIterable {
  /// Where the file system can; else through the page cache, with a reason.
  case auto
  /// Only so: opening fails where the file system refuses.
  case on
  /// Through the page cache.
  case off
}

/// What the file system says about direct I/O; tests put other answers in its place.
package enum DirectSupport: Sendable, Equatable {
  case asReported
  /// O_DIRECT in this unit (a power of two), whatever the file system names.
  case unit(Int)
  /// Opening with O_DIRECT fails with EINVAL.
  case refused
  /// Opening with O_DIRECT succeeds, and `statx` says that direct reads are not supported.
  case pretended
}

/// A file open for reading, with the unit in which it must be read.
///
/// Weights never live in the page cache: the file is opened with O_DIRECT and read in the unit
/// that `statx` reports. Where that is refused, or where no unit is named (tmpfs takes O_DIRECT and
/// serves from memory), reads are buffered, `fallbackReason` says why, and engines tell the kernel
/// after each read that the pages are not needed.
package final class FlashFile: Sendable {
  package let path: String
  /// What the file was when it was opened; see `checkUnchanged`.
  package let identity: FileIdentity
  /// Whether reads pass the page cache by.
  package let isDirect: Bool
  /// Offsets and byte counts of reads are multiples of this; 1 where reads are buffered.
  package let unit: Int
  /// Addresses of destinations are multiples of this; 1 where reads are buffered.
  package let memoryAlignment: Int
  /// Why reads are buffered although direct ones were wanted.
  package let fallbackReason: String?
  /// Open until the object goes.
  let descriptor: Int32

  /// Bytes in the file when it was opened.
  package var byteCount: Int { identity.byteCount }

  /// Opens the regular file at `path`.
  ///
  /// - Throws: `FileFailure` when it cannot be opened, is no regular file, or `direct` is `on`
  ///   and refused.
  package init(
    path: String, direct: DirectMode = .auto, support: DirectSupport = .asReported
  ) throws(FileFailure) {
    let opened = try Self.open(path: path, direct: direct, support: support)
    self.path = path
    descriptor = opened.descriptor
    identity = opened.identity
    isDirect = opened.alignment != nil
    unit = opened.alignment?.unit ?? 1
    memoryAlignment = opened.alignment?.memory ?? 1
    fallbackReason = opened.reason
    if opened.alignment == nil {
      // Read-ahead would fill the page cache with neighbours nobody asked for.
      _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    }
  }

  deinit {
    close(descriptor)
  }

  /// Looks again at the file behind the path.
  ///
  /// - Throws: `FileFailure` when it was removed, replaced, truncated or written to since it was
  ///   opened.
  package func checkUnchanged() throws(FileFailure) {
    let now = try FileIdentity(path: path)
    guard now == identity else {
      throw FileFailure(path: path, kind: .changed(from: identity, to: now))
    }
  }

  /// `extent` widened to whole units.
  package func widened(_ extent: FileExtent) -> FileExtent {
    extent.widened(toUnit: unit)
  }

  /// The bytes of `extent` that the file had when it was opened.
  func expectedByteCount(_ extent: FileExtent) -> Int {
    max(0, min(extent.end, byteCount) - extent.offset)
  }

  /// One `pread`: blocks; everything is aligned to the file's unit.
  /// - Returns: bytes read, or a negated error number.
  package func readOnce(
    offset: Int, byteCount: Int, into destination: UnsafeMutableRawPointer
  ) -> Int {
    let count = unsafe pread(descriptor, destination, byteCount, offset)
    return count < 0 ? -Int(errno) : count
  }

  /// Tells the kernel that the pages of a buffered read are not needed any more.
  func forgetPages(of extent: FileExtent) {
    guard !isDirect else { return }
    _ = posix_fadvise(descriptor, extent.offset, extent.byteCount, POSIX_FADV_DONTNEED)
  }
}
