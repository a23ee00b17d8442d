/// Layouts that say only how they differ from another: `"like": "llama"`.
extension Layout {
  /// The text with all that it takes from the layout it is like; the text itself where it is like
  /// none.
  ///
  /// - Parameter above: names of the layouts that lead to this one.
  /// - Throws: `layout` where it is like no layout inside the binary, or in a circle like itself.
  static func whole(
    _ text: [UInt8], file: String, above: [String] = []
  ) throws(StoreError) -> [UInt8] {
    guard
      case .object(var change) = try JSONText.decode(
        JSONValue.self, from: text, kind: .layout, file: file),
      let like = change.removeValue(forKey: "like")
    else { return text }
    guard let name = like.string, !above.contains(name),
      let base = BuiltInLayouts.texts.first(where: { $0.name == name })
    else {
      throw StoreError(
        .layout, "is \"like\" no other layout", file: file,
        expected: BuiltInLayouts.texts.map(\.name).filter { !above.contains($0) }
          .joined(separator: ", "),
        found: like.description)
    }
    let baseFile = "layouts/\(name).json"
    let whole = try whole(Array(base.text.utf8), file: baseFile, above: above + [name])
    let json = try JSONText.decode(JSONValue.self, from: whole, kind: .layout, file: baseFile)
    return JSONText.encode(merge(json, .object(change)))
  }

  /// JSON Merge Patch (RFC 7396): members of objects are changed one by one, null removes, and any
  /// other value stands in the old one's place. But the patterns of `tensors` are changed one by
  /// one too, each known by its role and whether it is a bias; one whose name is null is removed.
  private static func merge(_ base: JSONValue, _ change: JSONValue, key: String = "") -> JSONValue {
    switch (base, change) {
    case (.object(var members), .object(let changes)):
      for (key, value) in changes {
        members[key] =
          value == .null ? nil : members[key].map { merge($0, value, key: key) } ?? value
      }
      return .object(members)
    case (.array(let patterns), .array(let changes)) where key == "tensors":
      let kept = patterns.filter { pattern in
        !changes.contains {
          $0[path: "role"] == pattern[path: "role"] && $0[path: "isBias"] == pattern[path: "isBias"]
        }
      }
      return .array(kept + changes.filter { $0.object?["name"] != .null })
    default: return change
    }
  }
}
