import Glibc

/// A folder with small text files, that goes with the object.
final class FixtureFolder {
  let path: String
  private var folders: [String] = []
  private var files: [String] = []

  /// - Parameter contents: text by path, relative to the folder.
  init(_ contents: [String: String]) {
    path = "\(TemporaryFile.buildFolder)/folder-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    unsafe mkdir(path, 0o755)
    folders.append(path)
    for (name, text) in contents {
      var folder = path
      for part in name.split(separator: "/").dropLast() {
        folder += "/\(part)"
        if unsafe mkdir(folder, 0o755) == 0 { folders.append(folder) }
      }
      TemporaryFile.write(Array(text.utf8), to: "\(path)/\(name)")
      files.append("\(path)/\(name)")
    }
  }

  deinit {
    for file in files { unsafe unlink(file) }
    for folder in folders.reversed() { unsafe rmdir(folder) }
  }
}
