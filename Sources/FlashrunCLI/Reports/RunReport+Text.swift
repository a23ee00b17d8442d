/// The footer: five lines on standard error after every run, and one more with the price of a mode
/// that has one.
extension RunReport {
  package var text: String {
    var lines = [headline]
    if let certificate { lines.append(certificate.line) }
    lines.append(phaseLine("prompt", prompt))
    if decode.tokens > 0 { lines.append(phaseLine("decode", decode) + percentiles) }
    lines += [flashLine, memoryLine]
    return lines.joined(separator: "\n")
  }

  private var headline: String {
    var parts = ["flashrun: \(engine)"]
    if let memoryLimit { parts.append("limit \(Units.bytes(memoryLimit))") }
    parts.append("plan \(Units.bytes(plannedBytes))")
    parts.append(mode)
    parts.append("\(instructionSet), \(threads) thread\(threads == 1 ? "" : "s")")
    if isSynthetic { parts.append("synthetic weights") }
    return parts.joined(separator: " · ")
  }

  /// `decode  128 tok  41.30 s    3.10 tok/s`, the points of the rates one under another.
  private func phaseLine(_ name: String, _ phase: Phase) -> String {
    let rate = Units.threeDigits(phase.tokensPerSecond)
    let whole = rate.prefix { $0 != "." }
    return name + Units.padded(String(phase.tokens), to: 5) + " tok"
      + Units.padded(Units.fixed(phase.seconds, decimals: 2), to: 7) + " s"
      + Units.padded(String(whole), to: 5) + rate.dropFirst(whole.count) + " tok/s"
  }

  private var percentiles: String {
    let named = [("p50", 50.0), ("p95", 95), ("max", 100)].compactMap { name, percentile in
      milliseconds(percentile: percentile).map { "\(name) \(Units.threeDigits($0)) ms" }
    }
    return named.isEmpty ? "" : "   " + named.joined(separator: "  ")
  }

  private var flashLine: String {
    let phase = shown
    var details = [String]()
    if phase.tokens > 0 {
      details.append("\(Units.bytes(phase.flashBytes / phase.tokens))/token")
    }
    if phase.seconds > 0 {
      details.append("\(Units.bytes(Int(Double(phase.flashBytes) / phase.seconds)))/s")
    }
    if let writtenBytes { details.append("\(Units.bytes(writtenBytes)) written") }
    var parts = [
      "flash   \(Units.bytes(phase.flashBytes)) read (\(details.joined(separator: ", ")))"
    ]
    if let hitRate = phase.hitRate {
      parts.append("hit \(Units.fixed(hitRate * 100, decimals: 1))%")
    }
    if phase.seconds > 0 {
      func percent(_ seconds: Double) -> Int { Int((seconds / phase.seconds * 100).rounded()) }
      let (stall, compute) = (percent(phase.stallSeconds), percent(phase.arithmeticSeconds))
      let lookAhead =
        phase.lookAheadSeconds > 0 ? " (look-ahead \(percent(phase.lookAheadSeconds))%)" : ""
      parts.append("stall \(stall)%" + lookAhead)
      parts += ["compute \(compute)%", "other \(max(0, 100 - stall - compute))%"]
    }
    if let overlap = phase.overlap { parts.append("overlap \(Units.fixed(overlap, decimals: 2))") }
    return parts.joined(separator: " · ")
  }

  /// All numbers in the peak's unit; the limit's own is named where it is another.
  private var memoryLine: String {
    let (unit, name) = Units.scale(for: peakBytes ?? plannedBytes)
    func scaled(_ byteCount: Int) -> String { Units.threeDigits(Double(byteCount) / unit) }
    var line = "memory  peak \(peakBytes.map(scaled) ?? "unknown")"
    if let memoryLimit {
      let hasSameUnit = Units.scale(for: memoryLimit).name == name
      line +=
        hasSameUnit
        ? " of \(scaled(memoryLimit)) \(name)"
        : " \(name) of \(Units.bytes(memoryLimit))"
    } else {
      line += " \(name)"
    }
    let parts = memory.filter { $0.byteCount > 0 }.map { "\($0.name) \(scaled($0.byteCount))" }
    if !parts.isEmpty { line += " (\(parts.joined(separator: ", ")))" }
    return line + " · \(majorFaults) major fault\(majorFaults == 1 ? "" : "s")"
  }
}
