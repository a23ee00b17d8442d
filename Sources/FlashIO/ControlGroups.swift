/// Finds this process's control groups (cgroups(7)) and reads their files.
package struct ControlGroups {
  let root: String

  /// - Parameter root: a folder to take for `/`.
  package init(root: String = "") { self.root = root }

  /// A group that this process is in.
  package struct Folder: Equatable {
    package var path: String
    /// Whether it is of version 2.
    package var isUnified: Bool
  }

  /// Innermost first, of both versions.
  func memoryGroups() -> [MemoryLimits.Group] {
    folders(ofController: "memory").compactMap {
      $0.isUnified ? unifiedGroup($0.path) : legacyGroup($0.path)
    }
  }

  /// The groups of a controller, `memory` or `cpu`, that this process is in, innermost first. Of
  /// version 2 they are the groups of all controllers.
  package func folders(ofController controller: String) -> [Folder] {
    let mounts = KernelText.read("\(root)/proc/self/mountinfo") ?? ""
    let memberships = KernelText.read("\(root)/proc/self/cgroup") ?? ""
    return memberships.split(separator: "\n").flatMap { line -> [Folder] in
      // hierarchy:controllers:path; version 2 has no controllers.
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let isUnified = fields[0] == "0" && fields[1].isEmpty
      guard isUnified || fields[1].split(separator: ",").contains(controller[...]),
        let mount = Mount.find(isUnified ? nil : controller, in: mounts)
      else { return [] }
      return mount.folders(of: String(fields[2])).map { Folder(path: $0, isUnified: isUnified) }
    }
  }

  /// Version 2; nil where the folder has no memory controller, as the root.
  private func unifiedGroup(_ folder: String) -> MemoryLimits.Group? {
    let path = root + folder
    guard let usage = KernelText.number(inFile: "\(path)/memory.current") else { return nil }
    let limits = ["max", "high"].compactMap { KernelText.number(inFile: "\(path)/memory.\($0)") }
    let statistics = KernelText.read("\(path)/memory.stat") ?? ""
    let events = KernelText.read("\(path)/memory.events")
    return MemoryLimits.Group(
      path: folder, limit: limits.min(), usage: usage,
      reclaimable: sum(["active_file", "inactive_file"], in: statistics),
      killCount: events.flatMap { KernelText.number("oom_kill", in: $0) })
  }

  /// Version 1, where a huge number stands for no limit.
  private func legacyGroup(_ folder: String) -> MemoryLimits.Group? {
    let path = root + folder
    guard let usage = KernelText.number(inFile: "\(path)/memory.usage_in_bytes") else { return nil }
    let limit = KernelText.number(inFile: "\(path)/memory.limit_in_bytes")
    let statistics = KernelText.read("\(path)/memory.stat") ?? ""
    let control = KernelText.read("\(path)/memory.oom_control")
    return MemoryLimits.Group(
      path: folder, limit: limit.flatMap { $0 < 1 << 60 ? $0 : nil }, usage: usage,
      reclaimable: sum(["total_active_file", "total_inactive_file"], in: statistics),
      killCount: control.flatMap { KernelText.number("oom_kill", in: $0) })
  }

  private func sum(_ keys: [String], in text: String) -> Int {
    keys.reduce(0) { $0 + (KernelText.number($1, in: text) ?? 0) }
  }

  /// Where a hierarchy is mounted (proc_pid_mountinfo(5)).
  private struct Mount {
    /// The group that `folder` shows: `/`, or a container's own.
    var group: String
    var folder: String

    /// - Parameter controller: of version 1; nil finds version 2.
    static func find(_ controller: String?, in mounts: String) -> Mount? {
      for line in mounts.split(separator: "\n") {
        // id parent device group folder options... - type source superOptions
        let words = line.split(separator: " ")
        guard let dash = words.firstIndex(of: "-"), dash >= 5, words.count > dash + 3 else {
          continue
        }
        let isMatch =
          if let controller {
            words[dash + 1] == "cgroup"
              && words[dash + 3].split(separator: ",").contains(controller[...])
          } else {
            words[dash + 1] == "cgroup2"
          }
        if isMatch { return Mount(group: String(words[3]), folder: String(words[4])) }
      }
      return nil
    }

    /// The folders of a group and of those around it, innermost first. A group that the mount does
    /// not show is taken for the one it shows.
    func folders(of path: String) -> [String] {
      let base = group == "/" ? "" : group
      var rest = path == base || path.hasPrefix(base + "/") ? path.dropFirst(base.count) : ""
      var folders: [String] = []
      while let slash = rest.lastIndex(of: "/") {
        if rest != "/" { folders.append(folder + rest) }
        rest = rest[..<slash]
      }
      return folders + [folder]
    }
  }
}
