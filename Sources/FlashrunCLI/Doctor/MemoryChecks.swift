package import FlashIO

/// Whether the model fits what memory this process may take, and how much of it.
package struct MemoryRoomCheck: DoctorCheck {
  /// What `--mem-limit auto` would be.
  package var limit: Int
  package var minimum: Int
  package var resident: Int
  /// resident, windowed or streamed, at that limit; nil where it does not fit.
  package var feedForward: String?
  /// Whether neurons of the model may be silent.
  package var isSparse: Bool
  /// The least limit from which a sparse model reads only what fires.
  package var sparseMinimum: Int?

  package init(
    limit: Int, minimum: Int, resident: Int, feedForward: String?, isSparse: Bool,
    sparseMinimum: Int?
  ) {
    self.limit = limit
    self.minimum = minimum
    self.resident = resident
    self.feedForward = feedForward
    self.isSparse = isSparse
    self.sparseMinimum = sparseMinimum
  }

  package var finding: Finding {
    let room = "\(Units.bytes(limit)) may be taken"
    guard limit >= minimum, let feedForward else {
      return Finding(
        "memory", .fail, "\(room), and the model needs at least \(Units.bytes(minimum))",
        fix: "free memory, raise the control group's limit, or a smaller context: -c 128")
    }
    if limit >= resident {
      return Finding("memory", .pass, "\(room): all of the model (\(Units.bytes(resident))) fits")
    }
    if isSparse, feedForward == "streamed" {
      return Finding(
        "memory", .warn, "\(room): every neuron is read for every token, silent ones too",
        fix: sparseMinimum.map { "a limit of \(Units.bytes($0)) or more reads only what fires" })
    }
    return Finding(
      "memory", .pass, "\(room), all resident would be \(Units.bytes(resident)): \(feedForward)")
  }
}

/// The control groups around this process.
package struct GroupLimitCheck: DoctorCheck {
  package var limits: MemoryLimits

  package init(limits: MemoryLimits) { self.limits = limits }

  package var finding: Finding {
    let tightest = limits.groups.min { ($0.free ?? .max) < ($1.free ?? .max) }
    guard let group = tightest, let limit = group.limit, let free = group.free else {
      return Finding("control groups", .pass, "none limits memory")
    }
    let text = "\(group.path) allows \(Units.bytes(limit)), of which \(Units.bytes(free)) are left"
    guard free < limits.hostAvailable, free < limit / 2 else {
      return Finding("control groups", .pass, text)
    }
    return Finding(
      "control groups", .warn, "\(text): others in the group hold the rest",
      fix: "run in a group of its own: systemd-run --scope -p MemoryMax=SIZE flashrun …")
  }
}

/// Whether the kernel killed something here because memory ran out.
package struct KillCheck: DoctorCheck {
  package var killCount: Int

  package init(killCount: Int) { self.killCount = killCount }

  package var finding: Finding {
    guard killCount > 0 else {
      return Finding("earlier kills", .pass, "none for lack of memory in this control group")
    }
    return Finding(
      "earlier kills", .warn,
      "the kernel killed \(killCount) process\(killCount == 1 ? "" : "es") of this control group "
        + "because memory ran out",
      fix: "give --mem-limit less than the group's limit, or leave it at auto")
  }
}

/// Whether weights may be swapped out.
package struct SwapCheck: DoctorCheck {
  package var totalByteCount: Int
  package var usedByteCount: Int

  package init(totalByteCount: Int, usedByteCount: Int) {
    self.totalByteCount = totalByteCount
    self.usedByteCount = usedByteCount
  }

  package var finding: Finding {
    guard totalByteCount > 0 else { return Finding("swap", .pass, "off") }
    let text =
      "\(Units.bytes(usedByteCount)) of \(Units.bytes(totalByteCount)) in use"
    guard usedByteCount > totalByteCount / 10 else { return Finding("swap", .pass, text) }
    return Finding(
      "swap", .warn, "\(text): the host is short of memory, and weights may be swapped out",
      fix: "a smaller --mem-limit, or systemd-run --scope -p MemorySwapMax=0 flashrun …")
  }
}

/// Whether large pages are to be had, which cut the cost of page tables.
package struct HugePageCheck: DoctorCheck {
  /// Of /sys/kernel/mm/transparent_hugepage/enabled: always, madvise or never; nil without it.
  package var setting: String?

  package init(setting: String?) { self.setting = setting }

  package var finding: Finding {
    switch setting {
    case "always", "madvise": Finding("huge pages", .pass, "\(setting!)")
    case let setting?:
      Finding(
        "huge pages", .warn, "transparent huge pages are set to '\(setting)'",
        fix: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
    case nil:
      Finding(
        "huge pages", .warn, "the kernel has no transparent huge pages",
        fix: "a kernel with CONFIG_TRANSPARENT_HUGEPAGE")
    }
  }
}

/// Limits on what may be mapped, which make reserving memory fail.
package struct AddressSpaceCheck: DoctorCheck {
  /// RLIMIT_AS; nil where there is none.
  package var limit: Int?
  /// `vm.overcommit_memory`: 2 commits no more than there is.
  package var overcommit: Int?
  /// CommitLimit less Committed_AS.
  package var committable: Int?
  /// The least that a run takes.
  package var minimum: Int

  package init(limit: Int?, overcommit: Int?, committable: Int?, minimum: Int) {
    self.limit = limit
    self.overcommit = overcommit
    self.committable = committable
    self.minimum = minimum
  }

  package var finding: Finding {
    if let limit, limit < minimum {
      return Finding(
        "address space", .fail,
        "RLIMIT_AS is \(Units.bytes(limit)), and a run maps at least \(Units.bytes(minimum))",
        fix: "ulimit -v unlimited")
    }
    if overcommit == 2, let committable, committable < minimum {
      return Finding(
        "address space", .fail,
        "vm.overcommit_memory is 2 and the kernel commits \(Units.bytes(committable)) more",
        fix: "sysctl vm.overcommit_memory=0")
    }
    return Finding(
      "address space", .pass, limit.map { "RLIMIT_AS is \(Units.bytes($0))" } ?? "not limited")
  }
}
