internal import Glibc

/// How many threads are worth starting: what Linux says about cores, affinity and quota.
extension WorkerPool {
  /// Physical cores this process may use: the CPUs of its affinity mask, hyper-threads of one core
  /// counted once, cut by the cgroup's CPU quota; at least 1. Reads some small files.
  package static var physicalCoreCount: Int {
    var cores = Set<String>()
    for cpu in allowedProcessors {
      let path = "/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list"
      cores.insert(contents(ofFile: path) ?? "\(cpu)")
    }
    return max(1, min(cores.count, quotaCoreCount ?? Int.max))
  }

  /// Bytes of the largest cache, which cores share; nil where the kernel does not tell.
  package static var lastLevelCacheByteCount: Int? {
    let sizes = (0..<8).compactMap { index -> Int? in
      let path = "/sys/devices/system/cpu/cpu0/cache/index\(index)/size"
      // A line such as `32768K`.
      guard let text = contents(ofFile: path)?.split(separator: "\n").first else { return nil }
      let unit = text.hasSuffix("K") ? 1 << 10 : text.hasSuffix("M") ? 1 << 20 : 1
      return Int(text.prefix { $0.isNumber }).map { $0 * unit }
    }
    return sizes.max()
  }

  /// What the processor calls itself; nil where the kernel does not tell.
  package static var processorName: String? {
    let line = contents(ofFile: "/proc/cpuinfo")?.split(separator: "\n")
      .first { $0.hasPrefix("model name") }
    return line?.split(separator: ":", maxSplits: 1).last.map { String($0.drop { $0 == " " }) }
  }

  /// From a line such as `Cpus_allowed_list:\t0-3,8`.
  private static var allowedProcessors: [Int] {
    let line = contents(ofFile: "/proc/self/status")?.split(separator: "\n")
      .first { $0.hasPrefix("Cpus_allowed_list:") }
    let ranges = line?.split { $0 == "\t" || $0 == " " }.last?.split(separator: ",") ?? []
    return ranges.flatMap { range -> ClosedRange<Int> in
      let ends = range.split(separator: "-").compactMap { Int($0) }
      return (ends.first ?? 0)...(ends.last ?? 0)
    }
  }

  /// The quota of this process's cgroup (version 2) and those above it, in whole cores; nil if
  /// none.
  private static var quotaCoreCount: Int? {
    let own = contents(ofFile: "/proc/self/cgroup")?.split(separator: "\n")
      .first { $0.hasPrefix("0::/") }
    var folders = own.map { $0.dropFirst(4).split(separator: "/") } ?? []
    var least: Int?
    while true {
      let path = (["/sys/fs/cgroup"] + folders + ["cpu.max"]).joined(separator: "/")
      let numbers = contents(ofFile: path)?.split { $0 == " " || $0 == "\n" }.map { Int($0) } ?? []
      if numbers.count == 2, let quota = numbers[0], let period = numbers[1], period > 0 {
        least = min(least ?? Int.max, max(1, quota / period))
      }
      if folders.popLast() == nil { return least }
    }
  }

  /// The first 16 KiB of a file as text, or nil.
  private static func contents(ofFile path: String) -> String? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 16384)
    let count = unsafe read(file, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
