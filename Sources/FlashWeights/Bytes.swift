internal import Glibc

/// Memory of one owner, zero at first, given back to the kernel with it.
///
/// Mapped, not allocated: the C library keeps freed slices of a few megabytes for each thread,
/// which took the converter's peak with 16 threads from 259 MB to 526 MB.
@safe
struct Bytes: ~Copyable {
  let buffer: UnsafeMutableRawBufferPointer

  /// Traps where the kernel has no memory left.
  init(count: Int) {
    let pages = unsafe mmap(
      nil, max(count, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(unsafe pages != MAP_FAILED, "no memory for \(count) bytes")
    unsafe buffer = UnsafeMutableRawBufferPointer(start: pages, count: count)
  }

  deinit { unsafe munmap(buffer.baseAddress!, max(buffer.count, 1)) }

  @unsafe var start: UnsafeMutableRawPointer { unsafe buffer.baseAddress! }
}
