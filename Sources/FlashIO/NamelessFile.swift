internal import Glibc

/// Files without a name: whatever ends the process, nothing of them stays.
package enum NamelessFile {
  /// `__O_TMPFILE` of Linux's headers; with O_DIRECTORY it asks for such a file.
  private static let temporary: Int32 = 0o20_000_000

  /// Opens one for reading and writing on the disk that holds `folder`.
  ///
  /// Not every file system makes them: there a name lives for a moment.
  /// - Returns: a descriptor that the caller closes, or -1 with the reason in `errno`.
  package static func open(in folder: String) -> Int32 {
    let unnamed = unsafe Glibc.open(
      folder, O_RDWR | O_CLOEXEC | O_DIRECTORY | temporary, 0o600)
    if unnamed >= 0 { return unnamed }
    let path = "\(folder)/.flashrun-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let named = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if named >= 0 { _ = unsafe unlink(path) }
    return named
  }
}
