internal import Glibc

/// A file of weights that several tensors and threads read.
package final class SourceFile: Sendable {
  package let path: String
  package let byteCount: Int
  let file: File

  /// Throws `noSuchFile` and `notACheckpoint`, as `File.reading`.
  init(_ path: String) throws(StoreError) {
    file = try File.reading(path)
    self.path = path
    byteCount = try file.byteCount()
  }

  /// The length and the time of the last change, to tell whether work on the file can be taken up.
  func changeMark() throws(StoreError) -> String {
    let time = try file.status().st_mtim
    return "\(path) \(byteCount) \(time.tv_sec).\(time.tv_nsec)"
  }
}
