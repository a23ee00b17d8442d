internal import Crypto
internal import Glibc
internal import Synchronization

/// Called before each change a writer makes on disk, with the number of the change and its name;
/// an error it returns is thrown instead. Tests use it to stop, to fail, or to kill.
package typealias StoreFault = @Sendable (_ step: Int, _ name: String) -> StoreError?

/// Names of the files of a store.
package enum StoreFile {
  package static let manifest = "manifest.json"
  package static let dense = "dense.safetensors"
  package static let bundles = "bundles.bin"
  static let journal = "journal"
}

/// A piece of the store that is finished as one.
enum StoreItem: Hashable, Codable, Sendable {
  /// Index into the plan's tensors.
  case tensor(Int)
  case layer(Int)
}

/// A line of the journal.
struct FinishedItem: Codable, Sendable {
  var item: StoreItem
  var checksum: String
  var digest: String
  var notes: [String]
  var losses: [ConversionLoss]
}

/// The hidden folder `.NAME.partial` beside a store's target, held by a lock while it is in use.
final class StoreWorkplace: Sendable {
  private let target: StoreTarget
  private let overwrite: Bool
  private let lock: File
  private let fault: StoreFault?
  private let stepCount = Atomic(0)
  private let journalEnd = Mutex(0)

  init(target: String, overwrite: Bool, fault: StoreFault?) throws(StoreError) {
    self.target = try StoreTarget(target)
    self.overwrite = overwrite
    self.fault = fault
    try self.target.requireFree(overwrite: overwrite)
    lock = try Self.take(self.target.partialPath)
  }

  var path: String { target.partialPath }

  /// Makes and locks the folder. Another process may remove it between the two: then again.
  private static func take(_ path: String) throws(StoreError) -> File {
    while true {
      try Folder.make(path)
      let folder = try File.folder(path)
      guard try folder.tryLock() else {
        throw StoreError(
          .targetBusy, "another process is writing this store", file: path)
      }
      var there = stat()
      let held = try folder.status()
      if unsafe stat(path, &there) == 0, there.st_ino == held.st_ino { return folder }
    }
  }

  /// Announces a change on disk, so that a test may stop here.
  func step(_ name: String) throws(StoreError) {
    let number = stepCount.add(1, ordering: .relaxed).oldValue
    if let error = fault?(number, name) { throw error }
  }

  /// What an earlier writer of the same work has finished; everything else in the folder is
  /// removed.
  func takeUp(fingerprint: String, plan: StorePlan) throws(StoreError) -> [FinishedItem] {
    let records = try earlierRecords(fingerprint: fingerprint, plan: plan)
    let kept = records == nil ? [] : [StoreFile.dense, StoreFile.bundles, StoreFile.journal]
    for name in try Folder.entries(path) where !kept.contains(name) {
      try step("remove old \(name)")
      try Folder.removeFile(path + "/" + name)
    }
    return records ?? []
  }

  private func earlierRecords(
    fingerprint: String, plan: StorePlan
  ) throws(StoreError) -> [FinishedItem]? {
    let journalPath = path + "/" + StoreFile.journal
    guard Folder.exists(journalPath), Folder.exists(path + "/" + StoreFile.dense),
      Folder.exists(path + "/" + StoreFile.bundles)
    else { return nil }
    let journal = try File.reading(journalPath)
    let text = try journal.bytes(at: 0, byteCount: try journal.byteCount())
    var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard lines.removeFirst().elementsEqual(fingerprint.utf8) else { return nil }
    guard try file(StoreFile.dense).byteCount() == plan.denseByteCount,
      try file(StoreFile.bundles).byteCount() == plan.bundlesByteCount
    else { return nil }
    // The last line may be torn.
    var records: [FinishedItem] = []
    for line in lines {
      if let record = try? JSONText.decode(
        FinishedItem.self, from: Array(line), kind: .manifest, file: journalPath)
      {
        records.append(record)
      }
    }
    return records
  }

  func startJournal(fingerprint: String, records: [FinishedItem]) throws(StoreError) {
    var text = Array(fingerprint.utf8) + [UInt8(ascii: "\n")]
    for record in records { text += JSONText.encode(record) + [UInt8(ascii: "\n")] }
    let journal = try file(StoreFile.journal)
    try step("start the journal")
    try journal.write(text, at: 0)
    try journal.truncate(byteCount: text.count)
    journalEnd.withLock { $0 = text.count }
  }

  func append(_ record: FinishedItem) throws(StoreError) {
    let line = JSONText.encode(record) + [UInt8(ascii: "\n")]
    let journal = try file(StoreFile.journal)
    try step("note \(record.item)")
    let offset = journalEnd.withLock { end in
      defer { end += line.count }
      return end
    }
    try journal.write(line, at: offset)
  }

  /// Refuses where the plan and so many bytes beside it do not fit on the disk, with both numbers.
  func requireSpace(_ plan: StorePlan, besideByteCount: Int) throws(StoreError) {
    var present = 0
    for name in [StoreFile.dense, StoreFile.bundles] where Folder.exists(path + "/" + name) {
      present += Int(try File.reading(path + "/" + name).status().st_blocks) * 512
    }
    try requireSpace(byteCount: plan.byteCount + besideByteCount - present)
  }

  /// Refuses where so many bytes and the small files do not fit on the disk, with both numbers.
  func requireSpace(byteCount: Int) throws(StoreError) {
    let needed = max(0, byteCount + Self.reserveByteCount)
    let free = try Folder.freeByteCount(target.parent)
    guard needed <= free else {
      throw StoreError(
        .diskSpace, "the disk has too little room for the store", file: target.path,
        expected: "\(needed) bytes free", found: "\(free)")
    }
  }

  /// Room for the manifest, the journal and the companions.
  private static let reserveByteCount = 32 << 20

  func file(_ name: String) throws(StoreError) -> File { try File.writing(path + "/" + name) }

  /// Removes every file of the folder.
  func clear() throws(StoreError) {
    for name in try Folder.entries(path) {
      try step("remove old \(name)")
      try Folder.removeFile(path + "/" + name)
    }
  }

  /// Gives a file of another store a second name here, or copies it where that cannot be.
  func link(_ name: String, from folder: String) throws(StoreError) {
    try step("link \(name)")
    if unsafe Glibc.link(folder + "/" + name, path + "/" + name) != 0 {
      try copy(name, from: folder)
    }
  }

  /// Copies a file of another store and flushes it.
  func copy(_ name: String, from folder: String) throws(StoreError) {
    let source = try File.reading(folder + "/" + name)
    let target = try file(name)
    try step("copy \(name)")
    let byteCount = try source.byteCount()
    try target.reserve(byteCount: byteCount)
    let slice = Bytes(count: min(byteCount, 4 << 20))
    for offset in stride(from: 0, to: byteCount, by: 4 << 20) {
      let piece = unsafe UnsafeMutableRawBufferPointer(
        rebasing: slice.buffer[..<min(slice.buffer.count, byteCount - offset)])
      try unsafe source.read(into: piece, at: offset)
      try unsafe target.write(UnsafeRawBufferPointer(piece), at: offset)
    }
    try synchronize(target)
  }

  /// Writes a small file and flushes it.
  func write(_ name: String, bytes: [UInt8]) throws(StoreError) {
    let file = try file(name)
    try step("write \(name)")
    try file.write(bytes, at: 0)
    try file.truncate(byteCount: bytes.count)
    try file.synchronize()
  }

  func synchronize(_ file: borrowing File) throws(StoreError) {
    try step("flush \(file.path)")
    try file.synchronize()
  }

  /// The files that are neither weights nor bookkeeping, with their checksums.
  func companions() throws(StoreError) -> [CompanionFile] {
    let own = [StoreFile.manifest, StoreFile.dense, StoreFile.bundles, StoreFile.journal]
    var files: [CompanionFile] = []
    for name in try Folder.entries(path) where !own.contains(name) {
      let file = try File.reading(path + "/" + name)
      let (byteCount, checksum) = try file.checksum()
      files.append(CompanionFile(name: name, byteCount: byteCount, checksum: checksum))
    }
    return files
  }

  /// Makes the folder the target: one rename, or one exchange with the old store, which is then
  /// removed.
  func publish() throws(StoreError) {
    try step("remove the journal")
    try Folder.removeFile(path + "/" + StoreFile.journal)
    try lock.synchronize()
    try target.requireFree(overwrite: overwrite)
    let parentFolder = try File.folder(target.parent)
    if Folder.exists(target.path) {
      let old = try File.folder(target.path)
      guard try old.tryLock(patiently: true) else {
        throw StoreError(.targetBusy, "another process uses the old store", file: target.path)
      }
      try step("exchange")
      try Folder.exchange(path, target.path)
      try parentFolder.synchronize()
      try step("remove the old store")
      try Folder.remove(path)
    } else {
      try step("rename")
      try Folder.rename(path, target.path)
    }
    try parentFolder.synchronize()
  }

  /// Removes the folder unless the error was an interruption.
  func discard(after error: StoreError) {
    guard error.kind != .interrupted else { return }
    try? Folder.remove(path)
  }
}
