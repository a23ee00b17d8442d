internal import FlashIO
internal import Glibc

/// A file without a name for a probe to read: whatever ends the process, nothing of it stays.
package final class ProbeFile: Sendable {
  private let descriptor: Int32
  private let folder: String
  package let byteCount: Int

  /// Reserves room in a folder; nothing is written yet.
  ///
  /// - Throws: `ProbeError` where the folder takes no file or has no room.
  package init(in folder: String, byteCount: Int) throws(ProbeError) {
    self.folder = folder
    let opened = NamelessFile.open(in: folder)
    guard opened >= 0 else { throw .noPlace(folder: folder, reason: Errno.text(errno)) }
    let code = posix_fallocate(opened, 0, byteCount)
    guard code == 0 else {
      close(opened)
      throw .noPlace(folder: folder, reason: Errno.text(code))
    }
    descriptor = opened
    self.byteCount = byteCount
  }

  deinit { close(descriptor) }

  /// Where it can be opened again as long as it lives.
  package var path: String { "/proc/self/fd/\(descriptor)" }

  /// Fills it with bytes that no device compresses, and waits until they are on it.
  ///
  /// - Parameter progress: called with the bytes written so far.
  /// - Throws: `ProbeError` where it cannot be written.
  package func fill(
    isCancelled: () -> Bool, progress: (Int) -> Void
  ) throws(ProbeError) {
    var part = [UInt64](repeating: 0, count: 1 << 17)
    var random = UInt64.random(in: .min ... .max)
    for index in part.indices {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      part[index] = random ^ random >> 32
    }
    var done = 0
    while done < byteCount, !isCancelled() {
      // Differs from every other part, so that none is stored only once.
      for index in stride(from: 0, to: part.count, by: 64) { part[index] &+= 0x9E37_79B9_7F4A_7C15 }
      let count = unsafe part.withUnsafeBytes {
        unsafe pwrite(descriptor, $0.baseAddress, min($0.count, byteCount - done), done)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .noPlace(folder: folder, reason: Errno.text(errno)) }
      done += count
      // Otherwise all of it waits in the page cache for the end.
      if done % (64 << 20) == 0 { fdatasync(descriptor) }
      progress(done)
    }
    guard fdatasync(descriptor) == 0 else {
      throw .noPlace(folder: folder, reason: Errno.text(errno))
    }
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }
}
