internal import FlashKernels
internal import Glibc

/// The small trained model that comes with the program, so that `flashrun` alone writes prose.
struct BundledSample {
  static let name = "novels-13m"
  static let prompt = "It was a dark and stormy night; the rain"

  /// The sample's store, converted at first use.
  ///
  /// - Throws: `Failure` (no such input) when the program's resources are not beside it.
  static func storePath(console: Console) throws -> String {
    guard let checkpoint = checkpointPath else {
      throw Failure(
        .noInput, "the bundled sample is not installed beside this program",
        hints: ["name a model: flashrun -m model.flash -p \"Once\""])
    }
    return try CachedStore(console: console).path(
      ofCheckpoint: checkpoint, type: nil, kind: "bundled sample")
  }

  /// Beside the binary, as SwiftPM builds it, or under `share`, as packages install it.
  private static var checkpointPath: String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/exe", $0.baseAddress!, $0.count)
    }
    guard count > 0 else { return nil }
    let binary = String(decoding: buffer[..<count], as: UTF8.self)
    let folder = binary.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    return ["flashrun_FlashrunCLI.resources", "../share/flashrun"]
      .map { "\(folder)/\($0)/\(name)" }
      .first { FileInput.exists($0 + "/config.json") }
  }
}
