/// Numbers with their units, for people: three digits, and the unit that keeps them short.
package enum Quantity {
  /// Three digits, but never more than two decimals: `948`, `38.2`, `3.1`, `0.13`.
  package static func number(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    let decimals = abs(value) >= 99.95 ? 0 : abs(value) >= 9.995 ? 1 : 2
    let scale = [1, 10, 100][decimals]
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard scaled % scale > 0 else { return "\(sign)\(scaled / scale)" }
    let fraction = String(scaled % scale + scale).dropFirst()
    return "\(sign)\(scaled / scale).\(fraction)".trimmingTrailingZeros
  }

  /// `4 KiB`, `1.5 GiB`.
  package static func bytes(_ byteCount: Int) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
    for (shift, name) in units where abs(byteCount) >= 1 << shift {
      return "\(number(Double(byteCount) / Double(1 << shift))) \(name)"
    }
    return "\(byteCount) B"
  }

  /// `85 µs`, `1.2 ms`, `3 s`.
  package static func duration(nanoseconds: Double) -> String {
    let units: [(Double, String)] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")]
    for (scale, name) in units where abs(nanoseconds) >= scale * 0.9995 {
      return "\(number(nanoseconds / scale)) \(name)"
    }
    return "\(number(nanoseconds)) ns"
  }

  /// Decimal units, as devices are sold: `948 MB/s`, `2.4 GB/s`.
  package static func bandwidth(_ bytesPerSecond: Double) -> String {
    bytesPerSecond >= 999.5e6
      ? "\(number(bytesPerSecond / 1e9)) GB/s" : "\(number(bytesPerSecond / 1e6)) MB/s"
  }

  /// `96.4 k`, `1.2 M`, `870`.
  package static func count(_ value: Double) -> String {
    if abs(value) >= 999.5e3 { return "\(number(value / 1e6)) M" }
    return abs(value) >= 9_995 ? "\(number(value / 1e3)) k" : number(value.rounded())
  }

  /// `61.2 %` of a part of one.
  package static func percent(_ part: Double) -> String { "\(number(part * 100)) %" }
}

extension String {
  fileprivate var trimmingTrailingZeros: String {
    var text = self[...]
    while text.hasSuffix("0") { text = text.dropLast() }
    return String(text.hasSuffix(".") ? text.dropLast() : text)
  }
}
