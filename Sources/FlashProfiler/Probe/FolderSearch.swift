internal import Glibc

/// Looks for a file that is worth measuring.
enum FolderSearch {
  /// Folders inside folders are entered so deep: a store in a folder of stores is found.
  private static let depth = 2
  private static let mostEntries = 10_000

  /// The largest regular file in a folder and the folders in it that may be read and lies on a
  /// device; nil where there is none.
  static func largestFile(in folder: String, device: dev_t) -> (path: String, byteCount: Int)? {
    var found: (path: String, byteCount: Int)?
    var seen = 0
    search(folder, device, depth: depth, &seen, &found)
    return found
  }

  private static func search(
    _ folder: String, _ device: dev_t, depth: Int, _ seen: inout Int,
    _ found: inout (path: String, byteCount: Int)?
  ) {
    guard let stream = unsafe opendir(folder) else { return }
    defer { unsafe closedir(stream) }
    while seen < mostEntries, let entry = unsafe readdir(stream) {
      seen += 1
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name != ".", name != ".." else { continue }
      let path = "\(folder)/\(name)"
      var status = stat()
      guard unsafe lstat(path, &status) == 0, status.st_dev == device else { continue }
      switch status.st_mode & S_IFMT {
      case S_IFDIR where depth > 0: search(path, device, depth: depth - 1, &seen, &found)
      case S_IFREG:
        let byteCount = Int(status.st_size)
        guard byteCount > found?.byteCount ?? 0, unsafe access(path, R_OK) == 0 else { continue }
        found = (path, byteCount)
      default: break
      }
    }
  }
}
