internal import Glibc

/// What a load took of the processor, as the kernel counts it (getrusage(2)).
package struct ProcessorUse: Sendable, Equatable {
  package var userSeconds = 0.0
  package var systemSeconds = 0.0
  package var contextSwitches = 0
  package var majorFaults = 0
  package var minorFaults = 0

  package init() {}

  /// Of this process until now.
  static func now() -> ProcessorUse {
    var usage = rusage()
    unsafe getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    var use = ProcessorUse()
    use.userSeconds = seconds(usage.ru_utime)
    use.systemSeconds = seconds(usage.ru_stime)
    use.contextSwitches = usage.ru_nvcsw + usage.ru_nivcsw
    use.majorFaults = usage.ru_majflt
    use.minorFaults = usage.ru_minflt
    return use
  }

  static func - (later: Self, earlier: Self) -> Self {
    var use = later
    use.userSeconds -= earlier.userSeconds
    use.systemSeconds -= earlier.systemSeconds
    use.contextSwitches -= earlier.contextSwitches
    use.majorFaults -= earlier.majorFaults
    use.minorFaults -= earlier.minorFaults
    return use
  }
}
