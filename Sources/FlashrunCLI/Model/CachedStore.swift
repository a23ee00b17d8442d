internal import FlashIO
internal import FlashKernels
internal import FlashWeights
internal import Flashrun
internal import Glibc

/// Stores that are made at first use and kept under `$XDG_CACHE_HOME/flashrun`.
///
/// The name holds the type and a hash of the source's headers, lengths and times of change, so that
/// another checkpoint gets another store.
/// The converter writes beside the target and renames, and a lock file makes a second process wait
/// for the first, so that both find one whole store.
struct CachedStore {
  let console: Console

  /// - Parameters:
  ///   - type: nil keeps the checkpoint's own type, so that nothing is lost.
  ///   - kind: what a notice calls it.
  /// - Throws: `Failure` where the folder cannot be made, and what `Converter` throws.
  func path(
    ofCheckpoint source: String, type: RowFormat?, kind: String = "checkpoint"
  ) throws -> String {
    let checkpoint = try Checkpoint(folder: source)
    let type = type ?? Self.ownType(checkpoint)
    let name = ModelLocator.lastComponent(source)
    let folder = Environment.cacheFolder
    try Self.makeFolders(folder)
    let target = "\(folder)/\(name)-\(type.rawValue)-\(try Self.key(checkpoint)).flash"
    if Self.isWhole(target) { return target }
    let lock = try FileLock(target + ".lock")
    defer { lock.release() }
    if Self.isWhole(target) { return target }
    console.notice("first use: converting the \(kind) \(name) to \(target) (\(type.rawValue))")
    try ConversionRun(
      source: source, target: target, formats: StoreFormats(type), layout: nil, overwrite: true,
      console: console
    ).run()
    return target
  }

  /// Whether a store of this version is there; what an older program left is made anew.
  private static func isWhole(_ target: String) -> Bool {
    FileInput.exists(target) && (try? WeightStore.open(target)) != nil
  }

  /// FNV-1a (64 bits) over what tells one checkpoint from another.
  private static func key(_ checkpoint: Checkpoint) throws(Failure) -> String {
    var text = checkpoint.digest
    for file in checkpoint.files {
      var information = stat()
      guard unsafe stat(file.path, &information) == 0 else {
        throw FileInput.failure(errno, opening: file.path)
      }
      let time = information.st_mtim
      text += " \(file.byteCount) \(time.tv_sec).\(time.tv_nsec)"
    }
    let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The type of most of the checkpoint's bytes.
  private static func ownType(_ checkpoint: Checkpoint) -> RowFormat {
    var bytes: [RowFormat: Int] = [:]
    for tensor in checkpoint.tensors.values {
      let type: RowFormat =
        switch tensor.entry.type {
        case .f16: .f16
        case .bf16: .bf16
        default: .f32
        }
      bytes[type, default: 0] += tensor.entry.extent.byteCount
    }
    return RowFormat.allCases.max { bytes[$0, default: 0] < bytes[$1, default: 0] } ?? .f32
  }

  private static func makeFolders(_ path: String) throws(Failure) {
    var made = ""
    for name in path.split(separator: "/") {
      made += "/" + name
      guard unsafe mkdir(made, 0o755) != 0, errno != EEXIST else { continue }
      let code = errno
      if FileInput.isDirectory(made) { continue }
      throw Failure(
        .inputOutput, "\(made) cannot be made: \(FileInput.text(of: code))",
        hints: ["XDG_CACHE_HOME says where stores are kept"])
    }
  }
}

/// An advisory lock on a file, held until it is released or the process ends.
private struct FileLock {
  private let descriptor: Int32

  init(_ path: String) throws(Failure) {
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw Failure(.inputOutput, "\(path): \(FileInput.text(of: errno))")
    }
    while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
  }

  func release() { close(descriptor) }
}
