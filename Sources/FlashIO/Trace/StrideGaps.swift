/// Ascending numbers as text: for each the gap to the one before, less one (the first counts from
/// -1), in base 32 with the lowest digit first, as in the variable-length quantities of source
/// maps. A digit is a letter of `A…Za…z0…9+/`; the upper half says that another digit follows.
///
/// Of a layer in which one neuron in twelve fires most gaps are one letter.
package enum StrideGaps {
  private static let alphabet: StaticString =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

  /// Letters that `count` numbers below `limit` take at most.
  package static func capacity(limit: Int) -> Int { 2 * limit + 8 }

  /// Writes the letters of one gap, the difference less one; returns how many.
  static func write(gap: Int, to text: UnsafeMutablePointer<UInt8>) -> Int {
    let letters = unsafe alphabet.utf8Start
    var rest = gap
    var count = 0
    while rest >= 32 {
      unsafe text[count] = letters[rest & 31 | 32]
      rest >>= 5
      count += 1
    }
    unsafe text[count] = letters[rest]
    return count + 1
  }

  /// The numbers of a text; nil where it is none.
  package static func decode(_ text: some Sequence<UInt8>) -> [Int32]? {
    var numbers: [Int32] = []
    var (last, gap, shift) = (-1, 0, 0)
    for letter in text {
      guard let digit = digit(of: letter), shift <= 25 else { return nil }
      gap |= (digit & 31) << shift
      if digit >= 32 {
        shift += 5
        continue
      }
      last += gap + 1
      guard let number = Int32(exactly: last) else { return nil }
      numbers.append(number)
      (gap, shift) = (0, 0)
    }
    return shift == 0 ? numbers : nil
  }

  private static func digit(of letter: UInt8) -> Int? {
    switch letter {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(letter - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(letter - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(letter - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
