internal import Glibc

/// The limits the kernel sets to this process's memory.
package enum ResourceLimit: Sendable {
  /// RLIMIT_AS, all mappings together.
  case addressSpace
  /// RLIMIT_MEMLOCK, which also bounds what io_uring may register.
  case lockedMemory

  /// Bytes allowed now; nil where there is no limit.
  package var current: Int? {
    var limit = rlimit()
    let resource =
      switch self {
      case .addressSpace: RLIMIT_AS
      case .lockedMemory: __RLIMIT_MEMLOCK
      }
    guard unsafe getrlimit(Int32(resource.rawValue), &limit) == 0, limit.rlim_cur <= UInt64(Int.max)
    else {
      return nil
    }
    return Int(limit.rlim_cur)
  }
}
