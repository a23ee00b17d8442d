internal import Glibc

/// Reads the small text files that the kernel writes, and takes numbers out of them.
package enum KernelText {
  /// The text of a file, or nil where it cannot be read.
  package static func read(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0 { return nil }
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  /// The number alone in a file, or nil where there is no file or no number (`max`).
  package static func number(inFile path: String) -> Int? {
    read(path).flatMap { Int($0.trimmed) }
  }

  /// The number behind `key` in lines such as `VmHWM:  2076 kB` (in bytes then) or `oom_kill 2`.
  package static func number(_ key: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == ":" }
      guard words.count >= 2, words[0] == key, let number = Int(words[1]) else { continue }
      return words.count > 2 && words[2] == "kB" ? number * 1024 : number
    }
    return nil
  }
}

extension StringProtocol {
  /// Without white space and line ends at both sides.
  package var trimmed: String {
    let start = drop { $0.isWhitespace }
    let end = start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex
    return String(start[..<end])
  }
}
