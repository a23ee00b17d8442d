internal import Glibc

/// Folders: what is in them, making, renaming and removing them.
enum Folder {
  /// Names of the entries, sorted, without `.` and `..`.
  static func entries(_ path: String) throws(StoreError) -> [String] {
    guard let folder = unsafe opendir(path) else {
      throw File.failure("cannot be listed", path)
    }
    defer { unsafe _ = closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func exists(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0
  }

  /// The path itself where nothing is there, otherwise where it leads through all symbolic links;
  /// nil for a link that leads nowhere.
  static func resolved(_ path: String) throws(StoreError) -> String? {
    guard exists(path) else { return path }
    guard let resolved = unsafe realpath(path, nil) else {
      if errno == ENOENT { return nil }
      throw File.failure("cannot be resolved", path)
    }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  /// Makes a folder; one that is there already is fine.
  static func make(_ path: String) throws(StoreError) {
    guard unsafe mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw File.failure("cannot be created", path)
    }
  }

  /// Removes a folder and the files in it; a folder inside it is an error, since no store has one.
  static func remove(_ path: String) throws(StoreError) {
    for name in try entries(path) { try removeFile(path + "/" + name) }
    guard unsafe rmdir(path) == 0 || errno == ENOENT else {
      throw File.failure("cannot be removed", path)
    }
  }

  static func removeFile(_ path: String) throws(StoreError) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else {
      throw File.failure("cannot be removed", path)
    }
  }

  static func rename(_ old: String, _ new: String) throws(StoreError) {
    guard unsafe Glibc.rename(old, new) == 0 else {
      throw File.failure("cannot be renamed to \(new)", old)
    }
  }

  /// Exchanges two names in one step, so that no moment is without either.
  static func exchange(_ a: String, _ b: String) throws(StoreError) {
    typealias Call =
      @convention(c) (
        CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt
      ) -> CInt
    // glibc declares renameat2 only for GNU sources, which the module map is not.
    guard let symbol = unsafe dlsym(nil, "renameat2") else {
      throw StoreError(.inputOutput, "the C library cannot exchange two names", file: b)
    }
    let call = unsafe unsafeBitCast(symbol, to: Call.self)
    let exchange: CUnsignedInt = 2
    guard unsafe call(AT_FDCWD, a, AT_FDCWD, b, exchange) == 0 else {
      throw File.failure("cannot be exchanged with \(a); remove the old store first", b)
    }
  }

  /// Bytes that may be written on the file system that holds `path`.
  static func freeByteCount(_ path: String) throws(StoreError) -> Int {
    var status = statvfs()
    guard unsafe statvfs(path, &status) == 0 else { throw File.failure("cannot be examined", path) }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }

  /// The folder that holds `path`, and the last part of its name.
  static func split(_ path: String) -> (parent: String, name: String) {
    var text = Substring(path)
    while text.count > 1, text.hasSuffix("/") { text.removeLast() }
    guard let slash = text.lastIndex(of: "/") else { return (".", String(text)) }
    let parent = text[..<slash]
    return (parent.isEmpty ? "/" : String(parent), String(text[text.index(after: slash)...]))
  }
}
