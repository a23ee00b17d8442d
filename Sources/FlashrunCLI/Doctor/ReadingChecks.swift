package import FlashIO
package import FlashProfiler
internal import Glibc

/// Whether the kernel gives io_uring.
package struct UringCheck: DoctorCheck {
  package var refusal: UringRefusal?
  /// `kernel.io_uring_disabled`; nil for kernels without it.
  package var disabled: Int?
  /// `Seccomp` of the process: 0 none, 2 a filter.
  package var seccomp: Int?

  package init(refusal: UringRefusal?, disabled: Int?, seccomp: Int?) {
    self.refusal = refusal
    self.disabled = disabled
    self.seccomp = seccomp
  }

  package var finding: Finding {
    guard let refusal else { return Finding("io_uring", .pass, "the kernel permits it") }
    return Finding(
      "io_uring", .warn, "\(refusal); reads go through threads of pread", fix: fix(refusal))
  }

  private func fix(_ refusal: UringRefusal) -> String {
    if let disabled, disabled > 0 {
      return "sysctl kernel.io_uring_disabled=0 (it is \(disabled))"
    }
    if refusal.code == ENOMEM { return "ulimit -l unlimited, or LimitMEMLOCK=infinity of the unit" }
    if refusal.code == EMFILE { return "ulimit -n 4096" }
    guard refusal.isForbidden else { return "a kernel of 5.10 or newer" }
    guard let seccomp, seccomp > 0 else {
      return "a kernel built with CONFIG_IO_URING, 5.10 or newer"
    }
    return "a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register: "
      + "docker run --security-opt seccomp=PROFILE"
  }
}

/// Whether the arena can be registered with the ring, so that pages are pinned once.
package struct LockedMemoryCheck: DoctorCheck {
  /// RLIMIT_MEMLOCK; nil where there is none.
  package var limit: Int?
  /// Whether the process may lock beyond it (CAP_IPC_LOCK).
  package var isPrivileged: Bool
  /// Bytes that a run would register.
  package var wantedByteCount: Int?

  package init(limit: Int?, isPrivileged: Bool, wantedByteCount: Int?) {
    self.limit = limit
    self.isPrivileged = isPrivileged
    self.wantedByteCount = wantedByteCount
  }

  package var finding: Finding {
    guard let limit else { return Finding("locked memory", .pass, "RLIMIT_MEMLOCK is unlimited") }
    let size = "RLIMIT_MEMLOCK is \(Units.bytes(limit))"
    if isPrivileged {
      return Finding("locked memory", .pass, "\(size), and CAP_IPC_LOCK goes beyond it")
    }
    // A model of 1 GiB, where none is named.
    guard limit < wantedByteCount ?? 1 << 30 else { return Finding("locked memory", .pass, size) }
    return Finding(
      "locked memory", .warn, "\(size): buffers are not registered, every read pins its pages",
      fix: "ulimit -l unlimited, or LimitMEMLOCK=infinity of the unit")
  }
}

/// Whether the store's files are read past the page cache, and in what unit.
package struct DirectReadCheck: DoctorCheck {
  /// Nil where reads are buffered.
  package var unit: Int?
  package var fallbackReason: String?
  /// Bytes read for each byte of neurons that is wanted, at this unit.
  package var amplification: Double

  package init(unit: Int?, fallbackReason: String?, amplification: Double) {
    self.unit = unit
    self.fallbackReason = fallbackReason
    self.amplification = amplification
  }

  package var finding: Finding {
    guard let unit else {
      return Finding(
        "direct reads", .warn,
        "weights pass through the page cache: \(fallbackReason ?? "O_DIRECT is refused")",
        fix: "put the store on a local disk with ext4, xfs or btrfs")
    }
    let times = Units.threeDigits(amplification)
    guard amplification > 1.1 else {
      return Finding("direct reads", .pass, "O_DIRECT in units of \(unit) bytes")
    }
    return Finding(
      "direct reads", .warn,
      "O_DIRECT in units of \(unit) bytes: reading one neuron brings \(times) times its bytes",
      fix: "a device with a smaller unit, or a larger weight type (convert --type q8_0)")
  }
}

/// What kind of file system holds the store.
package struct FileSystemCheck: DoctorCheck {
  /// As in /proc/self/mountinfo; nil where it is not known.
  package var type: String?

  package init(type: String?) { self.type = type }

  private static let memory = ["tmpfs", "ramfs"]
  private static let remote = [
    "nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "9p", "virtiofs", "afs",
  ]

  package var finding: Finding {
    guard let type else { return Finding("file system", .pass, "its type is not known") }
    if Self.memory.contains(type) {
      return Finding(
        "file system", .warn, "\(type) is memory: the store takes its whole size of it",
        fix: "put the store on a disk")
    }
    if Self.remote.contains(type) || type.hasPrefix("fuse") {
      return Finding(
        "file system", .warn, "\(type) is not a local disk: every read crosses to its server",
        fix: "copy the store to a local disk")
    }
    if type == "overlay" {
      return Finding(
        "file system", .warn, "overlay, a container's layers, lies between the reads and the disk",
        fix: "mount the store's folder into the container as a volume")
    }
    return Finding("file system", .pass, type)
  }
}

/// What kind of device holds the store.
package struct DeviceClassCheck: DoctorCheck {
  /// The kernel's name, such as `nvme0n1`; nil where the file system has no single one.
  package var name: String?
  package var isRotational: Bool?

  package init(name: String?, isRotational: Bool?) {
    self.name = name
    self.isRotational = isRotational
  }

  package var finding: Finding {
    guard let name else { return Finding("device", .pass, "the file system names no device") }
    if name.hasPrefix("vd") || name.hasPrefix("xvd") {
      return Finding("device", .pass, "\(name), a virtual disk: `flashrun io probe` measures it")
    }
    if isRotational == true {
      return Finding(
        "device", .warn, "\(name) is a hard disk: some hundred scattered reads a second",
        fix: "put the store on an SSD")
    }
    if name.hasPrefix("mmcblk") {
      return Finding(
        "device", .warn, "\(name) is a memory card: some thousand scattered reads a second",
        fix: "put the store on an SSD")
    }
    return Finding("device", .pass, name)
  }
}

/// Whether `io probe` measured the device, when, and whether it answered itself.
package struct ProfileCheck: DoctorCheck {
  package var saved: ProfileStore.Finding
  /// The store's path.
  package var store: String

  package init(saved: ProfileStore.Finding, store: String) {
    self.saved = saved
    self.store = store
  }

  package var finding: Finding {
    let fix = "flashrun io probe \(store.shellWord)"
    switch saved {
    case .none:
      return Finding(
        "device profile", .warn, "none: every run and `plan` measure the device for a moment",
        fix: fix)
    case .refused(let reason): return Finding("device profile", .warn, reason, fix: fix)
    case .found(let profile) where !profile.isUsable:
      return Finding(
        "device profile", .warn,
        "of \(profile.measuredAt), when a cache answered in the device's place: runs pass it over",
        fix: fix)
    case .found(let profile):
      let cache =
        profile.isCold ? "" : ", a cache in front of \(profile.measuredFile ?? "it") included"
      return Finding(
        "device profile", .pass,
        "of \(profile.measuredAt): \(Units.threeDigits(profile.bandwidth / 1e9)) GB/s\(cache)")
    }
  }
}

/// Whether the file system has room for what commands write.
package struct DiskRoomCheck: DoctorCheck {
  /// Bytes that an ordinary user may still write; nil where it is not known.
  package var freeByteCount: Int?
  /// Bytes of the store's neurons, which `calibrate` writes anew.
  package var bundleByteCount: Int

  package init(freeByteCount: Int?, bundleByteCount: Int) {
    self.freeByteCount = freeByteCount
    self.bundleByteCount = bundleByteCount
  }

  package var finding: Finding {
    guard let freeByteCount else { return Finding("disk room", .pass, "it is not known") }
    let free = "\(Units.bytes(freeByteCount)) are free beside the store"
    guard freeByteCount < bundleByteCount else { return Finding("disk room", .pass, free) }
    return Finding(
      "disk room", .warn,
      "\(free): `calibrate` writes \(Units.bytes(bundleByteCount)) of neurons in a new order",
      fix: "free \(Units.bytes(bundleByteCount - freeByteCount)) before calibrating")
  }
}
