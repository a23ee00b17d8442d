internal import FlashIO
internal import FlashWeights
internal import Glibc

/// A file without a name: whatever ends the process, nothing of it stays.
final class ScratchFile {
  private let folder: String
  private let descriptor: Int32

  /// - Throws: `StoreError` where the folder takes no files.
  init(in folder: String) throws(StoreError) {
    self.folder = folder
    descriptor = NamelessFile.open(in: folder)
    guard descriptor >= 0 else { throw Self.failure("takes no temporary file", folder) }
  }

  deinit { close(descriptor) }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StoreError) {
    var done = 0
    while done < bytes.count {
      let count = unsafe pwrite(
        descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw Self.failure("cannot hold the calibration's sample", folder)
      }
    }
  }

  func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(StoreError) {
    var done = 0
    while done < bytes.count {
      let count = unsafe pread(
        descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
      if count > 0 {
        done += count
      } else if count == 0 || errno != EINTR {
        throw Self.failure("lost a part of the calibration's sample", folder)
      }
    }
  }

  private static func failure(_ problem: String, _ folder: String) -> StoreError {
    let code = errno
    let reason = unsafe String(cString: strerror(code))
    let isFull = code == ENOSPC || code == EDQUOT || code == EFBIG
    return StoreError(
      isFull ? .diskSpace : .inputOutput, "\(problem): \(reason) (errno \(code))", file: folder)
  }
}
