import FlashKernels
import FlashTestSupport
import Foundation
import Glibc
import Synchronization
import Testing

@testable import FlashWeights

/// All or nothing: whatever happens to a writer, the target is as it was or whole, and the next
/// writer leaves nothing of the first.
struct StoreWriterTests {
  private let folder = ScratchFolder()
  private static let model = TinyModel(
    family: .deci, seed: 9, keyValueHeads: [2, 1], feedForwardWidth: 20)

  init() throws { try Self.model.write(to: folder / "model") }

  private static func convert(
    _ folder: String, format: RowFormat = .q8_0, overwrite: Bool = false, fault: StoreFault? = nil
  ) throws(StoreError) -> StoreManifest {
    try Converter(
      source: folder + "/model", target: folder + "/s.flash",
      options: ConversionOptions(
        formats: StoreFormats(format), overwrite: overwrite, fault: fault)
    ).run()
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  /// The changes on disk a conversion makes.
  private func steps(overwrite: Bool) throws -> [String] {
    let names = Mutex<[String]>([])
    _ = try Self.convert(folder.path, overwrite: overwrite) { _, name in
      names.withLock { $0.append(name) }
      return nil
    }
    return names.withLock { $0 }
  }

  @Test func interruptedAtEveryStepIsTakenUpByTheNextRun() throws {
    let expected = try Self.convert(folder.path)
    try Folder.remove(folder / "s.flash")
    let stepCount = try steps(overwrite: false).count
    #expect(stepCount > 40)
    for stop in 0..<stepCount {
      try Folder.remove(folder / "s.flash")
      let error = #expect(throws: StoreError.self) {
        try Self.convert(folder.path) { step, _ in
          step == stop ? StoreError(.interrupted, "stopped by the test") : nil
        }
      }
      #expect(error?.kind == .interrupted)
      #expect(try names() == [".s.flash.partial", "model"], "step \(stop)")
      let manifest = try Self.convert(folder.path)
      #expect(manifest == expected, "step \(stop)")
      #expect(try names() == ["model", "s.flash"])
      #expect(try WeightStore.open(folder / "s.flash").verify() == [])
    }
  }

  @Test func finishedWorkIsNotDoneAgain() throws {
    let all = try steps(overwrite: false)
    try Folder.remove(folder / "s.flash")
    let last = try #require(all.lastIndex { $0.hasPrefix("write layers.1.bundles") })
    #expect(throws: StoreError.self) {
      try Self.convert(folder.path) { step, _ in
        step == last ? StoreError(.interrupted, "stopped by the test") : nil
      }
    }
    let rest = try steps(overwrite: false)
    let written = rest.filter {
      $0.hasPrefix("write layers.") || $0.hasPrefix("write tokenEmbedding")
    }
    #expect(written == ["write layers.1.bundles"])
  }

  @Test func leftoverWithDamageOrOfOtherWorkIsDoneAgain() throws {
    let stopLate: StoreFault = { _, name in
      name == "write manifest.json" ? StoreError(.interrupted, "stopped by the test") : nil
    }
    #expect(throws: StoreError.self) { try Self.convert(folder.path, fault: stopLate) }
    let path = folder / ".s.flash.partial/bundles.bin"
    var bundles = try Data(contentsOf: URL(filePath: path))
    bundles[5] ^= 1
    try bundles.write(to: URL(filePath: path))
    _ = try Self.convert(folder.path)
    #expect(try WeightStore.open(folder / "s.flash").verify() == [])
    try Folder.remove(folder / "s.flash")
    #expect(throws: StoreError.self) { try Self.convert(folder.path, fault: stopLate) }
    #expect(try Self.convert(folder.path, format: .f16).bundles[0].parts[0].format == .f16)
    #expect(try names() == ["model", "s.flash"])
    #expect(try WeightStore.open(folder / "s.flash").verify() == [])
  }

  @Test func failureAtEveryStepLeavesNothing() throws {
    let stepCount = try steps(overwrite: false).count
    try Folder.remove(folder / "s.flash")
    // The last step is the rename, after which nothing can fail but flushing its folder.
    for stop in 0..<stepCount {
      let error = #expect(throws: StoreError.self) {
        try Self.convert(folder.path) { step, _ in
          step == stop ? StoreError(.diskSpace, "the disk is full") : nil
        }
      }
      #expect(error?.category == .inputOutput)
      #expect(try names() == ["model"], "step \(stop)")
    }
  }

  @Test func overwritingKeepsTheOldStoreUntilTheNewOneIsWhole() throws {
    let old = try Self.convert(folder.path, format: .f16)
    let taken = #expect(throws: StoreError.self) { try Self.convert(folder.path) }
    #expect(taken?.kind == .targetExists && taken?.category == .usage)
    let all = try steps(overwrite: true)
    let exchange = try #require(all.firstIndex(of: "exchange"))
    let new = try WeightStore.open(folder / "s.flash").manifest
    for stop in all.indices {
      _ = try Self.convert(folder.path, format: .f16, overwrite: true)
      #expect(throws: StoreError.self) {
        try Self.convert(folder.path, overwrite: true) { step, _ in
          step == stop ? StoreError(.interrupted, "stopped by the test") : nil
        }
      }
      let store = try WeightStore.open(folder / "s.flash")
      #expect(store.manifest == (stop > exchange ? new : old), "step \(stop)")
      #expect(store.verify() == [])
      _ = try Self.convert(folder.path, overwrite: true)
      #expect(try names() == ["model", "s.flash"])
    }
  }

  @Test func whatIsNoStoreIsNeverOverwritten() throws {
    try FileManager.default.createDirectory(
      atPath: folder / "s.flash", withIntermediateDirectories: false)
    try Data("mine".utf8).write(to: URL(filePath: folder / "s.flash/letter.txt"))
    let error = #expect(throws: StoreError.self) {
      try Self.convert(folder.path, overwrite: true)
    }
    #expect(error?.kind == .targetExists)
    #expect(FileManager.default.fileExists(atPath: folder / "s.flash/letter.txt"))
  }

  @Test func twoWritersOfOneTargetDoNotMeet() throws {
    let path = folder.path
    let second = Mutex<StoreError?>(nil)
    _ = try Self.convert(path) { step, _ in
      if step == 9 {
        do throws(StoreError) { _ = try Self.convert(path) } catch {
          second.withLock { $0 = error }
        }
      }
      return nil
    }
    #expect(second.withLock { $0?.kind } == .targetBusy)
    #expect(try WeightStore.open(folder / "s.flash").verify() == [])
  }

  @Test func symbolicLinkToAStoreIsFollowed() throws {
    _ = try Self.convert(folder.path, format: .f16)
    try FileManager.default.moveItem(atPath: folder / "s.flash", toPath: folder / "real.flash")
    try FileManager.default.createSymbolicLink(
      atPath: folder / "s.flash", withDestinationPath: "real.flash")
    let manifest = try Self.convert(folder.path, overwrite: true)
    #expect(try names() == ["model", "real.flash", "s.flash"])
    #expect(try WeightStore.open(folder / "real.flash").manifest == manifest)
  }

  @Test func storeLargerThanTheDiskIsRefusedWithBothNumbers() throws {
    var model = Self.model
    model.configuration.vocabularySize = 1 << 24
    model.configuration.width = 1 << 20
    let plan = StorePlan(configuration: model.configuration, formats: StoreFormats(.f32))
    let error = #expect(throws: StoreError.self) {
      try StoreWriter(
        target: folder / "s.flash", plan: plan, fingerprint: "x", overwrite: false)
    }
    #expect(error?.kind == .diskSpace)
    #expect(error?.expected != nil && error?.found != nil)
    #expect(try names() == ["model"])
  }

  @Test func missingParentFolderIsNamed() throws {
    let error = #expect(throws: StoreError.self) {
      try Converter(
        source: folder / "model", target: folder / "no/s.flash",
        options: ConversionOptions(formats: StoreFormats(.f32))
      ).run()
    }
    #expect(error?.kind == .noSuchFile)
  }

  /// Files may grow to 8 KiB only: the kernel refuses, as a full disk does.
  @Test func refusedSpaceLeavesNothing() async throws {
    await #expect(processExitsWith: .success) { [path = folder.path as String] in
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 8192, rlim_max: 8192)
      unsafe precondition(setrlimit(__rlimit_resource_t(1), &limit) == 0)
      do throws(StoreError) {
        _ = try StoreWriterTests.convert(path)
        exit(2)
      } catch {
        exit(error.category == .inputOutput ? 0 : 3)
      }
    }
    #expect(try names() == ["model"])
  }

  @Test(arguments: Array(stride(from: 0, to: 60, by: 6)))
  func killedWriterLeavesTargetAbsentOrWhole(step: Int) async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = folder.path as String, step = step as Int] in
      _ = try? StoreWriterTests.convert(path) { number, _ in
        if number == step { kill(getpid(), SIGKILL) }
        return nil
      }
      // Past the last step the store is whole; die all the same.
      kill(getpid(), SIGKILL)
    }
    if try names().contains("s.flash") {
      #expect(try WeightStore.open(folder / "s.flash").verify() == [])
    } else {
      _ = try Self.convert(folder.path)
    }
    #expect(try names() == ["model", "s.flash"])
  }
}
