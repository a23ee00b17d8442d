internal import FlashIO
internal import FlashProfiler

/// A probe as text for a terminal: what was found, heat maps of numbers, and what follows.
struct ProbeReport {
  private let result: ProbeResult
  private let hasColor: Bool

  init(_ result: ProbeResult, hasColor: Bool) {
    self.result = result
    self.hasColor = hasColor
  }

  var text: String {
    var parts = [environment, check]
    if !result.sweep.isEmpty {
      parts.append(
        heatMap("random reads, MB/s, by size and queue depth") { $0.bytesPerSecond / 1e6 })
      parts.append(heatMap("99th percentile, µs") { Double($0.p(99)) / 1e3 })
      parts.append(heatMap("reads a second, thousands") { $0.readsPerSecond / 1e3 })
    }
    if let single = result.store.first {
      parts.append(
        table(
          "random reads of the store's own size, \(Quantity.bytes(single.byteCount))", result.store)
      )
    }
    if !result.sequential.isEmpty {
      parts.append(table("reads of 1 MiB in order", result.sequential))
    }
    if let burst = result.burst { parts.append("burst and sustained: " + burst.sentence) }
    if !result.methods.isEmpty { parts.append(methods) }
    if let advice = ProbeAdvice(result) {
      parts.append("what follows:\n" + advice.sentences.map { "- " + $0 }.joined(separator: "\n"))
    }
    return parts.joined(separator: "\n\n")
  }

  private var environment: String {
    let unit = result.directUnit.map { "O_DIRECT in units of \($0) bytes" } ?? "page cache"
    let rows =
      [["measured", result.targetText]] + result.environment.lines.map { [$0.label, $0.value] }
      + [["reads", unit]]
    return TextTable(rows: rows, alignment: []).text
  }

  private var check: String {
    let sentences = result.coldness?.sentences ?? ["caches: not checked"]
    return (sentences + result.remarks).joined(separator: "\n")
  }

  private func heatMap(_ title: String, value: (ProbeCell) -> Double) -> String {
    let rows = result.sizes.map { size in
      result.depths.map { depth in result.cell(size, depth).map(value) }
    }
    let known = rows.joined().compactMap(\.self)
    let range = (known.min() ?? 0)...(known.max() ?? 0)
    var lines = [title, line("size", result.depths.map { cell("\($0)", nil, in: range) })]
    for (size, row) in zip(result.sizes, rows) {
      let cells = row.map { cell($0.map(Quantity.number) ?? "-", $0, in: range) }
      lines.append(line(Quantity.bytes(size), cells))
    }
    return lines.joined(separator: "\n")
  }

  private func line(_ label: String, _ cells: [String]) -> String {
    Units.padded(label, to: 8) + " " + cells.joined()
  }

  /// Eight columns, on a colour from blue to yellow where there are colours.
  private func cell(_ text: String, _ value: Double?, in range: ClosedRange<Double>) -> String {
    let padded = Units.padded(text, to: 7) + " "
    guard hasColor, let value else { return padded }
    let colors = [17, 18, 19, 25, 31, 37, 72, 107, 142, 178, 220]
    let heat = HeatMap.heat(value, in: range, isLogarithmic: true)
    let index = Int((heat * Double(colors.count - 1)).rounded())
    return "\u{1B}[48;5;\(colors[index]);38;5;\(index < 6 ? 255 : 16)m\(padded)\u{1B}[0m"
  }

  private func table(_ title: String, _ cells: [ProbeCell]) -> String {
    let header = ["depth", "MB/s", "reads/s", "p50", "p90", "p99", "p99.9", "max"]
    let rows = cells.map { cell in
      [
        "\(cell.depth)", Quantity.number(cell.bytesPerSecond / 1e6),
        Quantity.count(cell.readsPerSecond),
      ] + [50, 90, 99, 99.9, 100].map { Quantity.duration(nanoseconds: Double(cell.p($0))) }
    }
    let alignment = Array(repeating: TextTable.Alignment.trailing, count: header.count)
    return title + "\n" + TextTable(rows: [header] + rows, alignment: alignment).text
  }

  private var methods: String {
    let cells = result.methods
    let keys = cells.map { [$0.byteCount, $0.depth] }.reduce(into: [[Int]]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    let ways = ReadLoad.Method.allCases.filter { way in cells.contains { $0.method == way } }
    let rows = keys.map { key in
      ["\(Quantity.bytes(key[0])), depth \(key[1])"]
        + ways.map { way in
          cells.first { $0.method == way && $0.byteCount == key[0] && $0.depth == key[1] }
            .map { cell in
              "\(Quantity.number(cell.bytesPerSecond / 1e6)) MB/s, p99 "
                + Quantity.duration(nanoseconds: Double(cell.p(99)))
            } ?? "-"
        }
    }
    let header = ["random reads"] + ways.map(\.rawValue)
    return TextTable(rows: [header] + rows, alignment: []).text
  }
}
