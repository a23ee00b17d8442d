/// A model in one GGUF file, or in several named `NAME-00001-of-0000K.gguf`.
package struct GGUFModel: Sendable {
  /// In the order of their numbers; the first has the metadata.
  package let files: [GGUFFile]

  package var metadata: GGUFFile { files[0] }

  /// Opens the file and, where it is the first of several, the others beside it. Throws `gguf`,
  /// and `missingShard` where one is not there.
  package init(path: String) throws(StoreError) {
    let first = try GGUFFile(path: path)
    let count = first.entries["split.count"]?.integer ?? 1
    guard count > 1 else {
      files = [first]
      return
    }
    let number = first.entries["split.no"]?.integer ?? 0
    let (folder, name) = Folder.split(path)
    guard count <= 99_999, number == 0,
      case let suffix = Self.suffix(number: 0, count: count), name.hasSuffix(suffix)
    else {
      throw StoreError(
        .gguf, "is a part of a model; give the first, and keep the names of the parts", file: path,
        expected: "a name like model\(Self.suffix(number: 0, count: min(max(count, 0), 99_999)))",
        found: "\(name), part \(number) of \(count)")
    }
    let stem = name.dropLast(suffix.count)
    var files = [first]
    for number in 1..<count {
      let path = "\(folder)/\(stem)\(Self.suffix(number: number, count: count))"
      guard Folder.exists(path) else {
        throw StoreError(.missingShard, "a part of the model is not there", file: path)
      }
      let file = try GGUFFile(path: path)
      try Self.check(file, is: number, of: count, startedBy: first)
      files.append(file)
    }
    self.files = files
    try checkTensorCount()
  }

  /// Whether a file is the part of a model that its name says.
  private static func check(
    _ file: GGUFFile, is number: Int, of count: Int, startedBy first: GGUFFile
  ) throws(StoreError) {
    let expected = [
      ("split.no", number), ("split.count", count),
      ("split.tensors.count", first.entries["split.tensors.count"]?.integer),
    ]
    for (key, expected) in expected where file.entries[key]?.integer != expected {
      throw StoreError(
        .gguf, "is not the part of the model that its name says", file: file.path, key: key,
        expected: expected.map(String.init) ?? "none",
        found: file.entries[key]?.integer.map(String.init) ?? "none")
    }
  }

  private static func suffix(number: Int, count: Int) -> String {
    func digits(_ number: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return "-\(digits(number + 1))-of-\(digits(count)).gguf"
  }

  private func checkTensorCount() throws(StoreError) {
    var names: [String: String] = [:]
    for file in files {
      for tensor in file.tensors {
        if let other = names.updateValue(file.path, forKey: tensor.name) {
          throw StoreError(
            .gguf, "is in two parts of the model", file: file.path, offset: tensor.offset,
            tensor: tensor.name, found: other)
        }
      }
    }
    if let expected = metadata.entries["split.tensors.count"]?.integer, expected != names.count {
      throw StoreError(
        .gguf, "the parts of the model hold another number of tensors", file: metadata.path,
        key: "split.tensors.count", expected: "\(expected)", found: "\(names.count)")
    }
  }
}
