import Foundation

/// What lies in folders and files, for tests that look behind a writer's back.
package enum FolderListing {
  /// Names in a folder, hidden ones too.
  package static func names(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path)
  }

  package static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }
}
