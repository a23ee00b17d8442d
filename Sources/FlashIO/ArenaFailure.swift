internal import Glibc

/// Memory that cannot be had.
package struct ArenaFailure: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Operation: String, Sendable {
    case reserve = "reserved"
    case prefault = "made resident"
    case lock = "locked"
  }

  package var operation: Operation
  package var byteCount: Int
  package var code: Int32

  package init(operation: Operation, byteCount: Int, code: Int32) {
    self.operation = operation
    self.byteCount = byteCount
    self.code = code
  }

  package var description: String {
    "\(byteCount) bytes of memory cannot be \(operation.rawValue): \(Errno.text(code)) (\(cause))"
  }

  private var cause: String {
    switch operation {
    case .reserve:
      let limit = ResourceLimit.addressSpace.current.map { "RLIMIT_AS is \($0) bytes" }
      return limit ?? "the kernel commits no more memory, see vm.overcommit_memory"
    case .prefault:
      return "the host or its memory limit has not that much free"
    case .lock:
      let limit = ResourceLimit.lockedMemory.current.map { "RLIMIT_MEMLOCK is \($0) bytes" }
      return limit ?? "the host has not that much free"
    }
  }
}
