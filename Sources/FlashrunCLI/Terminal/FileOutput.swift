internal import Glibc

/// Writes whole files that a user named.
enum FileOutput {
  /// - Throws: `Failure` (I/O error) that names the file.
  static func write(_ text: String, to path: String) throws(Failure) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(errno, path) }
    defer { close(descriptor) }
    let code = Output.write(Array(text.utf8), to: descriptor)
    guard code == 0 else { throw failure(code, path) }
  }

  /// Whether a file could be written, before the work whose result goes there; one that is there
  /// stays as it is, and none is left where there was none.
  ///
  /// - Throws: `Failure` (I/O error) that names the file.
  static func check(_ path: String) throws(Failure) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw failure(errno, path) }
      close(descriptor)
      _ = unsafe unlink(path)
      return
    }
    // A pipe is left alone: opening it would end it for its reader.
    guard status.st_mode & S_IFMT != S_IFIFO else { return }
    let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno, path) }
    close(descriptor)
  }

  private static func failure(_ code: Int32, _ path: String) -> Failure {
    Failure(.inputOutput, "\(path) cannot be written: \(FileInput.text(of: code))")
  }
}
