internal import Glibc

/// Reads whole files and standard input, with errors that name the file and the exit code.
enum FileInput {
  /// - Parameter path: `-` is standard input.
  static func bytes(_ path: String) throws(Failure) -> [UInt8] {
    guard path != "-" else { return try bytes(from: STDIN_FILENO, name: "standard input") }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno, opening: path) }
    defer { close(descriptor) }
    return try bytes(from: descriptor, name: path)
  }

  /// - Throws: `Failure` also where the file is no UTF-8.
  static func text(_ path: String) throws(Failure) -> String {
    let bytes = try bytes(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(.badData, "\(path == "-" ? "standard input" : path) is not UTF-8 text")
    }
    return text
  }

  /// Calls `body` with each line of standard input or a file, without its newline.
  static func forEachLine(
    _ path: String, _ body: (String) throws(Failure) -> Void
  ) throws(Failure) {
    var lines = try text(path).split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last == "" { lines.removeLast() }
    for line in lines { try body(String(line)) }
  }

  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  static func isDirectory(_ path: String) -> Bool {
    var information = stat()
    guard unsafe stat(path, &information) == 0 else { return false }
    return information.st_mode & S_IFMT == S_IFDIR
  }

  /// The error for a file that could not be opened.
  static func failure(_ code: Int32, opening path: String) -> Failure {
    switch code {
    case EIO, ENOSPC, EROFS: Failure(.inputOutput, "\(path): \(text(of: code))")
    default: Failure(.noInput, "\(path): \(text(of: code))")
    }
  }

  /// The C library's words for an errno.
  static func text(of code: Int32) -> String {
    unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
  }

  private static func bytes(from descriptor: Int32, name: String) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress, $0.count)
      }
      if count > 0 {
        bytes.append(contentsOf: buffer[..<count])
      } else if count == 0 {
        return bytes
      } else if errno != EINTR {
        throw Failure(
          errno == EISDIR ? .noInput : .inputOutput, "\(name): \(text(of: errno))")
      }
    }
  }
}
