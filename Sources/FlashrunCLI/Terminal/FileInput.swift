internal import Glibc

/// Reads whole files and standard input, with errors that name the file and the exit code.
enum FileInput {
  /// - Parameter path: `-` is standard input.
  static func bytes(_ path: String) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    try forEachPart(path) { (part) throws(Failure) in bytes += part }
    return bytes
  }

  /// - Throws: `Failure` also where the file is no UTF-8.
  static func text(_ path: String) throws(Failure) -> String {
    let bytes = try bytes(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(.badData, "\(name(of: path)) is not UTF-8 text")
    }
    return text
  }

  /// Calls `body` with each line of standard input or a file, without its newline, as it comes.
  ///
  /// - Throws: `Failure` also for a line that is no UTF-8, and what `body` throws.
  static func forEachLine(
    _ path: String, _ body: (String) throws(Failure) -> Void
  ) throws(Failure) {
    var rest: [UInt8] = []
    func finish(_ line: ArraySlice<UInt8>) throws(Failure) {
      guard let text = String(validating: line, as: UTF8.self) else {
        throw Failure(.badData, "\(name(of: path)) holds a line that is not UTF-8 text")
      }
      try body(text)
    }
    try forEachPart(path) { (part) throws(Failure) in
      rest += part
      var start = rest.startIndex
      while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
        try finish(rest[start..<end])
        start = end + 1
      }
      rest.removeFirst(start)
    }
    if !rest.isEmpty { try finish(rest[...]) }
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

  private static func name(of path: String) -> String { path == "-" ? "standard input" : path }

  /// Calls `body` with the bytes as they come, 64 KiB at most at a time.
  private static func forEachPart(
    _ path: String, _ body: (ArraySlice<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    let descriptor = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno, opening: path) }
    defer { if path != "-" { close(descriptor) } }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress, $0.count)
      }
      if count > 0 {
        try body(buffer[..<count])
      } else if count == 0 {
        return
      } else if errno != EINTR {
        throw Failure(
          errno == EISDIR ? .noInput : .inputOutput, "\(name(of: path)): \(text(of: errno))")
      }
    }
  }
}
