import FlashIO
import FlashTestSupport
import Foundation
import Testing

@testable import FlashProfiler

struct SavedProfileTests {
  private static let device = DeviceIdentity(
    number: "259:1", name: "nvme0n1p1", model: "Disk A", byteCount: 1 << 40, fileSystem: "ext4")

  private static func cell(_ byteCount: Int, _ depth: Int, _ rate: Double) -> SavedProfile.Cell {
    SavedProfile.Cell(
      readByteCount: byteCount, queueDepth: depth, readsPerSecond: rate,
      medianNanoseconds: 90_000, p99Nanoseconds: 200_000)
  }

  private static let profile = SavedProfile(
    device: device, measuredAt: "2026-11-21T14:20:00Z", method: "io_uring", isCold: true,
    bandwidth: 2e9, sustainedBandwidth: 1e9,
    cells: [
      cell(4096, 1, 10_000), cell(4096, 16, 96_000), cell(4096, 64, 100_000),
      cell(16384, 1, 8_000), cell(16384, 16, 45_000), cell(16384, 64, 50_000),
    ])

  private func withStore(_ body: (ProfileStore) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "profiles-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(ProfileStore(configurationFolder: folder))
  }

  @Test func aSavedProfileIsFoundAgain() throws {
    try withStore { store in
      #expect(store.profile(of: Self.device) == .none)
      try store.save(Self.profile)
      #expect(store.profile(of: Self.device) == .found(Self.profile))
      #expect(store.path(for: Self.device).hasSuffix("/devices/259-1.json"))
      #expect(try FolderListing.names(store.folder) == ["259-1.json"])
    }
  }

  @Test func aCacheCountsOnlyWhereItHeldWhatWasThereBefore() {
    var profile = Self.profile
    #expect(profile.isUsable)
    profile.isCold = false
    #expect(!profile.isUsable)
    profile.measuredFile = "/models/a.flash/bundles.bin"
    #expect(profile.isUsable)
  }

  @Test func whyAProfileIsNotSavedIsSaidAsTheKernelDoes() throws {
    let store = ProfileStore(configurationFolder: "/proc/self")
    let error = try #require(throws: (any Error).self) { try store.save(Self.profile) }
    #expect(ProfileStore.reason(error).hasPrefix("E"), "\(error)")
    #expect(!ProfileStore.reason(error).contains("Domain"), "\(error)")
  }

  @Test func anotherFileSystemUnderTheNumberIsRefused() throws {
    try withStore { store in
      try store.save(Self.profile)
      var other = Self.device
      other.fileSystem = "xfs"
      let difference = "file system ext4, and here it is xfs"
      #expect(
        store.profile(of: other)
          == .refused("\(store.path(for: other)) was measured on another device: \(difference)"))
    }
  }

  @Test func anotherSizeOrModelIsRefused() throws {
    try withStore { store in
      try store.save(Self.profile)
      var other = Self.device
      other.byteCount = 1 << 39
      guard case .refused(let size) = store.profile(of: other) else {
        Issue.record("the profile of another size was taken")
        return
      }
      #expect(size.hasSuffix("1024 GiB, and here it is 512 GiB"))
      other = Self.device
      other.model = "Disk B"
      guard case .refused(let model) = store.profile(of: other) else {
        Issue.record("the profile of another model was taken")
        return
      }
      #expect(model.hasSuffix("Disk A, and here it is Disk B"))
    }
  }

  @Test(arguments: [
    "", "{}", "not JSON", #"{"formatVersion":2}"#,
  ])
  func aDamagedProfileIsRefused(text: String) throws {
    try withStore { store in
      try store.save(Self.profile)
      try Data(text.utf8).write(to: URL(filePath: store.path(for: Self.device)))
      #expect(
        store.profile(of: Self.device)
          == .refused("\(store.path(for: Self.device)) is no device profile of this version"))
    }
  }

  @Test func numbersThatCannotBeAreRefused() throws {
    try withStore { store in
      var bad = Self.profile
      bad.cells[0].readsPerSecond = 0
      try store.save(bad)
      guard case .refused = store.profile(of: Self.device) else {
        Issue.record("no reads a second were taken")
        return
      }
      bad.cells = []
      try store.save(bad)
      #expect(store.profile(of: Self.device) != .found(bad))
    }
  }

  @Test func ratesBetweenSizesComeFromTheTimeOfARead() {
    let rate = { Self.profile.randomReads(ofByteCount: $0) }
    #expect(rate(4096) == rate(512))
    #expect(rate(4096).perSecond == 100_000 && rate(4096).queueDepth == 16)
    // Half way from 10 µs to 20 µs.
    #expect(abs(rate(10240).perSecond - 1 / 15e-6) < 1e-6)
    #expect(rate(16384).queueDepth == 64)
    #expect(rate(32768).perSecond == 25_000)
    #expect(Self.profile.profile(readByteCount: 4096).mergeGap == 20_000)
  }
}
