/// How much memory this process may take: the host's free memory, and every control group it is in
/// (cgroup v2 and v1, each up to the root).
package struct MemoryLimits: Sendable, Equatable {
  /// One control group with a memory controller.
  package struct Group: Sendable, Equatable {
    /// Its folder.
    package var path: String
    /// What it may use; nil without a limit. Version 2 counts `memory.high` too, beyond which the
    /// kernel stalls the process.
    package var limit: Int?
    /// What it uses, page cache included.
    package var usage: Int
    /// Page cache of that, which the kernel takes back before it kills.
    package var reclaimable: Int
    /// Processes killed here because the group was full.
    package var killCount: Int?

    /// What is left of the limit.
    package var free: Int? {
      limit.map { max(0, $0 - max(0, usage - reclaimable)) }
    }
  }

  /// Innermost first.
  package var groups: [Group]
  /// MemTotal of the host.
  package var hostTotal: Int
  /// MemAvailable of the host: an estimate that knows nothing of groups.
  package var hostAvailable: Int

  /// - Parameter root: a folder to take for `/`.
  /// - Returns: nil where `/proc` is not mounted.
  package init?(root: String = "") {
    guard let host = KernelText.read("\(root)/proc/meminfo"),
      let total = KernelText.number("MemTotal", in: host),
      let available = KernelText.number("MemAvailable", in: host)
    else { return nil }
    hostTotal = total
    hostAvailable = available
    groups = ControlGroups(root: root).memoryGroups()
  }

  /// The smallest limit of any group, nil where none has one.
  package var groupLimit: Int? { groups.compactMap(\.limit).min() }

  /// What this process may take beside what it holds now: the least that any group or the host
  /// has left.
  package var trulyFree: Int { min(hostAvailable, groups.compactMap(\.free).min() ?? Int.max) }

  /// Processes of the innermost group that the kernel killed because memory ran out: a hint at why
  /// the last run ended without a word.
  package var killCount: Int { groups.compactMap(\.killCount).first ?? 0 }
}
