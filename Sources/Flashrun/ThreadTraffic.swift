internal import Glibc

/// What one thread wrote, so that "0 B written" is measured and not claimed.
enum ThreadTraffic {
  /// Bytes the calling thread has sent towards storage; nil where the kernel does not count.
  ///
  /// The engine's thread writes nothing itself, so its figure is not blurred by the file into which
  /// a user may have sent the results.
  static var writtenByteCount: Int? {
    let descriptor = unsafe open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 1024)
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe read(descriptor, $0.baseAddress, $0.count)
    }
    guard count > 0 else { return nil }
    let text = String(decoding: buffer[..<count], as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("write_bytes:") }
    return line?.split(separator: " ").last.flatMap { Int($0) }
  }
}
