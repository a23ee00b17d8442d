internal import Glibc

/// A result file that appears when it is whole: it is written beside its name and renamed.
///
/// What is no regular file (a pipe, `/dev/stdout`) is written to directly.
final class RowFile: Sendable {
  private let path: String
  private let writtenPath: String
  private let descriptor: Int32

  init(_ path: String) throws(Failure) {
    self.path = path
    var information = stat()
    let isSpecial =
      unsafe stat(path, &information) == 0 && information.st_mode & S_IFMT != S_IFREG
    writtenPath = isSpecial ? path : path + ".partial"
    let flags = isSpecial ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    descriptor = unsafe open(writtenPath, flags, 0o644)
    guard descriptor >= 0 else { throw FileInput.failure(errno, opening: path) }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    let code = unsafe Output.write(bytes, to: descriptor)
    if code != 0 { throw Failure(.inputOutput, "\(path): \(FileInput.text(of: code))") }
  }

  /// Gives the file its name.
  func finish() throws(Failure) {
    guard writtenPath != path else { return }
    guard unsafe rename(writtenPath, path) == 0 else {
      throw Failure(.inputOutput, "\(path): \(FileInput.text(of: errno))")
    }
  }

  /// Closes the file and removes what was not finished.
  func discard() {
    close(descriptor)
    if writtenPath != path { _ = unsafe unlink(writtenPath) }
  }
}
