/// Finds stop texts in streamed text, also across pieces, and holds back what could begin one.
///
/// The stop text that is complete first wins, the longest of several that end together, however the
/// text was cut into pieces. Works on UTF-8: a stop text begins with a whole character, so what is
/// released never splits one.
package struct StopTextFilter {
  private let stops: [[UInt8]]
  /// The longest end of the text that begins a stop text.
  private var held: [UInt8] = []
  /// The stop text that was found; nothing more is released after it.
  package private(set) var foundStop: String?

  package init(stops: [String]) {
    self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) }.sorted { $0.count > $1.count }
  }

  /// Takes a piece and returns what may be shown now.
  ///
  /// - Complexity: O(piece · stop texts · their length²).
  package mutating func append(_ piece: String) -> String {
    guard foundStop == nil else { return "" }
    guard !stops.isEmpty else { return piece }
    var released: [UInt8] = []
    for byte in piece.utf8 {
      held.append(byte)
      if let stop = stops.first(where: { held.suffix($0.count).elementsEqual($0) }) {
        foundStop = String(decoding: stop, as: UTF8.self)
        released += held.dropLast(stop.count)
        held = []
        break
      }
      let start = held.indices.first { index in stops.contains { $0.starts(with: held[index...]) } }
      released += held[..<(start ?? held.endIndex)]
      held.removeFirst(start ?? held.count)
    }
    return String(decoding: released, as: UTF8.self)
  }

  /// What was held back, once no more text comes.
  package mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
