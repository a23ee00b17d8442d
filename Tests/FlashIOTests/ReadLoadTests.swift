import FlashIO
import FlashTestSupport
import Glibc
import Testing

struct ReadLoadTests {
  private static var methods: [ReadLoad.Method] {
    ReadLoad.Method.allCases.filter { $0 != .uring || UringReadEngine.probe() == nil }
  }

  @Test(arguments: methods)
  func everyListedPlaceIsReadOnce(method: ReadLoad.Method) throws {
    let fixture = try Fixture(byteCount: 64 << 10)
    let arena = try DirectArena(byteCount: 16 << 10)
    let places = (0..<16).map { $0 * 4096 }
    let load = ReadLoad(
      method: method, places: .listed(places), byteCount: 4096, depth: 3, duration: .seconds(60))
    let result = try load.run(file: fixture.file, arena: arena)
    #expect(result.samples.count == 16)
    #expect(result.byteCount == 4096)
    #expect(result.samples.allSatisfy { $0.latency >= 0 && $0.completion <= result.nanoseconds })
    #expect(result.readsPerSecond > 0 && result.bytesPerSecond == result.readsPerSecond * 4096)
  }

  @Test(.enabled(if: UringReadEngine.probe() == nil), arguments: [false, true], [1, 5, 8])
  func everyPlaceIsReadOnceHoweverReadsAreHandedOver(isInBatches: Bool, depth: Int) throws {
    let fixture = try Fixture(byteCount: 64 << 10)
    let arena = try DirectArena(byteCount: 64 << 10)
    var load = ReadLoad(
      method: .uring, places: .listed((0..<16).map { $0 * 4096 }), byteCount: 4096, depth: depth,
      duration: .seconds(60))
    load.isInBatches = isInBatches
    let result = try load.run(file: fixture.file, arena: arena)
    #expect(result.samples.count == 16)
    #expect((1...depth).contains(ReadLoad.submissionCount(depth: depth)))
  }

  @Test(arguments: methods)
  func bytesGoToTheArenaAndTimeEndsTheLoad(method: ReadLoad.Method) throws {
    let fixture = try Fixture(byteCount: 8192)
    let arena = try DirectArena(byteCount: 8192)
    for places in [ReadLoad.Places.random(seed: 1), .sequential(from: 4096)] {
      let load = ReadLoad(
        method: method, places: places, byteCount: 8192, depth: 1, duration: .zero)
      let result = try load.run(file: fixture.file, arena: arena)
      #expect(!result.samples.isEmpty)
    }
    if method != .mmap { #expect(unsafe arena.bytes.elementsEqual(fixture.content.bytes)) }
  }

  @Test(arguments: methods)
  func aCancelledLoadReadsNothing(method: ReadLoad.Method) throws {
    let fixture = try Fixture(byteCount: 8192)
    let arena = try DirectArena(byteCount: 8192)
    let load = ReadLoad(
      method: method, places: .random(seed: 1), byteCount: 4096, depth: 4, duration: .seconds(60))
    let result = try load.run(file: fixture.file, arena: arena, isCancelled: { true })
    #expect(result.samples.isEmpty)
  }

  @Test(arguments: methods.filter { $0 != .mmap })
  func aFailedReadNamesFileAndPlace(method: ReadLoad.Method) throws {
    let fixture = try Fixture(byteCount: 64 << 10)
    let arena = try DirectArena(byteCount: 8192)
    unsafe #expect(truncate(fixture.content.path, 4096) == 0)
    let load = ReadLoad(
      method: method, places: .listed([8192]), byteCount: 4096, depth: 1, duration: .seconds(60))
    do {
      _ = try load.run(file: fixture.file, arena: arena)
      Issue.record("a read behind the end of the file was finished")
    } catch {
      #expect(error.path == fixture.content.path)
      #expect(error.extent == FileExtent(offset: 8192, byteCount: 4096))
    }
  }
}

struct StorageFactsTests {
  private static let mounts = """
    22 27 0:21 / /proc rw,relatime - proc proc rw
    27 1 259:2 / / rw,relatime - ext4 /dev/nvme0n1p2 rw,discard
    28 27 0:30 / /mnt/my\\040disk ro,relatime shared:1 - tmpfs none rw,size=4k
    29 27 8:0 / /mnt/big rw - xfs /dev/sda rw

    """
  private static let disk = "sys/dev/block/8:0"

  @Test func aPartitionIsDescribedByItsDisk() throws {
    let folder = FixtureFolder([
      "proc/self/mountinfo": Self.mounts,
      "sys/dev/block/259:2/partition": "2\n",
      "sys/dev/block/259:2/size": "2000\n",
      "sys/dev/block/259:2/uevent": "MAJOR=259\nDEVNAME=nvme0n1p2\n",
      "sys/dev/block/device/model": "Samsung SSD 990 PRO   \n",
      "sys/dev/block/queue/rotational": "0\n",
      "sys/dev/block/queue/logical_block_size": "4096\n",
      "sys/dev/block/queue/scheduler": "[none] mq-deadline\n",
    ])
    let facts = try #require(StorageFacts(path: "/home/me", root: folder.path))
    #expect(
      facts.device
        == DeviceIdentity(
          number: "259:2", name: "nvme0n1p2", model: "Samsung SSD 990 PRO", byteCount: 1_024_000,
          fileSystem: "ext4"))
    #expect(facts.isRotational == false && facts.logicalSector == 4096)
    #expect(facts.scheduler == "none" && !facts.isReadOnly && !facts.isInMemory)
    #expect(facts.device.text == "nvme0n1p2 (Samsung SSD 990 PRO, ext4)")
  }

  @Test func theLongestMountPointHoldsAPath() throws {
    let folder = FixtureFolder([
      "proc/self/mountinfo": Self.mounts, "\(Self.disk)/size": "16\n",
      "\(Self.disk)/loop/backing_file": "/images/a.img\n",
    ])
    let memory = try #require(StorageFacts(path: "/mnt/my disk/x", root: folder.path))
    #expect(memory.isInMemory && memory.isReadOnly && memory.mountPoint == "/mnt/my disk")
    let disk = try #require(StorageFacts(path: "/mnt/big", root: folder.path))
    #expect(disk.device.number == "8:0" && disk.device.model == "loop over /images/a.img")
    #expect(disk.device.name == "/dev/sda")
    #expect(StorageFacts(path: "/mnt/bigger", root: folder.path)?.mountPoint == "/")
  }

  @Test func withoutProcNothingIsKnown() {
    let folder = FixtureFolder(["a": ""])
    #expect(StorageFacts(path: "/", root: folder.path) == nil)
    #expect(StorageFacts(path: "/nowhere/at/all") == nil)
    #expect(StorageFacts(path: "/")?.mountPoint == "/")
  }
}
