internal import FlashIO

/// Memory of one owner, zero at first, given back to the kernel with it.
///
/// Mapped, not allocated: the C library keeps freed slices of a few megabytes for each thread,
/// which took the converter's peak with 16 threads from 259 MB to 526 MB.
@safe
struct Bytes: ~Copyable {
  let buffer: UnsafeMutableRawBufferPointer
  private let arena: DirectArena

  /// Traps where the kernel has no memory left.
  init(count: Int) {
    do throws(ArenaFailure) {
      arena = try DirectArena(byteCount: max(count, 1), hugePages: false)
    } catch {
      preconditionFailure(error.description)
    }
    unsafe buffer = UnsafeMutableRawBufferPointer(start: arena.base, count: count)
  }

  @unsafe var start: UnsafeMutableRawPointer { unsafe arena.base }
}
