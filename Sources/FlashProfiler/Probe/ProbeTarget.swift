package import FlashIO
internal import FlashWeights
internal import Glibc

/// What a probe reads: a file made in a folder, a file that is there, or a store's neurons.
package struct ProbeTarget: Sendable {
  package enum Kind: String, Sendable {
    case made, file, store
  }

  package var kind: Kind
  /// As it was named.
  package var path: String
  package var file: FlashFile
  /// The file that was made, so that it lives as long.
  package var made: ProbeFile?
  /// Of a store, the size in which neurons that fire are read.
  package var storeReadByteCount: Int?
  package var remarks: [String] = []

  /// Less is not measured.
  package static let leastByteCount = 4 << 20
  /// What is left free on a file system when a file is made there.
  private static let reserve = 64 << 20

  /// Finds what is to be read at a path; a file that is made is empty until `prepare`.
  ///
  /// A folder that takes no file is measured on the largest file that lies in it.
  ///
  /// - Parameter byteCount: of a file that is made.
  /// - Throws: `ProbeError`, and what opening a file or a store throws.
  package init(path: String, byteCount: Int, direct: DirectMode) throws {
    self.path = path
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw ProbeError.missing(path: path) }
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      if case .store = ModelPath.kind(of: path) {
        kind = .store
        let store = try WeightStore.open(path)
        let name = store.widestFile
        file = try FlashFile(path: name, direct: direct)
        storeReadByteCount = store.readByteCount(unit: file.unit)
      } else {
        let place = try Self.place(in: path, byteCount: byteCount, device: status.st_dev)
        (kind, made) = (place.made == nil ? .file : .made, place.made)
        remarks += place.remarks
        file = try Self.opened(place.path, direct: direct, name: path)
      }
    case S_IFREG:
      kind = .file
      file = try FlashFile(path: path, direct: direct)
    default: throw ProbeError.noFile(path: path)
    }
    guard file.byteCount >= Self.leastByteCount else {
      throw ProbeError.tooSmall(path: path, byteCount: file.byteCount)
    }
    if case .file = kind, unsafe stat(file.path, &status) == 0,
      status.st_blocks * 512 < file.byteCount / 10 * 9
    {
      let part = 1 - Double(status.st_blocks * 512) / Double(file.byteCount)
      remarks.append("\(Quantity.percent(part)) of the file are holes, which no device reads")
    }
    if let reason = file.fallbackReason {
      remarks.append("reads go through the page cache: \(reason)")
    }
  }

  /// Writes the file where one is made.
  ///
  /// - Throws: `ProbeError`.
  package func prepare(
    isCancelled: () -> Bool, progress: (Int, Int) -> Void
  ) throws(ProbeError) {
    guard let made else { return }
    try made.fill(isCancelled: isCancelled) { progress($0, made.byteCount) }
  }

  /// `a file of 4 GiB made in /mnt`.
  package var text: String {
    let size = Quantity.bytes(file.byteCount)
    return switch kind {
    case .made: "a file of \(size) made in \(path)"
    case .file, .store: "\(file.path), \(size)"
    }
  }

  /// Where a folder is measured: in a file that is made there, else in the largest that is there.
  private struct Place {
    var path: String
    var made: ProbeFile?
    var remarks: [String]
  }

  private static func place(
    in folder: String, byteCount: Int, device: dev_t
  ) throws(ProbeError) -> Place {
    guard byteCount >= leastByteCount else { throw .sizeTooSmall(byteCount: byteCount) }
    do throws(ProbeError) {
      let room = try room(in: folder, wanted: byteCount)
      let made = try ProbeFile(in: folder, byteCount: room)
      let remark =
        "\(folder) has no room for \(Quantity.bytes(byteCount)): measured on "
        + Quantity.bytes(room)
      return Place(path: made.path, made: made, remarks: room < byteCount ? [remark] : [])
    } catch {
      let found = FolderSearch.largestFile(in: folder, device: device)
      guard let found, found.byteCount >= leastByteCount else { throw error }
      return Place(
        path: found.path, made: nil,
        remarks: ["\(error); \(found.path) is measured, which is there"])
    }
  }

  /// A file that was made has no name of its own for messages.
  private static func opened(
    _ path: String, direct: DirectMode, name: String
  ) throws(FileFailure) -> FlashFile {
    do throws(FileFailure) {
      return try FlashFile(path: path, direct: direct)
    } catch {
      throw path.hasPrefix("/proc/") ? FileFailure(path: name, kind: error.kind) : error
    }
  }

  /// How large a file may be: what is wanted, or three quarters of what is free; where files are
  /// memory, a quarter of what is free of that.
  private static func room(in folder: String, wanted: Int) throws(ProbeError) -> Int {
    var status = statvfs()
    guard unsafe statvfs(folder, &status) == 0 else {
      throw .noPlace(folder: folder, reason: Errno.text(errno))
    }
    // Some count no blocks: there only writing shows how much goes in.
    var free = status.f_blocks == 0 ? Int.max / 4 : Int(status.f_bavail) * Int(status.f_frsize)
    if StorageFacts(path: folder)?.isInMemory == true {
      free = min(free, (MemoryLimits()?.trulyFree ?? 0) / 4)
    }
    if wanted <= free - reserve { return wanted }
    let room = min(wanted, free / 4 * 3) / 4096 * 4096
    guard room >= leastByteCount else { throw .full(folder: folder, freeByteCount: free) }
    return room
  }
}

extension WeightStore {
  /// The file that holds most: the neurons, or without them the tensors used whole.
  fileprivate var widestFile: String {
    manifest.bundles.contains { $0.extent.byteCount >= ProbeTarget.leastByteCount }
      ? bundlesPath : densePath
  }

  /// Bytes that one neuron's read brings, or for a store without neurons nil.
  fileprivate func readByteCount(unit: Int) -> Int? {
    let fronts = manifest.bundles.filter { $0.extent.byteCount > 0 }.map(\.frontByteCount)
    return fronts.max().map { max(1, ($0 + unit - 1) / unit) * unit }
  }
}
