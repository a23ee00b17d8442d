internal import Glibc

/// What this host lets the process take: cgroup limits, v1 and v2, and memory that is truly free.
///
/// `MemAvailable` alone is never trusted: it does not know of cgroups, and it counts page cache that
/// other programs are using; it is capped by what is free or held by unmapped file pages.
package struct HostMemory: Sendable {
  /// Where `proc` and `sys` are found; tests put a tree elsewhere.
  private let root: String

  package init(root: String = "") {
    self.root = root
  }

  /// The limit that `auto` stands for, and how it came about.
  package struct AutomaticLimit: Sendable, Equatable {
    /// The limit of the tightest cgroup above this process, if one limits it.
    package var cgroupLimit: Int?
    /// Bytes that can be had now, within the cgroup and the host.
    package var availableByteCount: Int
    /// What is left for everybody else.
    package var reserveByteCount: Int

    package var byteCount: Int { max(0, availableByteCount - reserveByteCount) }
  }

  /// Nil where neither the kernel's memory table nor a cgroup can be read.
  package func automaticLimit() -> AutomaticLimit? {
    let groups = memoryGroups.compactMap(limitAndAvailable)
    let tightest = groups.min { $0.available < $1.available }
    guard let available = [tightest?.available, freeByteCount].compactMap(\.self).min() else {
      return nil
    }
    let reserve = min(512 << 20, max(8 << 20, available / 16))
    return AutomaticLimit(
      cgroupLimit: groups.map(\.limit).min(), availableByteCount: available,
      reserveByteCount: reserve)
  }

  /// How many processes of this cgroup the kernel has killed for want of memory.
  package var outOfMemoryKillCount: Int {
    guard let group = memoryGroups.first(where: { contents($0.path + "/" + $0.events) != nil })
    else { return 0 }
    return field("oom_kill", of: group.path + "/" + group.events) ?? 0
  }

  /// Bytes free, or held by file pages that nobody uses.
  private var freeByteCount: Int? {
    guard let free = kilobytes("MemFree:"), let available = kilobytes("MemAvailable:") else {
      return nil
    }
    let fileBytes = (kilobytes("Active(file):") ?? 0) + (kilobytes("Inactive(file):") ?? 0)
    return min(available, free + fileBytes)
  }

  private func kilobytes(_ name: String) -> Int? {
    field(name, of: "/proc/meminfo").map { $0 << 10 }
  }

  /// A cgroup that may limit memory, and the names of its files.
  private struct MemoryGroup {
    var path: String
    var limit: String
    var usage: String
    var events: String
    var inactive: String
  }

  /// This process's cgroup and all above it, leaf first.
  private var memoryGroups: [MemoryGroup] {
    var groups: [MemoryGroup] = []
    for line in (contents("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      for path in Self.ancestors(of: String(parts[2])) {
        if parts[0] == "0", parts[1].isEmpty {
          groups.append(
            MemoryGroup(
              path: "/sys/fs/cgroup" + path, limit: "memory.max", usage: "memory.current",
              events: "memory.events", inactive: "inactive_file"))
        } else if parts[1].split(separator: ",").contains("memory") {
          groups.append(
            MemoryGroup(
              path: "/sys/fs/cgroup/memory" + path, limit: "memory.limit_in_bytes",
              usage: "memory.usage_in_bytes", events: "memory.oom_control",
              inactive: "total_inactive_file"))
        }
      }
    }
    return groups
  }

  /// `/a/b`, `/a` and the empty path of the root.
  private static func ancestors(of path: String) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).reversed().map { count in
      names[..<count].map { "/" + $0 }.joined()
    }
  }

  /// Nil for a group without limit: absent file, `max`, or v1's "unlimited", near 2⁶³.
  private func limitAndAvailable(_ group: MemoryGroup) -> (limit: Int, available: Int)? {
    guard let limit = number(in: group.path + "/" + group.limit), limit < 1 << 60 else {
      return nil
    }
    let usage = number(in: group.path + "/" + group.usage) ?? 0
    let reclaimable = field(group.inactive, of: group.path + "/memory.stat") ?? 0
    return (limit, max(0, limit - max(0, usage - reclaimable)))
  }

  private func number(in path: String) -> Int? {
    contents(path).flatMap { Int($0.split(whereSeparator: \.isWhitespace).first ?? "") }
  }

  /// The number after a name at the start of a line.
  private func field(_ name: String, of path: String) -> Int? {
    for line in (contents(path) ?? "").split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count >= 2, words[0] == name { return Int(words[1]) }
    }
    return nil
  }

  private func contents(_ path: String) -> String? { ProcessMeter.contents(of: root + path) }
}
