import FlashIO
import FlashTestSupport
import Glibc
import Testing

struct FlashFileTests {
  @Test func aFileInMemoryIsReadBufferedAndSaysSo() throws {
    let content = TemporaryFile(byteCount: 5000, folder: "/dev/shm")
    let file = try FlashFile(path: content.path)
    #expect(!file.isDirect)
    #expect(file.unit == 1)
    let reason = try #require(file.fallbackReason)
    #expect(reason.contains("memory"))
  }

  @Test func refusedDirectReadingFallsBackOrFailsAsAsked() throws {
    let content = TemporaryFile(byteCount: 5000)
    let file = try FlashFile(path: content.path, direct: .auto, support: .refused)
    #expect(!file.isDirect && file.unit == 1)
    #expect(file.fallbackReason?.contains("EINVAL") == true)
    let failure = try #require(throws: FileFailure.self) {
      try FlashFile(path: content.path, direct: .on, support: .refused)
    }
    #expect(failure.description.contains("O_DIRECT"))
    let off = try FlashFile(path: content.path, direct: .off)
    #expect(!off.isDirect && off.fallbackReason == nil)
  }

  @Test func aFileSystemThatOnlyPretendsIsReadBufferedAndSaysSo() throws {
    let content = TemporaryFile(byteCount: 5000)
    let file = try FlashFile(path: content.path, direct: .auto, support: .pretended)
    #expect(!file.isDirect && file.unit == 1)
    #expect(file.fallbackReason?.contains("reads through the page cache") == true)
    #expect(throws: FileFailure.self) {
      try FlashFile(path: content.path, direct: .on, support: .pretended)
    }
  }

  @Test func aForcedUnitIsTaken() throws {
    let content = TemporaryFile(byteCount: 5000)
    let file = try FlashFile(path: content.path, support: .unit(4096))
    #expect(file.isDirect && file.unit == 4096 && file.memoryAlignment == 4096)
    #expect(
      file.widened(FileExtent(offset: 4000, byteCount: 100))
        == FileExtent(offset: 0, byteCount: 8192))
  }

  @Test func whatCannotBeOpenedIsNamed() throws {
    let missing = try #require(throws: FileFailure.self) {
      try FlashFile(path: "/nowhere/at-all.bin")
    }
    #expect(missing.code == ENOENT)
    #expect(missing.description.contains("/nowhere/at-all.bin"))
    #expect(missing.description.contains("ENOENT"))
    let folder = try #require(throws: FileFailure.self) { try FlashFile(path: "/tmp") }
    #expect(folder.kind == .notRegular)
  }

  @Test func changesUnderAnOpenFileAreNoticed() throws {
    let content = TemporaryFile(byteCount: 5000)
    let file = try FlashFile(path: content.path)
    try file.checkUnchanged()

    unsafe truncate(content.path, 100)
    let truncated = try #require(throws: FileFailure.self) { try file.checkUnchanged() }
    #expect(truncated.description.contains("truncated from 5000 to 100 bytes"))

    let other = TemporaryFile(byteCount: 5000, seed: 2)
    unsafe rename(other.path, content.path)
    let replaced = try #require(throws: FileFailure.self) { try file.checkUnchanged() }
    #expect(replaced.description.contains("replaced"))

    unsafe unlink(content.path)
    let removed = try #require(throws: FileFailure.self) { try file.checkUnchanged() }
    #expect(removed.code == ENOENT)
  }

  @Test(arguments: [1, 2, 4, 512])
  func wideningCoversAndIsSmallest(unit: Int) {
    for offset in 0..<10 {
      for count in 0..<10 {
        let extent = FileExtent(offset: offset, byteCount: count)
        let wide = extent.widened(toUnit: unit)
        #expect(wide.offset % unit == 0 && wide.byteCount % unit == 0)
        #expect((wide.byteCount == 0) == (count == 0))
        if count > 0 {
          #expect(wide.offset <= offset && extent.end <= wide.end)
          #expect(offset - wide.offset < unit && wide.end - extent.end < unit)
        }
      }
    }
  }
}
