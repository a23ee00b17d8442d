internal import Glibc
internal import Synchronization

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
    if prefault, let code = makeResident(0..<rounded) {
      if code == EINVAL {
        // Kernels before 5.14 do not know the advice: write to every page instead.
        for offset in stride(from: 0, to: rounded, by: 4096) {
          unsafe base.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        }
      } else {
        unsafe munmap(base, rounded)
        throw ArenaFailure(operation: .prefault, byteCount: rounded, code: code)
      }
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

  /// Makes every page resident, as `prefault` of `init` does, in parts that `run` may give to
  /// several threads: clearing pages is one core's work, and on a virtual machine whose host has
  /// taken free memory back it has cost seconds a GiB. Bytes may be read into meanwhile. Kernels
  /// before 5.14 cannot do this: there a page becomes resident when something is read into it.
  ///
  /// - Parameter run: given a count and a body, calls the body with each index below the count.
  /// - Throws: `ArenaFailure` when memory cannot be made resident.
  package func prefault(
    partCount: Int, run: (Int, (Int) -> Void) -> Void
  ) throws(ArenaFailure) {
    let pages = (byteCount + Self.alignment - 1) / Self.alignment
    let failure = Atomic<Int32>(0)
    run(partCount) { part in
      let first = pages * part / partCount * Self.alignment
      let end = min(byteCount, pages * (part + 1) / partCount * Self.alignment)
      if first < end, let code = makeResident(first..<end), code != EINVAL {
        failure.store(code, ordering: .relaxed)
      }
    }
    let code = failure.load(ordering: .relaxed)
    guard code == 0 else {
      throw ArenaFailure(operation: .prefault, byteCount: byteCount, code: code)
    }
  }

  /// Returns an error number, or nil.
  private func makeResident(_ bytes: Range<Int>) -> Int32? {
    unsafe madvise(base + bytes.lowerBound, bytes.count, Self.populateForWriting) == 0 ? nil : errno
  }

  /// MADV_POPULATE_WRITE; glibc 2.34 and older do not name it.
  private static let populateForWriting: Int32 = 23
}
