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
        kind = .made
        let room = try Self.room(in: path, wanted: byteCount)
        let made = try ProbeFile(in: path, byteCount: room)
        self.made = made
        file = try FlashFile(path: made.path, direct: direct)
        if room < byteCount {
          remarks.append(
            "\(path) has no room for \(Quantity.bytes(byteCount)): measured on "
              + "\(Quantity.bytes(room))")
        }
      }
    case S_IFREG:
      kind = .file
      file = try FlashFile(path: path, direct: direct)
    default: throw ProbeError.noFile(path: path)
    }
    guard file.byteCount >= Self.leastByteCount else {
      throw ProbeError.tooSmall(path: path, byteCount: file.byteCount)
    }
    if kind == .file, status.st_blocks * 512 < file.byteCount / 10 * 9 {
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
    case .file: "\(path), \(size)"
    case .store: "\(file.path), \(size)"
    }
  }

  /// How large a file may be: what is wanted, or three quarters of what is free.
  private static func room(in folder: String, wanted: Int) throws(ProbeError) -> Int {
    var status = statvfs()
    guard unsafe statvfs(folder, &status) == 0 else {
      throw .noPlace(folder: folder, reason: Errno.text(errno))
    }
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    if wanted + reserve <= free { return wanted }
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
