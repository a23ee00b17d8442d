/// What lies at a path that was given as a model, told by names and first bytes.
package enum ModelPath: Sendable {
  /// A folder with a store's manifest.
  case store
  /// A folder with `config.json`, to be converted.
  case checkpoint
  /// A file that is GGUF by its first bytes or by its name.
  case gguf
  case missing
  case other

  package static func kind(of path: String) -> ModelPath {
    guard Folder.exists(path) else { return .missing }
    if Folder.exists(path + "/" + StoreFile.manifest) { return .store }
    if Folder.exists(path + "/config.json") { return .checkpoint }
    let start = try? File.reading(path).bytes(at: 0, byteCount: 4)
    let isGGUF = start == Array("GGUF".utf8) || start == Array("PWRI".utf8)
    return isGGUF || start != nil && path.hasSuffix(".gguf") ? .gguf : .other
  }
}
