internal import Glibc

/// What the kernel says of this process: peak memory, page faults, bytes written.
package enum ProcessMeter {
  /// VmHWM: the most physical memory the process ever held.
  package static var peakByteCount: Int? {
    number(after: "VmHWM:", in: "/proc/self/status").map { $0 << 10 }
  }

  /// Page faults since start that had to read a disk.
  package static var majorFaultCount: Int {
    var usage = rusage()
    _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_majflt
  }

  /// Bytes the calling thread has sent to storage: the engine's thread writes nothing, so its
  /// figure is not blurred by what a user lets the results be written to.
  package static var threadWrittenByteCount: Int? {
    number(after: "write_bytes:", in: "/proc/thread-self/io")
  }

  private static func number(after name: String, in path: String) -> Int? {
    for line in (contents(of: path) ?? "").split(separator: "\n") where line.hasPrefix(name) {
      return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    }
    return nil
  }

  /// The text of a small file of the kernel's; nil where it cannot be read.
  static func contents(of path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress, $0.count)
      }
      guard count >= 0 else { return nil }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
