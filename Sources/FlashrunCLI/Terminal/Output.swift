internal import Glibc

/// Standard output: results, written through at once so that text streams.
enum Output {
  /// Whether colours may be written: on a terminal, and without `NO_COLOR`.
  static var hasColor: Bool {
    isatty(STDOUT_FILENO) == 1 && Environment.value("NO_COLOR", emptyIsNil: true) == nil
  }

  /// - Throws: `Failure` (I/O error); where the reader went away the process ends quietly, as after
  ///   SIGPIPE.
  static func write(_ text: String) throws(Failure) {
    let code = write(Array(text.utf8), to: STDOUT_FILENO)
    if code == EPIPE { _exit(128 + SIGPIPE) }
    guard code == 0 else {
      throw Failure(.inputOutput, "standard output cannot be written: \(FileInput.text(of: code))")
    }
  }

  static func line(_ text: String) throws(Failure) { try write(text + "\n") }

  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    unsafe bytes.withUnsafeBytes { unsafe write($0, to: descriptor) }
  }

  /// Writes all bytes and returns 0 or the errno that stopped it.
  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    var done = 0
    while done < bytes.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}
