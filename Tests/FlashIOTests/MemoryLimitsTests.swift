import FlashIO
import FlashTestSupport
import Glibc
import Testing

/// Folders that stand for `/`, with the files a kernel would show.
struct MemoryLimitsTests {
  private let mebibyte = 1 << 20
  private let host = "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:  4194304 kB\n"

  @Test func versionTwoIsFollowedUpToTheRoot() throws {
    let root = FixtureFolder([
      "proc/meminfo": host,
      "proc/self/cgroup": "0::/user/app\n",
      "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
      "sys/fs/cgroup/user/app/memory.max": "max\n",
      "sys/fs/cgroup/user/app/memory.high": "max\n",
      "sys/fs/cgroup/user/app/memory.current": "\(300 * mebibyte)\n",
      "sys/fs/cgroup/user/app/memory.events": "low 0\noom 3\noom_kill 2\n",
      "sys/fs/cgroup/user/memory.max": "\(2048 * mebibyte)\n",
      "sys/fs/cgroup/user/memory.high": "\(1024 * mebibyte)\n",
      "sys/fs/cgroup/user/memory.current": "\(900 * mebibyte)\n",
      "sys/fs/cgroup/user/memory.stat":
        "file 9\ninactive_file \(100 * mebibyte)\nactive_file \(50 * mebibyte)\n",
    ])
    let limits = try #require(MemoryLimits(root: root.path))
    #expect(limits.groups.map(\.path) == ["/sys/fs/cgroup/user/app", "/sys/fs/cgroup/user"])
    #expect(limits.groups.map(\.limit) == [nil, 1024 * mebibyte])
    #expect(limits.groupLimit == 1024 * mebibyte)
    #expect(limits.groups[1].free == (1024 - 900 + 150) * mebibyte)
    #expect(limits.trulyFree == 274 * mebibyte)
    #expect(limits.hostTotal == 8192 * mebibyte && limits.hostAvailable == 4096 * mebibyte)
    #expect(limits.killCount == 2)
  }

  @Test func versionOneIsFollowedUpToTheRoot() throws {
    let root = FixtureFolder([
      "proc/meminfo": host,
      "proc/self/cgroup": "4:cpu,cpuacct:/elsewhere\n3:memory:/a\n0::/\n",
      "proc/self/mountinfo": """
      32 31 0:29 / /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu,cpuacct
      35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
      """,
      "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "\(512 * mebibyte)\n",
      "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "\(600 * mebibyte)\n",
      "sys/fs/cgroup/memory/a/memory.stat": "cache 1\ntotal_inactive_file \(20 * mebibyte)\n",
      "sys/fs/cgroup/memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "\(700 * mebibyte)\n",
    ])
    let limits = try #require(MemoryLimits(root: root.path))
    #expect(
      limits.groups.map(\.path) == ["/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"])
    #expect(limits.groups.map(\.limit) == [512 * mebibyte, nil])
    #expect(limits.trulyFree == 0)
    #expect(limits.killCount == 5)
  }

  @Test func aContainersOwnGroupIsTheMountsRoot() throws {
    for cgroup in ["0::/docker/one", "0::/", "0::/../other"] {
      let root = FixtureFolder([
        "proc/meminfo": host,
        "proc/self/cgroup": cgroup,
        "proc/self/mountinfo": "9 8 0:2 /docker/one /sys/fs/cgroup ro - cgroup2 cgroup rw",
        "sys/fs/cgroup/memory.max": "1000",
        "sys/fs/cgroup/memory.current": "400",
      ])
      let limits = try #require(MemoryLimits(root: root.path))
      #expect(limits.groups.map(\.path) == ["/sys/fs/cgroup"], "\(cgroup)")
      #expect(limits.trulyFree == 600 && limits.killCount == 0)
    }
  }

  @Test func withoutGroupsTheHostDecides() throws {
    let root = FixtureFolder(["proc/meminfo": host])
    let limits = try #require(MemoryLimits(root: root.path))
    #expect(limits.groups.isEmpty && limits.groupLimit == nil)
    #expect(limits.trulyFree == 4096 * mebibyte)
    #expect(MemoryLimits(root: "/nowhere") == nil)
  }

  @Test func thisHostIsUnderstood() throws {
    let limits = try #require(MemoryLimits())
    #expect(limits.hostTotal > 0 && limits.trulyFree <= limits.hostAvailable)
  }
}

struct ProcessMemoryTests {
  @Test func theKernelsFieldsAreRead() throws {
    let root = FixtureFolder([
      "proc/self/status": """
      Name:\tVmHWM: 9 kB
      VmLck:\t      16 kB
      VmPin:\t      24 kB
      VmHWM:\t    2076 kB
      VmRSS:\t    2000 kB
      RssAnon:\t     148 kB
      RssFile:\t    1852 kB
      RssShmem:\t       4 kB
      VmSwap:\t       8 kB
      """,
      "proc/self/stat": "12 (a (b) 1 2) R 1 2 3 4 5 6 7 8 777 10 11",
      "proc/self/io": "rchar: 6976\nwchar: 1\nread_bytes: 4096\nwrite_bytes: 512\n",
    ])
    let memory = try #require(ProcessMemory(root: root.path))
    #expect(memory.peak == 2076 << 10 && memory.resident == 2000 << 10)
    #expect(memory.anonymous == 148 << 10 && memory.fileBacked == 1852 << 10)
    #expect(memory.shared == 4 << 10 && memory.swapped == 8 << 10)
    #expect(memory.locked == 16 << 10 && memory.pinned == 24 << 10)
    #expect(memory.majorFaultCount == 777)
    let traffic = try #require(ProcessTraffic(root: root.path))
    #expect(traffic.readByteCount == 4096 && traffic.writtenByteCount == 512)
  }

  @Test func thisProcessIsUnderstood() throws {
    let memory = try #require(ProcessMemory())
    #expect(memory.peak >= memory.resident && memory.resident > 0)
    #expect(ProcessMemory(root: "/nowhere") == nil)
    #expect(ProcessTraffic(root: "/nowhere") == nil)
  }

  @Test func aPeakThatIsSetBackIsWithoutWhatWasFreed() async {
    await #expect(processExitsWith: .success) {
      // Small blocks under one that stays: the allocator keeps them without being asked.
      var blocks = (0..<512).map { _ in [UInt8](repeating: 1, count: 64 << 10) }
      let last = [UInt8](repeating: 1, count: 64 << 10)
      let before = ProcessMemory()!
      blocks.removeAll()
      precondition(ProcessMemory.resetPeak())
      let after = ProcessMemory()!
      precondition(before.peak - after.peak > 24 << 20, "\(before.peak) \(after.peak)")
      precondition(last[0] == 1)
      exit(EXIT_SUCCESS)
    }
  }

  @Test func directReadsAreCountedAsTraffic() throws {
    let fixture = try Fixture(byteCount: 1 << 20)
    guard fixture.file.isDirect, let before = ProcessTraffic() else { return }
    let engine = try PreadReadEngine(files: [fixture.file])
    try unsafe engine.readAll(fixture.requestsForAll())
    let after = try #require(ProcessTraffic())
    #expect(after.readByteCount - before.readByteCount >= 1 << 20)
  }
}

struct DeviceProfileTests {
  @Test func theMergeGapIsWhatAReadCosts() {
    let profile = DeviceProfile(bandwidth: 2e9, readsPerSecond: 100_000, readByteCount: 4608)
    #expect(profile.mergeGap == 20_000)
  }

  @Test(arguments: EngineUnderTest.available)
  func measuringGivesAPositiveProfile(engine kind: EngineUnderTest) throws {
    for byteCount in [1000, 3 << 20] {
      let fixture = try Fixture(byteCount: byteCount)
      let arena = try DirectArena(byteCount: 1 << 20)
      let engine = try kind.make(files: [fixture.file], arena: arena)
      let profile = try unsafe DeviceProfile.measure(
        engine: engine, fileIndex: 0, buffer: arena.bytes, readByteCount: 4600,
        duration: .milliseconds(2))
      #expect(profile.bandwidth > 0 && profile.readsPerSecond > 0 && profile.mergeGap >= 0)
      #expect(profile.readByteCount % fixture.file.unit == 0 && profile.readByteCount >= 4600)
    }
  }
}

struct ReadFailureTests {
  @Test func aFailureNamesWhatWhereAndWhy() {
    let failure = ReadFailure(
      code: EIO, path: "/models/a.flash/bundles.bin",
      extent: FileExtent(offset: 8192, byteCount: 4608), foundByteCount: 512
    ).adding(context: "layer 7")
    #expect(
      failure.description == "layer 7: reading 4608 bytes at offset 8192 of "
        + "/models/a.flash/bundles.bin: EIO: Input/output error after 512 bytes "
        + "(the device reports an unreadable sector or a broken link)")
  }
}
