import Flashrun
import Foundation
import Testing

/// `auto` against trees of files as kernels with cgroup v1, v2 and none lay them out.
@Suite struct HostMemoryTests {
  /// A folder with the files given, removed when it goes.
  final class Tree {
    let root = FileManager.default.temporaryDirectory.path + "/flashrun-\(UUID().uuidString)"

    init(_ files: [String: String]) throws {
      for (path, text) in files {
        let url = URL(fileURLWithPath: root + path)
        try FileManager.default.createDirectory(
          at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
      }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    var memory: HostMemory { HostMemory(root: root) }
  }

  static let mebibyte = 1 << 20
  static let meminfo = """
    MemTotal:       16777216 kB
    MemFree:         1048576 kB
    MemAvailable:    8388608 kB
    Active(file):    1048576 kB
    Inactive(file):  2097152 kB
    """

  @Test func availableMemoryIsCappedByWhatIsFreeOrInFilePages() throws {
    let tree = try Tree(["/proc/meminfo": Self.meminfo])
    let limit = try #require(tree.memory.automaticLimit())
    #expect(limit.cgroupLimit == nil)
    #expect(limit.availableByteCount == 4096 * Self.mebibyte)
    #expect(limit.reserveByteCount == 256 * Self.mebibyte)
    #expect(limit.byteCount == 3840 * Self.mebibyte)
  }

  @Test func theTightestGroupOfTheUnifiedHierarchyCounts() throws {
    let tree = try Tree([
      "/proc/meminfo": Self.meminfo,
      "/proc/self/cgroup": "0::/outer/inner\n",
      "/sys/fs/cgroup/outer/inner/memory.max": "max\n",
      "/sys/fs/cgroup/outer/memory.max": "\(1024 * Self.mebibyte)\n",
      "/sys/fs/cgroup/outer/memory.current": "\(300 * Self.mebibyte)\n",
      "/sys/fs/cgroup/outer/memory.stat": "anon 5\ninactive_file \(100 * Self.mebibyte)\n",
    ])
    let limit = try #require(tree.memory.automaticLimit())
    #expect(limit.cgroupLimit == 1024 * Self.mebibyte)
    #expect(limit.availableByteCount == 824 * Self.mebibyte)
  }

  @Test func theMemoryControllerOfTheOldHierarchyCounts() throws {
    let tree = try Tree([
      "/proc/meminfo": Self.meminfo,
      "/proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/system\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "\(512 * Self.mebibyte)\n",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "\(100 * Self.mebibyte)\n",
      "/sys/fs/cgroup/memory/memory.stat": "total_inactive_file \(60 * Self.mebibyte)\n",
      "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    ])
    let limit = try #require(tree.memory.automaticLimit())
    #expect(limit.cgroupLimit == 512 * Self.mebibyte)
    #expect(limit.availableByteCount == 472 * Self.mebibyte)
    #expect(tree.memory.outOfMemoryKillCount == 2)
  }

  @Test func unlimitedGroupsOfTheOldHierarchyDoNotCount() throws {
    let tree = try Tree([
      "/proc/meminfo": Self.meminfo, "/proc/self/cgroup": "4:memory:/\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    ])
    #expect(try #require(tree.memory.automaticLimit()).cgroupLimit == nil)
  }

  @Test func killsForWantOfMemoryAreTold() throws {
    let tree = try Tree([
      "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.events": "low 0\noom 4\noom_kill 3\n",
    ])
    #expect(tree.memory.outOfMemoryKillCount == 3)
    #expect(try Tree(["/proc/self/cgroup": "0::/\n"]).memory.outOfMemoryKillCount == 0)
  }

  @Test func aHostThatTellsNothingHasNoAutomaticLimit() throws {
    #expect(try Tree([:]).memory.automaticLimit() == nil)
  }

  @Test func thisHostTellsItsPeak() throws {
    #expect(try #require(ProcessMeter.peakByteCount) > 1 << 20)
    #expect(ProcessMeter.majorFaultCount >= 0)
    #expect(try #require(HostMemory().automaticLimit()).byteCount > 0)
  }
}
