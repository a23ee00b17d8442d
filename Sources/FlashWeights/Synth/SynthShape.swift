internal import Crypto

/// The shape of a model to be synthesized: a configuration and the layout it was read through.
///
/// Shapes by name are the public `config.json` of the models, read exactly as `convert` would read
/// them (`SynthShape+Named.swift`).
package struct SynthShape: Sendable {
  /// A name of `names`, or the file's name without folders.
  package let name: String
  package let configuration: ModelConfiguration
  package let layout: Layout
  /// Roles that have a bias, in every layer alike.
  let biases: Set<TensorRole>
  /// SHA-256 of the configuration's text, hexadecimal.
  let digest: String

  /// A shape by its name; nil for a name that is not in `names`.
  package init?(named name: String) {
    guard let text = Self.texts[name] else { return nil }
    do {
      try self.init(name: name, text: Array(text.utf8), file: name, layout: nil)
    } catch {
      preconditionFailure("a shape inside the binary is wrong: \(error)")
    }
  }

  /// Reads a `config.json`, through `layout` or the built-in layout that recognizes it.
  ///
  /// Throws as `convert` does: `noSuchFile`, `configuration`, `unsupportedModel`.
  package init(contentsOf path: String, layout: Layout? = nil) throws(StoreError) {
    let file = try File.reading(path)
    let byteCount = try file.byteCount()
    guard byteCount <= SafetensorsHeader.maximumByteCount else {
      throw StoreError(
        .configuration, "is too long", file: path,
        expected: "at most \(SafetensorsHeader.maximumByteCount) bytes", found: "\(byteCount)")
    }
    try self.init(
      name: Folder.split(path).name, text: try file.bytes(at: 0, byteCount: byteCount), file: path,
      layout: layout)
  }

  private init(name: String, text: [UInt8], file: String, layout: Layout?) throws(StoreError) {
    let json = try JSONText.decode(JSONValue.self, from: text, kind: .configuration, file: file)
    let chosen: Layout
    if let layout {
      chosen = layout
    } else {
      chosen = try .recognizing(json, among: Layout.builtIn, file: file)
    }
    self.name = name
    self.layout = chosen
    configuration = try chosen.configuration(from: json, file: file)
    let reader = ConfigurationReader(json: json, file: file)
    biases = Set(
      chosen.tensors.filter { $0.isBias && ($0.when.map(reader.holds) ?? true) }.map(\.role))
    digest = SHA256.hash(data: text).hexadecimal
  }
}
