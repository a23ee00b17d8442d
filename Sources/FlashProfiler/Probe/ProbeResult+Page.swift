internal import FlashIO
internal import Glibc

/// A probe as a page: heat maps, latency curves, the ways to read, and how reading went on.
extension ProbeResult {
  package var page: ReportPage {
    ReportPage(
      title: "I/O probe of \(environment.storage?.device.name ?? path)",
      subtitle: "\(targetText) · \(measuredAt) · "
        + (directUnit.map { "direct reads in units of \($0) bytes" } ?? "through the page cache"),
      highlights: highlights, sections: sections)
  }

  private var highlights: [(label: String, value: String)] {
    var figures: [(String, String)] = []
    if let ceiling { figures.append(("reads in order", Quantity.bandwidth(ceiling))) }
    if let advice = ProbeAdvice(self) {
      figures.append(
        (
          "random reads of \(Quantity.bytes(advice.readByteCount)) a second",
          Quantity.count(advice.readsPerSecond)
        ))
      figures.append(("merge gap", Quantity.bytes(advice.mergeGap)))
      figures.append(("queue depth", "\(advice.queueDepth)"))
    }
    if let single = sweep.first(where: { $0.depth == 1 }) {
      figures.append(
        (
          "median of one \(Quantity.bytes(single.byteCount)) read",
          Quantity.duration(nanoseconds: Double(single.p(50)))
        ))
    }
    if let coldness {
      figures.append(("checked for caches", coldness.isCold ? "cold" : "not cold"))
    }
    return figures
  }

  private var sections: [ReportSection] {
    var sections: [ReportSection] = []
    if let advice = ProbeAdvice(self) {
      sections.append(
        ReportSection("What follows for a model", parts: [ReportText(advice.sentences)]))
    }
    if let coldness {
      sections.append(
        ReportSection("Is it the device?", parts: [ReportText(coldness.sentences + remarks)]))
    }
    if !sweep.isEmpty {
      sections.append(
        ReportSection(
          "Random reads by size and queue depth",
          summary: "Rows are sizes, columns reads in flight. Each read is timed from when it "
            + "is wanted until it is complete.",
          parts: [
            heatMap("MB/s") { $0.bytesPerSecond / 1e6 },
            heatMap("99th percentile, µs") { Double($0.p(99)) / 1e3 },
            heatMap("Reads a second, thousands") { $0.readsPerSecond / 1e3 },
            heatMap("Median, µs") { Double($0.p(50)) / 1e3 },
          ]))
      sections.append(
        ReportSection("Latency", parts: [latencyByDepth, latencyByPercentile(of: latencySize)]))
    }
    if !store.isEmpty { sections.append(storeSection) }
    sections.append(orderSection)
    if !methods.isEmpty { sections.append(methodsSection) }
    sections.append(
      ReportSection(
        "Environment",
        parts: [
          ReportTable(
            "Host and device", header: ["", "found"],
            rows: environment.lines.map { [$0.label, $0.value] }, textColumns: [1], isWide: true)
        ]))
    return sections
  }

  private func heatMap(_ title: String, value: (ProbeCell) -> Double) -> HeatMap {
    HeatMap(
      title, corner: "size", columns: depths.map { "\($0)" },
      rows: sizes.map { FioJob.size($0).uppercased() },
      values: sizes.map { size in depths.map { depth in cell(size, depth).map(value) } },
      label: Self.cellLabel)
  }

  /// At most four characters: `12.5k` would not fit a telephone.
  @Sendable private static func cellLabel(_ value: Double) -> String {
    if value >= 99_950 { return "\(Int((value / 1000).rounded()))k" }
    if value >= 9_995 { return "\(Quantity.number(value / 1000).prefix(4))k" }
    return value >= 99.95 ? "\(Int(value.rounded()))" : Quantity.number(value)
  }

  private static let time = ChartAxis("latency", scale: .logarithmic(base: 10)) {
    Quantity.duration(nanoseconds: $0)
  }
  private static let depth = ChartAxis("queue depth", scale: .logarithmic(base: 2))

  private var latencyByDepth: LineChart {
    let shown = sizes.count > 4 ? stride(from: 0, to: sizes.count, by: 2).map { sizes[$0] } : sizes
    return LineChart(
      "99th percentile by queue depth", x: Self.depth, y: Self.time,
      series: shown.map { size in
        LineChart.Series(
          Quantity.bytes(size),
          points: depths.compactMap { depth in
            cell(size, depth).map { (Double(depth), Double($0.p(99))) }
          })
      })
  }

  private var latencySize: Int { store.first?.byteCount ?? sizes.first ?? 4096 }

  /// The tail: every curve goes to its slowest read.
  private func latencyByPercentile(of size: Int) -> LineChart {
    let cells = store.isEmpty ? sweep.filter { $0.byteCount == size } : store
    return LineChart(
      "Latency of \(Quantity.bytes(size)) by percentile",
      x: ChartAxis("percentile", scale: .logarithmic(base: 10), range: 2...10_000) { inverse in
        "\(Self.percentile(inverse)) %"
      },
      y: Self.time,
      series: cells.map { cell in
        // From the median on; a percentile beyond the last read is the last read.
        let inverses = ([log10(2)] + (2...16).map { Double($0) / 4 }).map { pow(10, $0) }
          .filter { $0 <= Double(max(2, cell.readCount)) }
        return LineChart.Series(
          "depth \(cell.depth)",
          points: inverses.map { ($0, Double(cell.p(100 - 100 / $0))) })
      })
  }

  /// `99.9` for 1 / (1 - part) = 1000.
  private static func percentile(_ inverse: Double) -> String {
    let text = "\((100 - 100 / inverse) * 1000)"
    return Double(text).map { "\(($0).rounded() / 1000)".droppingZeroFraction } ?? text
  }

  private var storeSection: ReportSection {
    ReportSection(
      "Reads of the store's own size",
      summary: "Neurons that fire are read in this size, wherever they lie.",
      parts: [
        LineChart(
          "Reads a second of \(Quantity.bytes(latencySize))", x: Self.depth,
          y: ChartAxis("reads/s") { Quantity.count($0) },
          series: [
            .init("reads/s", points: store.map { (Double($0.depth), $0.readsPerSecond) })
          ]),
        Self.table("By queue depth", store, isWide: false),
      ])
  }

  private var orderSection: ReportSection {
    var parts: [any ReportPart] = []
    if let burst, !burst.bytesPerSecond.isEmpty {
      let marks = [burst.sustained.map { ChartMark("sustained", at: .y($0 / 1e6)) }]
      parts.append(
        BarStrip(
          "Reads of 1 MiB at depth 32 over time", x: ChartAxis("s"), y: ChartAxis("MB/s"),
          layers: ["read"], bars: burst.bytesPerSecond.map { [$0 / 1e6] }, step: burst.interval,
          marks: marks.compactMap(\.self)))
    }
    if !sequential.isEmpty {
      parts.append(Self.table("Reads of 1 MiB in order", sequential, isWide: false))
    }
    return ReportSection(
      "Reads in order: burst and sustained", summary: burst.map { $0.sentence + "." } ?? "",
      parts: parts)
  }

  private var methodsSection: ReportSection {
    let keys = methods.map { ($0.byteCount, $0.depth) }
    let sizes = Set(keys.map(\.0)).sorted()
    let depths = Set(keys.map(\.1)).sorted()
    let ways = methods.map(\.method).reduce(into: [String]()) {
      if !$0.contains($1.rawValue) { $0.append($1.rawValue) }
    }
    let rows = sizes.flatMap { size in
      depths.map { depth in
        ["\(Quantity.bytes(size)), depth \(depth)"]
          + ways.map { way in
            methods.first {
              $0.method.rawValue == way && $0.byteCount == size && $0.depth == depth
            }
            .map {
              "\(Quantity.number($0.bytesPerSecond / 1e6)) · "
                + Quantity.duration(nanoseconds: Double($0.p(99)))
            } ?? "–"
          }
      }
    }
    return ReportSection(
      "io_uring, pread and mmap",
      summary: "Random reads, MB/s and 99th percentile. pread and mmap have a thread for each read "
        + "in flight; mmap brings in what the kernel's read-ahead adds.",
      parts: [
        ReportTable("MB/s · 99th percentile", header: [""] + ways, rows: rows, isWide: true)
      ])
  }

  private static func table(_ title: String, _ cells: [ProbeCell], isWide: Bool) -> ReportTable {
    ReportTable(
      title, header: ["depth", "MB/s", "reads/s", "p50", "p99", "max"],
      rows: cells.map { cell in
        [
          "\(cell.depth)", Quantity.number(cell.bytesPerSecond / 1e6),
          Quantity.count(cell.readsPerSecond),
          Quantity.duration(nanoseconds: Double(cell.p(50))),
          Quantity.duration(nanoseconds: Double(cell.p(99))),
          Quantity.duration(nanoseconds: Double(cell.latency.maximum)),
        ]
      }, isWide: isWide)
  }
}

extension String {
  fileprivate var droppingZeroFraction: String { hasSuffix(".0") ? String(dropLast(2)) : self }
}
