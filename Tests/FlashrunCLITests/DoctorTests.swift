import FlashKernels
import FlashProfiler
import FlashTestSupport
import FlashrunCLI
import Foundation
import Glibc
import Testing

@testable import FlashIO
@testable import FlashWeights

/// Every check of `doctor`, with planted facts.
struct DoctorCheckTests {
  private func expect(
    _ check: some DoctorCheck, _ status: Finding.Status, _ words: String,
    fix: String? = nil, _ location: SourceLocation = #_sourceLocation
  ) {
    let finding = check.finding
    #expect(finding.status == status, "\(finding)", sourceLocation: location)
    #expect(finding.summary.contains(words), "\(finding)", sourceLocation: location)
    #expect((finding.fix == nil) == (status == .pass), "\(finding)", sourceLocation: location)
    if let fix {
      #expect(finding.fix?.contains(fix) == true, "\(finding)", sourceLocation: location)
    }
  }

  @Test func refusedRingsAreExplained() {
    func check(_ code: Int32?, disabled: Int? = 0, seccomp: Int? = 0) -> UringCheck {
      UringCheck(refusal: code.map(UringRefusal.init), disabled: disabled, seccomp: seccomp)
    }
    expect(check(nil), .pass, "permits")
    expect(check(EPERM, disabled: 2), .warn, "EPERM", fix: "kernel.io_uring_disabled=0")
    expect(check(EPERM, seccomp: 2), .warn, "pread", fix: "seccomp profile")
    expect(check(ENOSYS), .warn, "not in this kernel", fix: "CONFIG_IO_URING")
    expect(check(ENOMEM), .warn, "RLIMIT_MEMLOCK", fix: "ulimit -l")
  }

  @Test func lockedMemoryIsHeldAgainstWhatARunRegisters() {
    func check(_ limit: Int?, _ wanted: Int?, privileged: Bool = false) -> LockedMemoryCheck {
      LockedMemoryCheck(limit: limit, isPrivileged: privileged, wantedByteCount: wanted)
    }
    expect(check(nil, 1 << 40), .pass, "unlimited")
    expect(check(8 << 20, 1 << 30), .warn, "8.00 MiB", fix: "ulimit -l unlimited")
    expect(check(8 << 20, 4 << 20), .pass, "8.00 MiB")
    expect(check(8 << 20, nil), .warn, "not registered")
    expect(check(8 << 20, 1 << 30, privileged: true), .pass, "CAP_IPC_LOCK")
  }

  @Test func whereTheStoreLiesIsJudged() {
    expect(FileSystemCheck(type: "ext4"), .pass, "ext4")
    expect(FileSystemCheck(type: "tmpfs"), .warn, "memory")
    expect(FileSystemCheck(type: "nfs4"), .warn, "not a local disk")
    expect(FileSystemCheck(type: "fuse.sshfs"), .warn, "not a local disk")
    expect(FileSystemCheck(type: "overlay"), .warn, "container", fix: "volume")
    expect(FileSystemCheck(type: nil), .pass, "not known")
    expect(DeviceClassCheck(name: "sda", isRotational: true), .warn, "hard disk", fix: "SSD")
    expect(DeviceClassCheck(name: "sda", isRotational: false), .pass, "sda")
    // Virtual disks call themselves rotating whatever they are.
    expect(DeviceClassCheck(name: "vda", isRotational: true), .pass, "virtual")
    expect(DeviceClassCheck(name: "mmcblk0p2", isRotational: false), .warn, "memory card")
    expect(DeviceClassCheck(name: nil, isRotational: nil), .pass, "no device")
    expect(ProfileCheck(saved: .none, store: "/a b"), .warn, "none", fix: "io probe '/a b'")
    expect(
      ProfileCheck(saved: .refused("it is another's"), store: "s"), .warn, "another's",
      fix: "io probe s")
    var profile = SavedProfile(
      device: DeviceIdentity(number: "8:1", name: "sda", fileSystem: "ext4"),
      measuredAt: "2026-01-02T03:04:05Z", method: "io_uring", isCold: true, bandwidth: 2e9,
      sustainedBandwidth: nil, cells: [])
    expect(
      ProfileCheck(saved: .found(profile), store: "s"), .pass, "2026-01-02T03:04:05Z: 2.00 GB/s")
    profile.isCold = false
    expect(ProfileCheck(saved: .found(profile), store: "s"), .warn, "a cache answered")
    profile.measuredFile = "/s/bundles.bin"
    expect(ProfileCheck(saved: .found(profile), store: "s"), .pass, "in front of /s/bundles.bin")
  }

  @Test func directReadsAreWantedInSmallUnits() {
    expect(
      DirectReadCheck(unit: 512, fallbackReason: nil, amplification: 1), .pass, "units of 512")
    expect(
      DirectReadCheck(unit: 4096, fallbackReason: nil, amplification: 4.5), .warn, "4.50 times")
    expect(
      DirectReadCheck(unit: nil, fallbackReason: "it is memory", amplification: 1), .warn,
      "it is memory")
    expect(DiskRoomCheck(freeByteCount: 10, bundleByteCount: 1 << 30), .warn, "calibrate")
    expect(DiskRoomCheck(freeByteCount: 1 << 40, bundleByteCount: 1 << 30), .pass, "1024 GiB")
  }

  @Test func memoryIsHeldAgainstTheModel() {
    func check(_ limit: Int, _ feedForward: String?, sparse: Bool = true) -> MemoryRoomCheck {
      MemoryRoomCheck(
        limit: limit << 20, minimum: 100 << 20, resident: 1000 << 20, feedForward: feedForward,
        isSparse: sparse, sparseMinimum: 600 << 20)
    }
    expect(check(50, nil), .fail, "at least 100 MiB", fix: "free memory")
    expect(check(2000, "resident"), .pass, "all of the model")
    expect(check(300, "streamed"), .warn, "silent ones too", fix: "600 MiB")
    expect(check(300, "streamed", sparse: false), .pass, "streamed")
    expect(check(700, "windowed"), .pass, "windowed")
  }

  @Test func groupsKillsAndSwapAreTold() throws {
    var limits = try #require(MemoryLimits())
    limits.groups = []
    limits.hostAvailable = 8 << 30
    expect(GroupLimitCheck(limits: limits), .pass, "none")
    limits.groups = [
      .init(path: "/g", limit: 4 << 30, usage: 3 << 30, reclaimable: 0, killCount: 2)
    ]
    expect(GroupLimitCheck(limits: limits), .warn, "1.00 GiB are left", fix: "MemoryMax")
    limits.groups[0].usage = 1 << 30
    expect(GroupLimitCheck(limits: limits), .pass, "/g allows 4.00 GiB")
    expect(KillCheck(killCount: limits.killCount), .warn, "killed 2 processes")
    expect(KillCheck(killCount: 0), .pass, "none")
    expect(SwapCheck(totalByteCount: 0, usedByteCount: 0), .pass, "off")
    expect(SwapCheck(totalByteCount: 1 << 30, usedByteCount: 1 << 29), .warn, "512 MiB of 1.00 GiB")
    expect(SwapCheck(totalByteCount: 1 << 30, usedByteCount: 1 << 20), .pass, "in use")
  }

  @Test func whatMayBeMappedIsJudged() {
    func check(_ limit: Int?, _ overcommit: Int, _ left: Int?) -> AddressSpaceCheck {
      AddressSpaceCheck(
        limit: limit, overcommit: overcommit, committable: left, minimum: 100 << 20)
    }
    expect(check(nil, 0, 0), .pass, "not limited")
    expect(check(50 << 20, 0, nil), .fail, "RLIMIT_AS is 50.0 MiB", fix: "ulimit -v")
    expect(check(nil, 2, 10 << 20), .fail, "10.0 MiB more", fix: "overcommit_memory=0")
    expect(HugePageCheck(setting: "madvise"), .pass, "madvise")
    expect(HugePageCheck(setting: "never"), .warn, "never", fix: "echo madvise")
    expect(HugePageCheck(setting: nil), .warn, "no transparent huge pages")
  }

  @Test func processorsAreJudged() {
    expect(InstructionCheck(supported: [.scalar], processorName: "old"), .warn, "old: scalar")
    expect(InstructionCheck(supported: [.scalar, .avx2], processorName: nil), .pass, "avx2")
    expect(
      ProcessorCheck(online: 8, cores: 4, quota: nil, throttledCount: 0), .pass, "4 cores of 8")
    expect(
      ProcessorCheck(online: 8, cores: 4, quota: 1.5, throttledCount: 9), .warn,
      "1.50 CPUs, which has stopped it 9 times", fix: "-t 1")
    expect(GovernorCheck(governor: nil, driver: nil), .pass, "virtual")
    expect(GovernorCheck(governor: "powersave", driver: "intel_pstate"), .pass, "intel_pstate")
    expect(GovernorCheck(governor: "powersave", driver: "acpi-cpufreq"), .warn, "keeps the clock")
    expect(LoadCheck(load: 0.1, cores: 2), .pass, "0.10 on 2 cores")
    expect(LoadCheck(load: 1.5, cores: 4), .warn, "compete", fix: "-t 2")
  }

  @Test func storesAreJudged() {
    expect(
      StoreCheck(
        outcome: .opened(formatVersion: 1, generator: "g", byteCount: 4096, isSynthetic: true),
        path: "s"),
      .pass, "random weights")
    expect(
      StoreCheck(outcome: .refused(StoreError(.futureVersion, "is newer")), path: "s"), .fail,
      "is newer",
      fix: "newer flashrun")
    expect(
      StoreCheck(outcome: .refused(StoreError(.storeFileLength, "is cut short")), path: "s"), .fail,
      "cut short", fix: "convert CHECKPOINT s --overwrite")
    expect(CalibrationCheck(isSparse: false, certificate: nil, path: "s"), .pass, "not needed")
    expect(
      CalibrationCheck(isSparse: true, certificate: nil, path: "it's"), .warn, "none",
      fix: #"calibrate 'it'\''s' -f"#)
    expect(
      CalibrationCheck(isSparse: true, certificate: ("a.txt", 0.006), path: "s"), .pass,
      "+0.6%")
  }

  @Test func theWorstCheckIsTheVerdict() throws {
    let pass = Finding("a", .pass, "fine")
    let warn = Finding("bb", .warn, "slow", fix: "do this")
    let fail = Finding("c", .fail, "broken", fix: "do that")
    #expect(DoctorReport([pass]).status == .pass)
    #expect(DoctorReport([pass, warn]).status == .warn)
    let report = DoctorReport([pass, warn, fail])
    #expect(report.status == .fail)
    #expect(
      report.text == """
        pass  a   fine
        warn  bb  slow
                  do this
        fail  c   broken
                  do that

        1 pass, 1 warn, 1 fail
        """)
    let json = try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any]
    #expect(json?["status"] as? String == "fail")
    #expect((json?["checks"] as? [[String: Any]])?.count == 3)
  }
}

/// What the kernel's files say, read from folders that stand for `/`.
struct HostFactsTests {
  private func facts(_ files: [String: String]) throws -> (HostFacts, ProjectFiles.TemporaryFolder)
  {
    let folder = try ProjectFiles.TemporaryFolder()
    for (name, text) in files {
      let path = URL(fileURLWithPath: folder.path + "/" + name)
      try FileManager.default.createDirectory(
        at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: path)
    }
    return (HostFacts(root: folder.path), folder)
  }

  @Test func theKernelsFilesAreRead() throws {
    let (facts, folder) = try facts([
      "proc/sys/kernel/io_uring_disabled": "1\n",
      "proc/self/status": "Name:\tx\nCapEff:\t0000000000004000\nSeccomp:\t2\n",
      "proc/meminfo":
        "SwapTotal: 100 kB\nSwapFree: 40 kB\nCommitLimit: 50 kB\nCommitted_AS: 20 kB\n",
      "proc/sys/vm/overcommit_memory": "2\n",
      "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
      "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
      "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver": "acpi-cpufreq\n",
      "proc/loadavg": "1.25 0.5 0.2 1/100 9\n",
      "sys/devices/system/cpu/online": "0-3,8\n",
      "proc/self/mountinfo":
        "30 27 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      "proc/self/cgroup": "0::/a/b\n",
      "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
      "sys/fs/cgroup/a/cpu.stat": "usage_usec 5\nnr_throttled 7\n",
    ])
    defer { withExtendedLifetime(folder) {} }
    #expect(facts.uringDisabled == 1 && facts.seccomp == 2 && facts.mayLockMemory)
    #expect(facts.swap == (100 << 10, 60 << 10))
    #expect(facts.overcommit == 2 && facts.committable == 30 << 10)
    #expect(facts.hugePages == "madvise")
    #expect(facts.governor == ("powersave", "acpi-cpufreq"))
    #expect(facts.load == 1.25 && facts.onlineCount == 5)
    #expect(facts.processorQuota == (1.5, 7))
  }

  @Test func whatIsNotThereIsNotKnown() throws {
    let (facts, folder) = try facts([:])
    defer { withExtendedLifetime(folder) {} }
    #expect(facts.uringDisabled == nil && facts.seccomp == nil && !facts.mayLockMemory)
    #expect(facts.swap == (0, 0) && facts.overcommit == nil && facts.committable == nil)
    #expect(facts.hugePages == nil && facts.governor == (nil, nil) && facts.load == nil)
    #expect(facts.processorQuota == (nil, 0) && facts.onlineCount == nil)
  }

  @Test func quotasOfVersionOneCount() throws {
    let (facts, folder) = try facts([
      "proc/self/mountinfo":
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
      "proc/self/cgroup": "4:cpu,cpuacct:/x\n0::/\n",
      "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n",
      "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    ])
    defer { withExtendedLifetime(folder) {} }
    #expect(facts.processorQuota == (0.5, 0))
  }
}
