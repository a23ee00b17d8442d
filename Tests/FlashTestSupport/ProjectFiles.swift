import FoundationEssentials

/// Where the files are that tests read.
package enum ProjectFiles {
  /// The package's root folder.
  package static let root = String(
    #filePath.dropLast("/Tests/FlashTestSupport/ProjectFiles.swift".count))
  /// Files copied into the project for its tests.
  package static let fixtures = root + "/Tests/FlashTestSupport/Fixtures"
  /// The bundled sample, a trained model of 12.9 million parameters.
  package static let sample = root + "/Sources/FlashrunCLI/Resources/novels-13m"

  /// A file or folder of the folder `shared` beside the project, nil where that is not there.
  package static func shared(_ path: String) -> String? {
    let found = root + "/../shared/" + path
    return FileManager.default.fileExists(atPath: found) ? found : nil
  }

  /// A folder that is removed when the value goes.
  package final class TemporaryFolder: Sendable {
    package let path: String

    package init(inMemory: Bool = false) throws {
      let memory = "/dev/shm"
      let hasMemory = inMemory && FileManager.default.isWritableFile(atPath: memory)
      let parent = hasMemory ? memory : FileManager.default.temporaryDirectory.path
      path = parent + "/flashrun-tests-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
  }
}
