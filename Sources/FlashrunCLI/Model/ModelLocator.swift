internal import FlashKernels
internal import FlashWeights

/// Finds the store behind what a user named: a store, a checkpoint to convert, or the sample.
struct ModelLocator {
  let console: Console
  /// Whether a checkpoint is converted (`--convert`) instead of refused with the way to do it.
  let converts: Bool

  /// The path of the store that a command works on; with nothing named, the sample's.
  func store(named path: String?) throws -> String {
    guard let path else { return try BundledSample.storePath(console: console) }
    return try store(at: path)
  }

  /// The path of a store.
  ///
  /// - Throws: `Failure`: no such input, or how to convert what was named.
  private func store(at path: String) throws -> String {
    guard FileInput.exists(path) else { throw Self.missing(path) }
    let name = Self.lastComponent(path)
    if !FileInput.isDirectory(path) {
      if case .gguf = ModelPath.kind(of: path) {
        return try converted(
          path, "a GGUF file", to: String(name.dropLast(name.hasSuffix(".gguf") ? 5 : 0)),
          type: "")
      }
      if name.hasSuffix(".safetensors") {
        throw Failure(
          .usage, "\(path) is one file of a checkpoint",
          hints: ["give the folder with its config.json"])
      }
      throw Failure(.badData, "\(path) is neither a store nor a checkpoint")
    }
    if FileInput.exists(path + "/" + StoreFile.manifest) { return path }
    guard FileInput.exists(path + "/config.json") else {
      throw Failure(
        .badData, "\(path) is neither a store (no manifest.json) nor a checkpoint (no config.json)")
    }
    return try converted(path, "a checkpoint", to: name, type: " --type q8_0")
  }

  private func converted(
    _ path: String, _ kind: String, to name: String, type: String
  ) throws -> String {
    guard converts else {
      throw Failure(
        .usage, "\(path) is \(kind), not a store; convert it first:",
        hints: [
          "flashrun convert \(path) \(name).flash\(type)",
          "or let this command do it and keep the store: --convert",
        ])
    }
    return try CachedStore(console: console).path(ofCheckpoint: path, type: nil)
  }

  /// Where a subcommand was misspelt the default command sees a model by that name.
  private static func missing(_ path: String) -> Failure {
    let near = FlashrunCommand.commandNames.first { EditDistance.isNear(path, $0) }
    return Failure(
      .noInput, "no such model: \(path)",
      hints: near.map { ["did you mean 'flashrun \($0)'?"] } ?? [])
  }

  static func lastComponent(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}
