internal import FoundationEssentials

/// Finds a key that an object of a JSON text holds twice; decoders keep one of the two silently,
/// and not all the same one.
enum DuplicateKeys {
  /// The first repeated key and its byte offset, at any depth; nil where there is none.
  ///
  /// `text` must already have been accepted by a JSON decoder. Cost: one pass, and the keys of the
  /// objects that are open.
  static func first(in text: [UInt8]) -> (key: String, offset: Int)? {
    // One entry per open container: the keys seen, or nil for an array.
    var open: [Set<String>?] = []
    var expectsKey = false
    var index = 0
    while index < text.count {
      switch text[index] {
      case UInt8(ascii: "{"):
        open.append([])
        expectsKey = true
      case UInt8(ascii: "["):
        open.append(nil)
        expectsKey = false
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        _ = open.popLast()
        expectsKey = false
      case UInt8(ascii: ","):
        expectsKey = open.last.map { $0 != nil } ?? false
      case UInt8(ascii: "\""):
        let start = index
        index = endOfString(in: text, from: start)
        if expectsKey, !open.isEmpty {
          let key = unescaped(text[start..<min(index + 1, text.count)])
          if open[open.count - 1]?.insert(key).inserted == false { return (key, start) }
          expectsKey = false
        }
      default: break
      }
      index += 1
    }
    return nil
  }

  /// The index of the quote that closes the string opened at `start`.
  private static func endOfString(in text: [UInt8], from start: Int) -> Int {
    var index = start + 1
    while index < text.count, text[index] != UInt8(ascii: "\"") {
      index += text[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    return index
  }

  /// A string token without its quotes; two spellings of one key are the same key.
  private static func unescaped(_ token: ArraySlice<UInt8>) -> String {
    if token.contains(UInt8(ascii: "\\")),
      let key = try? JSONDecoder().decode(String.self, from: Data(token))
    {
      return key
    }
    return String(decoding: token.dropFirst().dropLast(), as: UTF8.self)
  }
}
