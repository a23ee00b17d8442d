import FlashKernels
import FlashWeights
import Foundation

/// The bundled sample, converted once for all tests of this process.
enum SampleStore {
  /// The checkpoint in the command's resources.
  static let checkpoint = root + "/Sources/FlashrunCLI/Resources/novels-13m"

  /// A store in f32, whose text is the reference's to the last token.
  static let full = Result { try convert(.f32, from: checkpoint, name: "full") }

  /// A store in f32 without a tokenizer.
  static let textless = Result {
    let folder = temporaryFolder + "/textless-checkpoint"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(
        atPath: checkpoint + "/" + name, toPath: folder + "/" + name)
    }
    return try convert(.f32, from: folder, name: "textless")
  }

  static let root = String(#filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 })

  private static let temporaryFolder: String = {
    let path =
      FileManager.default.temporaryDirectory.path
      + "/flashrun-tests-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    removeAtExit(path)
    return path
  }()

  private static func convert(
    _ type: RowFormat, from source: String, name: String
  ) throws -> String {
    let target = "\(temporaryFolder)/\(name).flash"
    _ = try Converter(
      source: source, target: target,
      options: ConversionOptions(formats: StoreFormats(type), threadCount: 2)
    ).run()
    return target
  }
}

private nonisolated(unsafe) var foldersToRemove: [String] = []

private func removeAtExit(_ path: String) {
  unsafe foldersToRemove.append(path)
  atexit {
    for path in unsafe foldersToRemove { try? FileManager.default.removeItem(atPath: path) }
  }
}
