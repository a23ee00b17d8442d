internal import Glibc

/// What memory this process holds, in bytes, as the kernel counts it (proc_pid_status(5)).
package struct ProcessMemory: Sendable, Equatable {
  /// VmHWM: the most that was ever resident.
  package var peak: Int
  /// VmRSS: resident now.
  package var resident: Int
  /// RssAnon: of that, anonymous memory.
  package var anonymous: Int
  /// RssFile: of that, pages of mapped files (the program itself).
  package var fileBacked: Int
  /// RssShmem: of that, shared memory.
  package var shared: Int
  /// VmLck: locked by mlock.
  package var locked: Int
  /// VmPin: pinned by the kernel for devices, such as registered buffers.
  package var pinned: Int
  /// VmSwap: swapped out.
  package var swapped: Int
  /// Page faults that needed the disk, since the process began.
  package var majorFaultCount: Int

  /// - Parameter root: a folder to take for `/`.
  /// - Returns: nil where `/proc` is not mounted.
  package init?(root: String = "") {
    guard let status = KernelText.read("\(root)/proc/self/status"),
      let peak = KernelText.number("VmHWM", in: status),
      let resident = KernelText.number("VmRSS", in: status)
    else { return nil }
    let field = { KernelText.number($0, in: status) ?? 0 }
    self.peak = peak
    self.resident = resident
    anonymous = field("RssAnon")
    fileBacked = field("RssFile")
    shared = field("RssShmem")
    locked = field("VmLck")
    pinned = field("VmPin")
    swapped = field("VmSwap")
    majorFaultCount = Self.majorFaults(root: root)
  }

  /// Gives what the allocator holds free back to the kernel.
  package static func giveBackFree() { _ = mallocTrim(keeping: 0) }

  /// Sets VmHWM to what is resident now, without what the allocator holds free, so that the peak of
  /// what follows can be told apart.
  ///
  /// - Returns: false where the kernel refuses; the peak then stays the process's.
  package static func resetPeak() -> Bool {
    giveBackFree()
    let descriptor = unsafe open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // 5 means the peak alone (proc_pid_clear_refs(5)).
    return unsafe write(descriptor, "5", 1) == 1
  }

  /// Field 12 of `/proc/self/stat`; field 2, the name in parentheses, may hold anything.
  private static func majorFaults(root: String) -> Int {
    guard let stat = KernelText.read("\(root)/proc/self/stat"),
      let nameEnd = stat.lastIndex(of: ")")
    else { return 0 }
    let fields = stat[stat.index(after: nameEnd)...].split(separator: " ")
    return fields.count > 9 ? Int(fields[9]) ?? 0 : 0
  }
}

/// What this process moved from and to devices, in bytes (proc_pid_io(5)).
package struct ProcessTraffic: Sendable, Equatable {
  package var readByteCount: Int
  package var writtenByteCount: Int

  /// - Parameter root: a folder to take for `/`.
  /// - Returns: nil where the kernel does not count.
  package init?(root: String = "") {
    guard let text = KernelText.read("\(root)/proc/self/io"),
      let read = KernelText.number("read_bytes", in: text),
      let written = KernelText.number("write_bytes", in: text)
    else { return nil }
    readByteCount = read
    writtenByteCount = written
  }
}

/// malloc_trim(3), whose header is in no module that Swift imports.
@_silgen_name("malloc_trim")
private func mallocTrim(keeping byteCount: Int) -> Int32
