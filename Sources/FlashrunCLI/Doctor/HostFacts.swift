internal import FlashIO
internal import FlashKernels
internal import Glibc

/// What the kernel tells about the host, as `doctor` reads it.
package struct HostFacts: Sendable {
  private let root: String

  /// - Parameter root: a folder to take for `/`.
  package init(root: String = "") { self.root = root }

  private func text(_ path: String) -> String? {
    KernelText.read(root + path).map { $0.trimmed }
  }

  /// `kernel.io_uring_disabled`.
  package var uringDisabled: Int? {
    KernelText.number(inFile: root + "/proc/sys/kernel/io_uring_disabled")
  }

  /// `Seccomp` of this process.
  package var seccomp: Int? {
    KernelText.read(root + "/proc/self/status").flatMap { KernelText.number("Seccomp", in: $0) }
  }

  /// Whether CAP_IPC_LOCK is effective.
  package var mayLockMemory: Bool {
    let status = KernelText.read(root + "/proc/self/status") ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
    let digits = line?.split { $0 == "\t" || $0 == " " }.last ?? ""
    // Bit 14 (capability.h).
    return UInt64(digits, radix: 16).map { $0 >> 14 & 1 == 1 } ?? false
  }

  /// Total and used bytes of swap.
  package var swap: (total: Int, used: Int) {
    let host = KernelText.read(root + "/proc/meminfo") ?? ""
    let total = KernelText.number("SwapTotal", in: host) ?? 0
    return (total, total - (KernelText.number("SwapFree", in: host) ?? total))
  }

  package var overcommit: Int? {
    KernelText.number(inFile: root + "/proc/sys/vm/overcommit_memory")
  }

  /// What the kernel still commits where it is strict.
  package var committable: Int? {
    let host = KernelText.read(root + "/proc/meminfo") ?? ""
    guard let limit = KernelText.number("CommitLimit", in: host),
      let committed = KernelText.number("Committed_AS", in: host)
    else { return nil }
    return max(0, limit - committed)
  }

  /// The word in brackets: `always [madvise] never`.
  package var hugePages: String? {
    text("/sys/kernel/mm/transparent_hugepage/enabled")?.split(separator: " ")
      .first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) }
  }

  package var governor: (name: String?, driver: String?) {
    let folder = "/sys/devices/system/cpu/cpu0/cpufreq"
    return (text(folder + "/scaling_governor"), text(folder + "/scaling_driver"))
  }

  /// The first figure of /proc/loadavg.
  package var load: Double? {
    text("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) }
  }

  /// CPUs that are online, from a list such as `0-3,8`.
  package var onlineCount: Int? {
    text("/sys/devices/system/cpu/online")?.split(separator: ",").reduce(0) { sum, range in
      let ends = range.split(separator: "-").compactMap { Int($0) }
      return sum + (ends.last ?? 0) - (ends.first ?? 0) + 1
    }
  }

  /// The tightest quota of the CPU control groups in CPUs, and how often it stopped them.
  package var processorQuota: (quota: Double?, throttledCount: Int) {
    var least: Double?
    var throttledCount = 0
    for group in ControlGroups(root: root).folders(ofController: "cpu") {
      let (quota, period) = group.isUnified ? unifiedQuota(group.path) : legacyQuota(group.path)
      guard let quota, let period, quota > 0, period > 0 else { continue }
      let share = Double(quota) / Double(period)
      guard share < least ?? .infinity else { continue }
      least = share
      throttledCount =
        text(group.path + "/cpu.stat").flatMap { KernelText.number("nr_throttled", in: $0) } ?? 0
    }
    return (least, throttledCount)
  }

  private func unifiedQuota(_ folder: String) -> (Int?, Int?) {
    let words = text(folder + "/cpu.max")?.split(separator: " ") ?? []
    return words.count == 2 ? (Int(words[0]), Int(words[1])) : (nil, nil)
  }

  private func legacyQuota(_ folder: String) -> (Int?, Int?) {
    (
      KernelText.number(inFile: "\(root)\(folder)/cpu.cfs_quota_us"),
      KernelText.number(inFile: "\(root)\(folder)/cpu.cfs_period_us")
    )
  }

  /// Bytes that this process may still write where `path` lies.
  package static func freeByteCount(at path: String) -> Int? {
    var status = statvfs()
    guard unsafe statvfs(path, &status) == 0 else { return nil }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
