internal import Glibc

/// io_uring is not to be had: the error and why that usually is.
package struct UringRefusal: Error, Sendable, Equatable, CustomStringConvertible {
  package var code: Int32

  package init(code: Int32) {
    self.code = code
  }

  /// Whether the process is forbidden to use io_uring, and not merely short of something.
  package var isForbidden: Bool { code == EPERM || code == EACCES || code == ENOSYS }

  package var description: String { "io_uring is \(cause) (\(Errno.symbol(code)))" }

  private var cause: String {
    switch code {
    case EPERM, EACCES: "disabled: seccomp or kernel.io_uring_disabled"
    case ENOSYS: "not in this kernel, or disabled by seccomp"
    case ENOMEM: "refused: RLIMIT_MEMLOCK or the host's memory is too small for a ring"
    case EMFILE, ENFILE: "refused: too many files are open"
    default: "refused"
    }
  }
}
