/// Finds keys of a JSON text that decoding has dropped; decoders ignore what they do not know, and
/// so a misspelt optional key would silently mean its absence.
enum UnknownKeys {
  /// The first key, in the order of the alphabet, that `text` has and `kept`, the decoded value
  /// encoded again, has not, at any depth; nil where there is none. A key with null counts as
  /// absent.
  ///
  /// `place` leads to the object: `tensors[3]` for example, empty for the whole text.
  static func first(
    in text: JSONValue, butNotIn kept: JSONValue, place: String = ""
  ) -> (key: String, place: String)? {
    switch (text, kept) {
    case (.object(let text), .object(let kept)):
      for (key, value) in text.sorted(by: { $0.key < $1.key }) where value != .null {
        guard let keptValue = kept[key] else { return (key, place) }
        let inner = place.isEmpty ? key : place + "." + key
        if let found = first(in: value, butNotIn: keptValue, place: inner) { return found }
      }
    case (.array(let text), .array(let kept)):
      for (index, pair) in zip(text, kept).enumerated() {
        if let found = first(in: pair.0, butNotIn: pair.1, place: "\(place)[\(index)]") {
          return found
        }
      }
    default: break
    }
    return nil
  }
}
