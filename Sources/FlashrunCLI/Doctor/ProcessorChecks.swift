package import FlashKernels

/// Which vector instructions the CPU has.
package struct InstructionCheck: DoctorCheck {
  package var supported: [InstructionSet]
  package var processorName: String?

  package init(supported: [InstructionSet], processorName: String?) {
    self.supported = supported
    self.processorName = processorName
  }

  package var finding: Finding {
    let names = supported.map(\.rawValue).joined(separator: ", ")
    let text = [processorName, names].compactMap(\.self).joined(separator: ": ")
    guard supported.last == .scalar else { return Finding("instructions", .pass, text) }
    return Finding(
      "instructions", .warn, "\(text): arithmetic goes one value at a time",
      fix: "a CPU with AVX2 (x86) or NEON (ARM); in a virtual machine, its host's CPU model")
  }
}

/// How many cores the process may use, and what keeps it from more.
package struct ProcessorCheck: DoctorCheck {
  /// CPUs of the host that are online.
  package var online: Int
  /// Threads that a run would start.
  package var cores: Int
  /// CPUs' worth of time that the control group grants; nil without a quota.
  package var quota: Double?
  /// Periods in which the group had used up its quota.
  package var throttledCount: Int

  package init(online: Int, cores: Int, quota: Double?, throttledCount: Int) {
    self.online = online
    self.cores = cores
    self.quota = quota
    self.throttledCount = throttledCount
  }

  package var finding: Finding {
    let text = "\(cores) core\(cores == 1 ? "" : "s") of \(online) CPU\(online == 1 ? "" : "s")"
    guard let quota else { return Finding("processors", .pass, text) }
    let share = "\(text), and a quota of \(Units.threeDigits(quota)) CPUs"
    guard quota < Double(cores) || throttledCount > 0 else {
      return Finding("processors", .pass, share)
    }
    let stops = throttledCount > 0 ? ", which has stopped it \(throttledCount) times" : ""
    return Finding(
      "processors", .warn, "\(share)\(stops)",
      fix: "raise the quota (docker --cpus, CPUQuota=), or -t \(max(1, Int(quota)))")
  }
}

/// Whether the CPUs may run at their full clock.
package struct GovernorCheck: DoctorCheck {
  /// Nil where the kernel shows none, as in virtual machines.
  package var governor: String?
  package var driver: String?

  package init(governor: String?, driver: String?) {
    self.governor = governor
    self.driver = driver
  }

  /// Drivers whose `powersave` raises the clock by itself.
  private static let adaptive = ["intel_pstate", "amd-pstate-epp", "amd_pstate_epp"]

  package var finding: Finding {
    guard let governor else {
      return Finding("clock", .pass, "no governor is shown, as usual in virtual machines")
    }
    let isAdaptive = driver.map(Self.adaptive.contains) ?? false
    let text = "governor \(governor)" + (driver.map { " of \($0)" } ?? "")
    guard governor == "powersave" && !isAdaptive || governor == "conservative" else {
      return Finding("clock", .pass, text)
    }
    return Finding(
      "clock", .warn, "\(text) keeps the clock low", fix: "cpupower frequency-set -g performance")
  }
}

/// Whether others use the CPUs.
package struct LoadCheck: DoctorCheck {
  /// Runnable and waiting tasks, mean of the last minute.
  package var load: Double
  package var cores: Int

  package init(load: Double, cores: Int) {
    self.load = load
    self.cores = cores
  }

  package var finding: Finding {
    let text = "load \(Units.threeDigits(load)) on \(cores) core\(cores == 1 ? "" : "s")"
    // A thread for each core leaves no room for more than a quarter of one.
    guard load > 0.25 * Double(cores) else { return Finding("load", .pass, text) }
    return Finding(
      "load", .warn, "\(text): others compete for the cores, and threads wait for one another",
      fix: "stop what else runs, or leave cores to it: -t \(max(1, cores - Int(load.rounded(.up))))"
    )
  }
}
