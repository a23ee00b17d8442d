/// The fields of one event, found where they lie in its text; nothing is copied.
struct TraceFields {
  typealias Fault = TraceEventParser.Fault

  let bytes: [UInt8]
  /// `ph`'s letter; 0 where there is none.
  private(set) var phase: UInt8 = 0
  /// The args, from brace to brace.
  private(set) var arguments: Range<Int>?
  private let whole: Range<Int>

  /// - Parameter range: from brace to brace.
  init(_ bytes: [UInt8], _ range: Range<Int>) throws(Fault) {
    self.bytes = bytes
    whole = range
    if let range = find("ph"), range.count == 3 { phase = bytes[range.lowerBound + 1] }
    if let range = find("args"), bytes[range.lowerBound] == UInt8(ascii: "{") { arguments = range }
  }

  /// Whether the event has this name.
  func isNamed(_ name: StaticString) -> Bool {
    find("name").map { matches($0.lowerBound + 1..<$0.upperBound - 1, name) } ?? false
  }

  func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<range.count
    where unsafe bytes[range.lowerBound + index] != text.utf8Start[index] {
      return false
    }
    return true
  }

  func integer(_ name: StaticString) throws(Fault) -> Int {
    guard let range = find(name), let value = number(range) else {
      throw .what("an event lacks the number \"\(name)\"")
    }
    return value
  }

  /// A time in nanoseconds, written as microseconds.
  func time(_ name: StaticString) throws(Fault) -> Int {
    guard let range = find(name), let value = nanoseconds(range) else {
      throw .what("an event lacks the time \"\(name)\"")
    }
    return value
  }

  func argument(_ name: StaticString) throws(Fault) -> Int {
    guard let arguments, let range = find(name, in: arguments), let value = number(range) else {
      throw .what("an event's args lack the number \"\(name)\"")
    }
    return value
  }

  func hasArgument(_ name: StaticString) -> Bool {
    arguments.map { find(name, in: $0) != nil } ?? false
  }

  /// Where the text of an argument lies, without its quotes.
  func text(ofArgument name: StaticString) throws(Fault) -> Range<Int> {
    guard let arguments, let range = find(name, in: arguments), range.count >= 2,
      bytes[range.lowerBound] == UInt8(ascii: "\"")
    else { throw .what("an event's args lack the text \"\(name)\"") }
    return range.lowerBound + 1..<range.upperBound - 1
  }

  func find(_ name: StaticString) -> Range<Int>? { find(name, in: whole) }

  /// Where the value of a field of an object lies; nil where it has none of the name.
  private func find(_ name: StaticString, in object: Range<Int>) -> Range<Int>? {
    var index = object.lowerBound + 1
    let end = object.upperBound - 1
    while index < end {
      guard bytes[index] == UInt8(ascii: "\"") else {
        index += 1
        continue
      }
      let key = index + 1..<endOfText(index) - 1
      index = key.upperBound + 1
      while index < end, bytes[index] == UInt8(ascii: ":") || isSpace(bytes[index]) { index += 1 }
      guard index < end else { return nil }
      let value = index..<endOfValue(index, limit: end)
      if matches(key, name) { return value }
      index = value.upperBound
    }
    return nil
  }

  private func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\t")
      || byte == UInt8(ascii: "\r")
  }

  /// Behind the quote that ends the text that begins at `start`.
  private func endOfText(_ start: Int) -> Int {
    var index = start + 1
    while index < whole.upperBound, bytes[index] != UInt8(ascii: "\"") {
      index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(index + 1, whole.upperBound)
  }

  private func endOfValue(_ start: Int, limit: Int) -> Int {
    var depth = 0
    var index = start
    while index < limit {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        index = endOfText(index)
        if depth == 0 { return index }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if depth == 0 { return index + 1 }
      case UInt8(ascii: ",") where depth == 0: return index
      default:
        if depth == 0, isSpace(bytes[index]) { return index }
      }
      index += 1
    }
    return limit
  }

  private func number(_ range: Range<Int>) -> Int? {
    var value = 0
    var index = range.lowerBound
    let isNegative = bytes[index] == UInt8(ascii: "-")
    if isNegative { index += 1 }
    guard index < range.upperBound else { return nil }
    while index < range.upperBound {
      guard let digit = digit(index), value < Int.max / 10 - 10 else { return nil }
      value = value * 10 + digit
      index += 1
    }
    return isNegative ? -value : value
  }

  /// Digits with up to three decimals; further ones are dropped.
  private func nanoseconds(_ range: Range<Int>) -> Int? {
    let point = range.first { bytes[$0] == UInt8(ascii: ".") } ?? range.upperBound
    guard let whole = number(range.lowerBound..<point), abs(whole) < Int.max / 1000 else {
      return nil
    }
    var fraction = 0
    for place in 1...3 {
      let index = point + place
      fraction *= 10
      guard index < range.upperBound else { continue }
      guard let digit = digit(index) else { return nil }
      fraction += digit
    }
    let isNegative = bytes[range.lowerBound] == UInt8(ascii: "-")
    return whole * 1000 + (isNegative ? -fraction : fraction)
  }

  private func digit(_ index: Int) -> Int? {
    let digit = Int(bytes[index]) - Int(UInt8(ascii: "0"))
    return (0...9).contains(digit) ? digit : nil
  }
}
