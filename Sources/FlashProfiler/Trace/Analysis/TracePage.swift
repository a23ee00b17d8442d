package import FlashIO

/// `io trace --html`: where the time went, two tokens in full, every token's time, and each layer.
package struct TracePage {
  /// Kinds of work in the order they are told, and their names.
  package static let kindNames: [(kind: TraceSpan.Kind, name: String)] = [
    (.attention, "attention"), (.gateUp, "gate and up"), (.down, "down"),
    (.head, "output head"), (.stall, "stall"), (.lookAhead, "stall, guessing the next layer"),
    (.trace, "writing the trace"), (.predictor, "predictor"),
    (.experts, "experts"),
  ]

  /// A kind has one colour everywhere on the page.
  static func color(of kind: TraceSpan.Kind) -> Int {
    (kindNames.firstIndex { $0.kind == kind } ?? 0) % ReportStyle.seriesColorCount
  }

  private let analysis: TraceAnalysis
  private let path: String
  private let timelines: [TraceTimeline]

  package init(_ analysis: TraceAnalysis, path: String, timelines: [TraceTimeline]) {
    self.analysis = analysis
    self.path = path
    self.timelines = timelines
  }

  private var header: TraceHeader { analysis.header }
  private var isDecode: Bool { analysis.decode.tokens > 0 }
  private var phase: PhaseSummary { isDecode ? analysis.decode : analysis.prompt }

  package var page: ReportPage {
    var sections = [time]
    if !timelines.isEmpty {
      sections.append(
        ReportSection(
          "Token by token",
          summary: "Rows are what the engine's thread did; the hill is the number of reads in "
            + "flight, up to when their completion was seen.",
          parts: timelines.map { TimelineChart(timeline: $0) } + tokenStrips))
    } else {
      sections.append(ReportSection("Token by token", parts: tokenStrips))
    }
    sections.append(layerSection)
    if analysis.latency.count > 0 { sections.append(readSection) }
    let limit = header.plan.limitBytes.map { Quantity.bytes($0) } ?? "none"
    return ReportPage(
      title: "Trace of \(header.model.name)",
      subtitle: "\(path) · \(header.generator) · \(header.run.mode), "
        + "\(header.run.instructionSet), \(header.run.threads) threads · memory limit \(limit) · "
        + "\(header.reads.summary)" + (analysis.isCut ? " · cut off before its end" : ""),
      highlights: highlights, sections: sections)
  }

  private var highlights: [(label: String, value: String)] {
    var figures: [(String, String)] = []
    if phase.duration > 0 {
      let rate = Double(phase.tokens) * 1e9 / Double(phase.duration)
      figures.append((isDecode ? "decode" : "prompt", "\(Quantity.number(rate)) tok/s"))
      figures.append(
        ("of it stall", Quantity.percent(Double(phase.stall) / Double(phase.duration))))
    }
    if phase.tokens > 0 {
      figures.append(("read per token", Quantity.bytes(phase.byteCount / phase.tokens)))
    }
    if let hitRate = phase.hitRate {
      figures.append(("found in memory", Quantity.percent(hitRate)))
    }
    if analysis.latency.count > 0 {
      figures.append(("median read", Self.duration(analysis.latency.nanoseconds(atPercentile: 50))))
      figures.append(
        ("99th percentile", Self.duration(analysis.latency.nanoseconds(atPercentile: 99))))
    }
    return figures
  }

  private var time: ReportSection {
    var parts = Self.kindNames.map { (name: $0.name, value: Double(phase[$0.kind])) }
    // Its colour is free where there is no predictor.
    if phase[.predictor] == 0 { parts.removeLast() }
    let rest = max(0, phase.other - phase[.trace])
    parts.append((name: "everything else", value: Double(rest)))
    let tokens = Double(max(1, phase.tokens))
    return ReportSection(
      "Where the time went",
      summary: "Stall is time in which arithmetic waited for bytes; everything else is choosing "
        + "tokens, finding what fires and copying.",
      parts: [
        ShareBar(
          isDecode ? "A token of decode" : "A token of the prompt",
          parts: parts
        ) { Quantity.duration(nanoseconds: $0 / tokens) }
      ])
  }

  private var tokenStrips: [any ReportPart] {
    let decoded = analysis.forwards.filter { !$0.forward.isPrompt }
    let shown = decoded.isEmpty ? analysis.forwards : decoded
    let what = isDecode ? "token" : "chunk"
    let times = BarStrip(
      isDecode ? "Time of each token" : "Time of each chunk of the prompt",
      x: ChartAxis(what) { Quantity.number($0) },
      y: ChartAxis("ms") { Quantity.number($0) },
      layers: ["arithmetic", "stall", "other"],
      bars: shown.map { chunk in
        let other = max(0, chunk.duration - chunk.arithmetic - chunk.stall)
        return [chunk.arithmetic, chunk.stall, other].map { Double($0) / 1e6 }
      })
    guard analysis.latency.count > 0 else { return [times] }
    let bytes = BarStrip(
      isDecode ? "Read for each token" : "Read for each chunk of the prompt",
      x: ChartAxis(what) { Quantity.number($0) }, y: ChartAxis("MiB") { Quantity.number($0) },
      layers: ["read"], bars: shown.map { [Double($0.byteCount) / 0x1p20] })
    return [times, bytes]
  }

  private var layerSection: ReportSection {
    let tokens = Double(max(1, analysis.forwards.count)) * 1e6
    let layers = analysis.layers
    let times = BarStrip(
      "Time in each layer, per chunk of tokens", x: ChartAxis("layer") { Quantity.number($0) },
      y: ChartAxis("ms") { Quantity.number($0) }, layers: ["arithmetic", "stall", "other"],
      bars: layers.map { layer in
        let other = max(0, layer.duration - layer.arithmetic - layer.stall)
        return [layer.arithmetic, layer.stall, other].map { Double($0) / tokens }
      })
    var parts: [any ReportPart] = [times]
    if analysis.latency.count > 0 {
      parts.append(
        BarStrip(
          "Read for each layer, per chunk of tokens",
          x: ChartAxis("layer") { Quantity.number($0) },
          y: ChartAxis("KiB") { Quantity.number($0) }, layers: ["read"],
          bars: layers.map { [Double($0.byteCount) / tokens * 1e6 / 1024] }))
    }
    parts.append(table)
    return ReportSection("Layer by layer", parts: parts)
  }

  private var table: ReportTable {
    let header = [
      "layer", "reads", "bytes", "p50", "p99", "hits", "stall", "compute", "amplification",
      "overlap",
    ]
    let rows = analysis.layers.enumerated().map { index, layer in
      [
        "\(index)", Quantity.count(Double(layer.readCount)), Quantity.bytes(layer.byteCount),
        layer.readCount > 0 ? Self.duration(layer.latency.nanoseconds(atPercentile: 50)) : "–",
        layer.readCount > 0 ? Self.duration(layer.latency.nanoseconds(atPercentile: 99)) : "–",
        layer.hitRate.map(Quantity.percent) ?? "–", Self.duration(layer.stall),
        Self.duration(layer.arithmetic), layer.readAmplification.map(Quantity.number) ?? "–",
        layer.overlap.map(Quantity.percent) ?? "–",
      ]
    }
    return ReportTable("Every layer", header: header, rows: rows, isWide: true)
  }

  private var readSection: ReportSection {
    let counts = analysis.scale.counts
    let first = counts.firstIndex { $0 > 0 } ?? 0
    let histogram = BarStrip(
      "How long reads took",
      x: ChartAxis("power of two of µs") { place in
        Self.duration(place <= 0 ? 0 : 1_000 << Int(place))
      },
      y: ChartAxis("reads") { Quantity.count($0) }, layers: ["reads"],
      bars: counts.dropFirst(first).map { [Double($0)] }, start: Double(first))
    let slowest = ReportTable(
      "The slowest reads", header: ["time", "layer", "for", "bytes", "offset", "chunk"],
      rows: analysis.slowest.map { slow in
        [
          Self.duration(slow.read.duration),
          slow.read.label.layer < 0 ? "–" : "\(slow.read.label.layer)",
          "\(slow.read.label.purpose)", Quantity.bytes(slow.read.extent.byteCount),
          "\(slow.read.extent.offset)", slow.forward.map { "\($0)" } ?? "–",
        ]
      })
    return ReportSection(
      "Reads",
      summary: "\(Quantity.count(Double(analysis.latency.count))) reads, each timed from when it "
        + "was put in flight to when its completion was seen: longer than the device took where "
        + "there was arithmetic meanwhile.",
      parts: [histogram, slowest])
  }

  private static func duration(_ nanoseconds: Int) -> String {
    Quantity.duration(nanoseconds: Double(nanoseconds))
  }
}
