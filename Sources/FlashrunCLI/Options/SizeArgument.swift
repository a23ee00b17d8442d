/// A size as users write it: `2G`, `2GiB`, `2048M`, `1.5g`, plain bytes, `50%`, `auto`.
///
/// G is GiB, in either case; `GB` is read as GiB too. `P%` is of the model's bytes as stored.
package enum SizeArgument: Equatable, Sendable {
  case bytes(Int)
  case percent(Double)
  case automatic

  /// - Throws: `Failure` (usage) with a hint where a bare number is too small to be meant.
  package init(parsing text: String) throws(Failure) {
    let lowercased = text.lowercased()
    guard lowercased != "auto" else {
      self = .automatic
      return
    }
    let number = lowercased.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let suffix = lowercased.dropFirst(number.count).drop { $0 == " " }
    guard let value = Double(number), value.isFinite, number.last != "." else {
      throw Failure(.usage, "'\(text)' is no size; sizes are \(Self.examples)")
    }
    switch suffix {
    case "%":
      guard value > 0 else { throw Failure(.usage, "'\(text)' leaves no memory at all") }
      self = .percent(value)
    case "", "b":
      guard let bytes = Int(number) else {
        throw Failure(.usage, "'\(text)' is no whole number of bytes")
      }
      guard bytes >= 4096 || suffix == "b" else {
        throw Failure(.usage, "\(text) bytes is too small to be meant; did you mean '\(text)G'?")
      }
      self = .bytes(bytes)
    default:
      guard let unit = Self.units[suffix.prefix(1)],
        ["", "b", "ib"].contains(suffix.dropFirst())
      else {
        throw Failure(.usage, "'\(text)' has an unknown unit; sizes are \(Self.examples)")
      }
      guard value * unit < 0x1p62 else { throw Failure(.usage, "'\(text)' is too large") }
      self = .bytes(Int(value * unit))
    }
  }

  private static let examples = "2G, 2GiB, 2048M, 1.5g, bytes, 50% or auto"
  private static let units: [Substring: Double] = [
    "k": 0x1p10, "m": 0x1p20, "g": 0x1p30, "t": 0x1p40,
  ]
}
