internal import CUring
internal import Glibc

/// What `statx` says about a file, reduced to what reading it needs.
struct StatusOfFile {
  var device: UInt64
  var inode: UInt64
  var byteCount: Int
  var modificationTime: Int64
  var mode: UInt32
  /// The direct-I/O unit of offsets and lengths, and of addresses; nil where none is named.
  var alignment: DirectAlignment?
  /// Whether the file system says that direct reads of it are none: it takes O_DIRECT all the same
  /// and serves it from the page cache (ext4 with `data=journal`, for one).
  var isDirectPretended: Bool

  /// The status of the file at `path`, links followed.
  static func read(path: String) throws(FileFailure) -> StatusOfFile {
    try read(descriptor: AT_FDCWD, path: path, name: path, flags: 0)
  }

  /// The status of an open file; `path` is for messages.
  static func read(descriptor: Int32, path: String) throws(FileFailure) -> StatusOfFile {
    try read(descriptor: descriptor, path: "", name: path, flags: Self.emptyPath)
  }

  private static func read(
    descriptor: Int32, path: String, name: String, flags: Int32
  ) throws(FileFailure) -> StatusOfFile {
    var status = statx()
    let mask = UInt32(STATX_BASIC_STATS) | UInt32(STATX_DIOALIGN)
    // Not bridged as an argument, which would copy the path to the heap.
    let result = unsafe path.withCString { unsafe statx(descriptor, $0, flags, mask, &status) }
    guard result == 0 else {
      throw FileFailure(path: name, kind: .refused(operation: "looking at", code: errno))
    }
    var alignment: DirectAlignment?
    let isNamed = status.stx_mask & UInt32(STATX_DIOALIGN) != 0
    if isNamed, status.stx_dio_offset_align > 0 {
      alignment = DirectAlignment(
        unit: Int(status.stx_dio_offset_align), memory: Int(status.stx_dio_mem_align))
    }
    return StatusOfFile(
      device: UInt64(status.stx_dev_major) << 32 | UInt64(status.stx_dev_minor),
      inode: status.stx_ino, byteCount: Int(status.stx_size),
      modificationTime: status.stx_mtime.tv_sec * 1_000_000_000
        + Int64(status.stx_mtime.tv_nsec),
      mode: UInt32(status.stx_mode), alignment: alignment,
      isDirectPretended: isNamed && alignment == nil)
  }

  /// Whether the file lies in tmpfs or ramfs, which take O_DIRECT (Linux 6.6) and ignore it.
  static func isInMemory(descriptor: Int32) -> Bool {
    var status = statfs()
    guard unsafe fstatfs(descriptor, &status) == 0 else { return false }
    return status.f_type == Int(TMPFS_MAGIC) || status.f_type == Int(RAMFS_MAGIC)
  }

  /// AT_EMPTY_PATH: the descriptor itself. glibc shows it to _GNU_SOURCE only.
  private static let emptyPath: Int32 = 0x1000
}

/// In what units a file is read past the page cache.
struct DirectAlignment: Equatable {
  /// Offsets and byte counts are multiples of this.
  var unit: Int
  /// Addresses are multiples of this.
  var memory: Int
}
