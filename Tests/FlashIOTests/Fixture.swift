import FlashIO
import FlashTestSupport
import Glibc

/// A file, an arena as long as the file in whole units, and requests between the two.
struct Fixture {
  let content: TemporaryFile
  let file: FlashFile
  let arena: DirectArena
  /// What reads are made of: the file's unit, or 512 bytes where it has none.
  let unit: Int

  init(
    byteCount: Int, seed: UInt64 = 1, direct: DirectMode = .auto,
    support: DirectSupport = .asReported, folder: String = TemporaryFile.buildFolder
  ) throws {
    content = TemporaryFile(byteCount: byteCount, seed: seed, folder: folder)
    file = try FlashFile(path: content.path, direct: direct, support: support)
    unit = max(file.unit, 512)
    arena = try DirectArena(byteCount: (byteCount + unit - 1) / unit * unit)
  }

  /// Units in the file; the last one may be torn.
  var unitCount: Int { (content.bytes.count + unit - 1) / unit }

  /// Reads units to the same place in the arena as in the file. Where the file is buffered the last
  /// read ends with the file.
  func request(units: Range<Int>, fileIndex: Int = 0) -> ReadRequest {
    let offset = units.lowerBound * unit
    let end = file.isDirect ? units.upperBound * unit : min(units.upperBound * unit, file.byteCount)
    return unsafe ReadRequest(
      fileIndex: fileIndex, extent: FileExtent(offset: offset, byteCount: end - offset),
      destination: arena.base + offset)
  }

  /// The whole file in reads of one to three units, the last one first.
  func requestsForAll() -> [ReadRequest] {
    var requests: [ReadRequest] = unsafe []
    var start = 0
    while start < unitCount {
      let end = min(start + 1 + start % 3, unitCount)
      unsafe requests.append(request(units: start..<end))
      start = end
    }
    return unsafe requests.reversed()
  }

  func clear() {
    unsafe memset(arena.base, 0, arena.byteCount)
  }

  /// Whether nothing was written since `clear`.
  var isClear: Bool {
    unsafe memcmp(arena.base, arena.base + 1, arena.byteCount - 1) == 0 && arena.bytes[0] == 0
  }

  /// Whether the arena holds the file's bytes at these units.
  func holds(units: Range<Int>) -> Bool {
    let bytes = units.lowerBound * unit..<min(units.upperBound * unit, content.bytes.count)
    return unsafe content.bytes.withUnsafeBytes { expected in
      unsafe memcmp(
        expected.baseAddress! + bytes.lowerBound, arena.base + bytes.lowerBound, bytes.count) == 0
    }
  }

  var holdsAll: Bool { holds(units: 0..<unitCount) }
}
