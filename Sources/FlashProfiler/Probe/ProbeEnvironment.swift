package import FlashIO

/// What is known of a host's storage before anything is read.
package struct ProbeEnvironment: Sendable, Equatable {
  /// Nil where `/proc` does not tell.
  package var storage: StorageFacts?
  /// Why there is no io_uring; nil where there is.
  package var uringRefusal: String?
  /// RLIMIT_MEMLOCK in bytes; nil is no limit.
  package var lockedMemoryLimit: Int?
  /// The smallest limit of the control groups, in bytes; nil is none.
  package var groupLimit: Int?
  package var hostMemory: Int?
  package var kernel: String

  /// - Parameter path: of something that exists.
  package init(path: String) {
    storage = StorageFacts(path: path)
    uringRefusal = UringReadEngine.probe()?.description
    lockedMemoryLimit = ResourceLimit.lockedMemory.current
    let limits = MemoryLimits()
    groupLimit = limits?.groupLimit
    hostMemory = limits?.hostTotal
    kernel = KernelText.read("/proc/sys/kernel/osrelease")?.trimmed ?? "unknown"
  }

  /// Label and value, a line each.
  package var lines: [(label: String, value: String)] {
    var lines: [(String, String)] = []
    if let storage {
      let device = storage.device
      let size = device.byteCount.map { ", " + Quantity.bytes($0) } ?? ""
      let model = device.model.map { " (\($0)\(size))" } ?? ""
      lines.append(("device", "\(device.name) \(device.number)\(model)"))
      let access = storage.isReadOnly ? ", read-only" : ""
      lines.append(("file system", "\(device.fileSystem) at \(storage.mountPoint)\(access)"))
      var queue: [String] = []
      if let sector = storage.logicalSector {
        queue.append("sectors of \(sector) bytes, physical \(storage.physicalSector ?? sector)")
      }
      if let scheduler = storage.scheduler { queue.append("scheduler \(scheduler)") }
      if storage.isRotational == true { queue.append("rotational, says the kernel") }
      if !queue.isEmpty { lines.append(("queue", queue.joined(separator: "; "))) }
    }
    lines.append(("io_uring", uringRefusal ?? "available"))
    lines.append(("RLIMIT_MEMLOCK", lockedMemoryLimit.map(Quantity.bytes) ?? "no limit"))
    let host = hostMemory.map { "; the host has \(Quantity.bytes($0))" } ?? ""
    lines.append(
      (
        "memory",
        (groupLimit.map { "control groups allow \(Quantity.bytes($0))" } ?? "no control "
          + "group limits it") + host
      ))
    lines.append(("kernel", kernel))
    return lines
  }
}
