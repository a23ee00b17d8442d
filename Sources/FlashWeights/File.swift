internal import FlashIO
internal import Glibc

/// One open file, closed when it goes out of scope; every failure names the file, the offset and
/// the errno. Reads and writes are positional, so that threads may share it.
struct File: ~Copyable, Sendable {
  let path: String
  let descriptor: Int32

  private init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { _ = close(descriptor) }

  /// Opens a regular file for reading. Throws `noSuchFile` where there is none, `notACheckpoint`
  /// for anything else that has the name; never waits, as a plain open of a FIFO would.
  static func reading(_ path: String) throws(StoreError) -> File {
    let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("cannot be opened", path) }
    let file = File(path: path, descriptor: descriptor)
    guard try file.status().st_mode & S_IFMT == S_IFREG else {
      throw StoreError(.notACheckpoint, "is not a regular file", file: path)
    }
    return file
  }

  /// Opens a file for reading and writing, made when it is not there.
  static func writing(_ path: String) throws(StoreError) -> File {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("cannot be created", path) }
    return File(path: path, descriptor: descriptor)
  }

  /// Makes a file without a name on the disk that holds `folder`: it goes when it is closed.
  static func nameless(in folder: String) throws(StoreError) -> File {
    let descriptor = NamelessFile.open(in: folder)
    guard descriptor >= 0 else { throw failure("takes no temporary file", folder) }
    return File(path: folder, descriptor: descriptor)
  }

  /// Opens a folder, to lock it or to flush its entries.
  static func folder(_ path: String) throws(StoreError) -> File {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("cannot be opened", path) }
    return File(path: path, descriptor: descriptor)
  }

  func status() throws(StoreError) -> stat {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw File.failure("cannot be examined", path)
    }
    return status
  }

  func byteCount() throws(StoreError) -> Int { Int(try status().st_size) }

  /// Fills `buffer` from `offset` on. Throws where the file ends before the buffer is full.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StoreError) {
    var done = 0
    while done < buffer.count {
      let count = unsafe pread(
        descriptor, buffer.baseAddress! + done, buffer.count - done, offset + done)
      if count > 0 {
        done += count
      } else if count == 0 {
        throw StoreError(
          .inputOutput, "the file ends early", file: path, offset: offset + done,
          expected: "\(buffer.count) bytes from offset \(offset)", found: "\(done)")
      } else if errno != EINTR {
        throw File.failure("cannot be read", path, offset: offset + done)
      }
    }
  }

  /// The bytes of an extent, in memory.
  func bytes(at offset: Int, byteCount: Int) throws(StoreError) -> [UInt8] {
    do {
      return try unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
        try unsafe read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        count = byteCount
      }
    } catch let error as StoreError {
      throw error
    } catch {
      preconditionFailure("reading throws only StoreError")
    }
  }

  /// Tells the kernel that the extent will be read soon, so that scattered reads overlap.
  func willRead(_ offset: Int, byteCount: Int) {
    _ = posix_fadvise(descriptor, offset, byteCount, POSIX_FADV_WILLNEED)
  }

  /// Lets the device begin to write what is in an extent, so that the flush at the end finds
  /// little: the kernel does so for pages that nobody needs.
  func startWriting(_ extent: FileExtent) {
    _ = posix_fadvise(descriptor, extent.offset, extent.byteCount, POSIX_FADV_DONTNEED)
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(StoreError) {
    var done = 0
    while done < buffer.count {
      let count = unsafe pwrite(
        descriptor, buffer.baseAddress! + done, buffer.count - done, offset + done)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw File.failure("cannot be written", path, offset: offset + done)
      }
    }
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(StoreError) {
    do {
      try unsafe bytes.withUnsafeBytes { buffer in try unsafe write(buffer, at: offset) }
    } catch let error as StoreError {
      throw error
    } catch {
      preconditionFailure("writing throws only StoreError")
    }
  }

  /// Gives the file its length and, where the file system can, its blocks, so that a full disk is
  /// met before the work and not after it.
  func reserve(byteCount: Int) throws(StoreError) {
    guard ftruncate(descriptor, byteCount) == 0 else {
      throw File.failure("cannot be given \(byteCount) bytes", path)
    }
    let code = byteCount > 0 ? posix_fallocate(descriptor, 0, byteCount) : 0
    if code != 0, code != EINVAL, code != EOPNOTSUPP {
      errno = code
      throw File.failure("cannot be given \(byteCount) bytes", path)
    }
  }

  func truncate(byteCount: Int) throws(StoreError) {
    guard ftruncate(descriptor, byteCount) == 0 else {
      throw File.failure("cannot be cut to \(byteCount) bytes", path)
    }
  }

  func synchronize() throws(StoreError) {
    guard fsync(descriptor) == 0 else { throw File.failure("cannot be flushed", path) }
  }

  /// Takes the exclusive lock; false when another process holds it.
  ///
  /// - Parameter patiently: whether to try for a second, as where this process may have held the
  ///   lock itself: a child that it starts has it too until the child runs its program.
  func tryLock(patiently: Bool = false) throws(StoreError) -> Bool {
    for attempt in 0... {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
      guard errno == EWOULDBLOCK else { throw File.failure("cannot be locked", path) }
      guard patiently, attempt < 100 else { break }
      usleep(10_000)
    }
    return false
  }

  /// The current errno as an error about `path`.
  static func failure(_ problem: String, _ path: String, offset: Int? = nil) -> StoreError {
    let code = errno
    let reason = unsafe String(cString: strerror(code))
    let kind: StoreError.Kind =
      switch code {
      case ENOENT, ENOTDIR: .noSuchFile
      case ENOSPC, EDQUOT, EFBIG: .diskSpace
      default: .inputOutput
      }
    return StoreError(kind, "\(problem): \(reason) (errno \(code))", file: path, offset: offset)
  }
}
