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
    if number < 0 {
      unsafe start[count] = UInt8(ascii: "-")
      count += 1
    }
    var rest = number.magnitude
    var digits = 1
    var bound: UInt = 10
    while rest >= bound {
      digits += 1
      let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
      if overflow { break }
      bound = next
    }
    for place in stride(from: count + digits - 1, through: count, by: -1) {
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      unsafe start[place] = UInt8(truncatingIfNeeded: digit) + UInt8(ascii: "0")
      rest = quotient
    }
    count += digits
  }

  /// Nanoseconds as microseconds with three decimals, which the trace viewers count in.
  mutating func append(microseconds nanoseconds: Int) {
    if nanoseconds < 0 { append("-") }
    let magnitude = Int(nanoseconds.magnitude)
    append(magnitude / 1000)
    var rest = magnitude % 1000
    unsafe start[count] = UInt8(ascii: ".")
    for place in stride(from: 3, to: 0, by: -1) {
      unsafe start[count + place] = UInt8(rest % 10) + UInt8(ascii: "0")
      rest /= 10
    }
    count += 4
  }
}
