import Foundation

/// Files shared beside the package: published vectors and small models. Tests that need them are
/// skipped, and say so, where they are missing.
enum SharedFiles {
  /// The folder that holds Package.swift.
  static let package: String = {
    var url = URL(filePath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url.path(percentEncoded: false).trimmingSuffix("/")
  }()

  static let folder = package + "/../shared"
  static let bundledModel = package + "/Sources/FlashrunCLI/Resources/novels-13m"

  static func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/" + path)
  }

  static func path(_ path: String) -> String { folder + "/" + path }
}

extension String {
  fileprivate func trimmingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
  }
}

/// A folder for one test, removed with it.
final class ScratchFolder {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "flashrun-\(UUID().uuidString)"
    try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  static func / (folder: ScratchFolder, name: String) -> String { folder.path + "/" + name }
}
