// liburing's header brings `timespec` too, and which module a build finds it in first differs.
internal import CUring
internal import Glibc

/// The clock of a trace and of the decoder's sums: CLOCK_MONOTONIC.
package enum MonotonicClock {
  /// Nanoseconds from a moment that never changes while the machine runs; some 25 ns a call.
  package static var nanoseconds: Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}
