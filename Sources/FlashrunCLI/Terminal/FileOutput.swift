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

  private static func failure(_ code: Int32, _ path: String) -> Failure {
    Failure(.inputOutput, "\(path) cannot be written: \(FileInput.text(of: code))")
  }
}
