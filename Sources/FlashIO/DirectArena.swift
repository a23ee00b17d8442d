internal import Glibc

/// Anonymous memory, reserved at once and aligned to 2 MiB, that reads go into and weights live in.
///
/// It never grows, moves or goes back to the kernel before `deinit`, and it is never advised away:
/// what `prefault` made resident stays what the memory plan counted. It may be shared between
/// threads: nothing of it changes after `init`, and who writes which bytes is the caller's affair.
@safe package final class DirectArena: @unchecked Sendable {
  /// io_uring refuses to register one buffer over 1 GiB.
  package static let registeredBufferLimit = 1 << 30
  /// The huge page's size: alignment of `base` and of every registered buffer.
  package static let alignment = 2 << 20

  /// The first byte; aligned to `alignment`.
  @unsafe package let base: UnsafeMutableRawPointer
  /// Bytes reserved: what was asked for, rounded up to whole pages.
  package let byteCount: Int

  /// Reserves memory; zero bytes are a wrong call.
  ///
  /// - Parameters:
  ///   - prefault: makes every page resident now, so that the limit is met before the first token
  ///     and not in the middle of one. Costs about 0.2 s a GiB.
  ///   - lock: keeps the pages from being swapped; needs `RLIMIT_MEMLOCK` or CAP_IPC_LOCK.
  ///   - hugePages: asks for transparent huge pages, which cut the cost of page tables and pins.
  /// - Throws: `ArenaFailure` when memory cannot be reserved, made resident or locked.
  package init(
    byteCount: Int, prefault: Bool = false, lock: Bool = false, hugePages: Bool = true
  ) throws(ArenaFailure) {
    precondition(byteCount > 0, "an arena holds at least one byte")
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    guard byteCount <= Int.max - Self.alignment - page else {
      throw ArenaFailure(operation: .reserve, byteCount: byteCount, code: ENOMEM)
    }
    let rounded = (byteCount + page - 1) / page * page
    self.byteCount = rounded
    guard
      let start = unsafe mmap(
        nil, rounded + Self.alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      unsafe start != MAP_FAILED
    else {
      throw ArenaFailure(operation: .reserve, byteCount: rounded, code: errno)
    }
    let misalignment = Int(bitPattern: start) % Self.alignment
    let lead = (Self.alignment - misalignment) % Self.alignment
    unsafe base = unsafe start + lead
    if lead > 0 { unsafe munmap(start, lead) }
    unsafe munmap(base + rounded, Self.alignment - lead)
    if hugePages {
      // Advice: a kernel without huge pages says EINVAL, and small ones do.
      _ = unsafe madvise(base, rounded, MADV_HUGEPAGE)
    }
    if prefault, let code = unsafe Self.makeResident(base, byteCount: rounded) {
      unsafe munmap(base, rounded)
      throw ArenaFailure(operation: .prefault, byteCount: rounded, code: code)
    }
    if lock, unsafe mlock(base, rounded) != 0 {
      let code = errno
      unsafe munmap(base, rounded)
      throw ArenaFailure(operation: .lock, byteCount: rounded, code: code)
    }
  }

  deinit {
    unsafe munmap(base, byteCount)
  }

  /// All bytes of the arena.
  package var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  /// The arena as buffers that io_uring takes: 1 GiB each, the last one shorter. A read that
  /// crosses a border between two is done without registration.
  package var registeredBuffers: [UnsafeMutableRawBufferPointer] {
    unsafe stride(from: 0, to: byteCount, by: Self.registeredBufferLimit).map { start in
      unsafe UnsafeMutableRawBufferPointer(
        start: base + start, count: min(Self.registeredBufferLimit, byteCount - start))
    }
  }

  /// Returns an error number, or nil.
  private static func makeResident(_ base: UnsafeMutableRawPointer, byteCount: Int) -> Int32? {
    if unsafe madvise(base, byteCount, populateForWriting) == 0 { return nil }
    // Kernels before 5.14 do not know the advice: write to every page instead.
    guard errno == EINVAL else { return errno }
    for offset in stride(from: 0, to: byteCount, by: 4096) {
      unsafe base.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
    return nil
  }

  /// MADV_POPULATE_WRITE; glibc 2.34 and older do not name it.
  private static let populateForWriting: Int32 = 23
}
