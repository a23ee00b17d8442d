import FlashTestSupport
import Glibc

/// A file of random bytes that goes with the object.
final class TemporaryFile: Sendable {
  let path: String
  let bytes: [UInt8]

  /// - Parameter folder: `.build` is on the disk that holds the package; `/tmp` may be memory.
  init(byteCount: Int, seed: UInt64 = 1, folder: String = TemporaryFile.buildFolder) {
    var random = SplitMix(seed: seed)
    var bytes = [UInt8]()
    bytes.reserveCapacity(byteCount)
    while bytes.count < byteCount {
      let word = random.next()
      for shift in stride(from: 0, to: min(8, byteCount - bytes.count) * 8, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    self.bytes = bytes
    path = "\(folder)/flashio-\(getpid())-\(UInt64.random(in: 0...UInt64.max)).bin"
    Self.write(bytes, to: path)
  }

  deinit {
    unsafe unlink(path)
  }

  static func write(_ bytes: [UInt8], to path: String) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    precondition(descriptor >= 0, "the test's folder \(path) can be written")
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
      }
      precondition(count > 0, "the test's file can be written")
      written += count
    }
    fsync(descriptor)
    close(descriptor)
  }

  /// `.build` of this package.
  static let buildFolder: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/.build"
  }()
}
