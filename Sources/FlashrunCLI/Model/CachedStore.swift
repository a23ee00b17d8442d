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
  ///   - source: a checkpoint folder or a GGUF file.
  ///   - type: nil keeps the source's own types, so that nothing is lost.
  ///   - kind: what a notice calls it.
  /// - Throws: `Failure` where the folder cannot be made, and what `Converter` throws.
  func path(
    ofCheckpoint source: String, type: RowFormat?, kind: String = "checkpoint"
  ) throws -> String {
    let formats = type.map { StoreFormats($0) } ?? StoreFormats()
    let converter = try Converter(
      readingOnly: source, options: ConversionOptions(formats: formats))
    let name = ModelLocator.lastComponent(source)
    let folder = Environment.cacheFolder
    try Self.makeFolders(folder)
    let typeName = type?.rawValue ?? "own"
    let target = "\(folder)/\(name)-\(typeName)-\(try Self.key(converter.source)).flash"
    if Self.isWhole(target) { return target }
    let lock = try FileLock(target + ".lock")
    defer { lock.release() }
    if Self.isWhole(target) { return target }
    console.notice("first use: converting the \(kind) \(name) to \(target)")
    try ConversionRun(
      source: source, target: target, formats: formats, layout: nil, overwrite: true,
      console: console
    ).run()
    return target
  }

  /// Whether a store of this version is there; what an older program left is made anew.
  private static func isWhole(_ target: String) -> Bool {
    FileInput.exists(target) && (try? WeightStore.open(target)) != nil
  }

  /// FNV-1a (64 bits) over what tells one checkpoint from another.
  private static func key(_ source: any ModelSource) throws(Failure) -> String {
    var text = source.digest
    for file in source.files {
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
