/// Numbers for people: three digits are enough to compare, and always the same three.
package enum Units {
  /// A number with a fixed count of decimals, rounded half away from zero.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return value.isNaN ? "nan" : "\(value)" }
    let scale = (0..<decimals).reduce(1.0) { product, _ in product * 10 }
    let scaled = Int((abs(value) * scale).rounded())
    let sign = value < 0 && scaled != 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(scaled) }
    let digits = String(scaled % Int(scale))
    let zeros = String(repeating: "0", count: decimals - digits.count)
    return "\(sign)\(scaled / Int(scale)).\(zeros)\(digits)"
  }

  /// Three digits, but never more than two decimals: 948, 38.2, 3.10, 0.13.
  package static func threeDigits(_ value: Double) -> String {
    // What rounds up to the next digit loses a decimal: 99.96 is 100, not 100.0.
    if abs(value) >= 99.95 { return fixed(value, decimals: 0) }
    return fixed(value, decimals: abs(value) >= 9.995 ? 1 : 2)
  }

  /// The unit that leaves a number of one to four digits before the point: bytes and its name.
  package static func scale(for byteCount: Int) -> (bytes: Double, name: String) {
    switch byteCount {
    case (1 << 30)...: (0x1p30, "GiB")
    case (1 << 20)...: (0x1p20, "MiB")
    case (1 << 10)...: (0x1p10, "KiB")
    default: (1, "B")
    }
  }

  /// `38.2 GiB`, `305 MiB`, `12 B`.
  package static func bytes(_ byteCount: Int) -> String {
    let (bytes, name) = scale(for: byteCount)
    let value = Double(byteCount) / bytes
    return (name == "B" ? String(byteCount) : threeDigits(value)) + " " + name
  }

  /// `7 s`, `3 min 20 s`, `2 h 05 min`.
  package static func duration(seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "unknown" }
    let whole = Int(seconds.rounded())
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<3600: return "\(whole / 60) min \(two(whole % 60)) s"
    default: return "\(whole / 3600) h \(two(whole / 60 % 60)) min"
    }
  }

  /// `text` with spaces before it up to `width`.
  package static func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
