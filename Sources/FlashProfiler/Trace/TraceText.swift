/// Text under construction in memory reserved at `init`: pieces that are known, and numbers.
///
/// Writing a number takes some nanoseconds and allocates nothing; the caller sees to the room.
@safe struct TraceText {
  let capacity: Int
  private(set) var count = 0
  private let start: UnsafeMutablePointer<UInt8>

  init(capacity: Int) {
    self.capacity = capacity
    unsafe start = .allocate(capacity: capacity)
  }

  /// Gives the memory back; the text is then of no more use.
  func deallocate() { unsafe start.deallocate() }

  var free: Int { capacity - count }
  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: start, count: count) }

  mutating func removeAll() { count = 0 }

  mutating func append(_ text: StaticString) {
    unsafe (start + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count += text.utf8CodeUnitCount
  }

  mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
    guard let first = text.baseAddress else { return }
    unsafe (start + count).update(from: first, count: text.count)
    count += text.count
  }

  /// Decimal digits.
  mutating func append(_ number: Int) {
    if number < 0 { append(byte: UInt8(ascii: "-")) }
    append(digits: number.magnitude, atLeast: 1)
  }

  /// Nanoseconds as microseconds with three decimals, which the trace viewers count in.
  mutating func append(microseconds nanoseconds: Int) {
    if nanoseconds < 0 { append(byte: UInt8(ascii: "-")) }
    let (whole, fraction) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
    append(digits: whole, atLeast: 1)
    append(byte: UInt8(ascii: "."))
    append(digits: fraction, atLeast: 3)
  }

  private mutating func append(byte: UInt8) {
    unsafe start[count] = byte
    count += 1
  }

  /// - Parameter least: digits that are written also where they are leading zeros.
  private mutating func append(digits number: UInt, atLeast least: Int) {
    var length = least
    var bound = Self.powers[least]
    while number >= bound, length < 19 {
      length += 1
      bound = Self.powers[length]
    }
    // The largest numbers have a digit more than there are powers of ten.
    if length == 19, number >= 10_000_000_000_000_000_000 { length = 20 }
    var rest = number
    var place = count + length
    while place > count {
      place -= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      unsafe start[place] = UInt8(truncatingIfNeeded: digit) &+ UInt8(ascii: "0")
      rest = quotient
    }
    count += length
  }

  private static let powers: [UInt] = (0...19).map { power in
    (0..<power).reduce(UInt(1)) { product, _ in product * 10 }
  }
}
