/// The report as an HTML page.
extension ReplayReport {
  package var page: ReportPage {
    let subtitle = recorded.map { run in
      let limit = run.limitBytes.map(Quantity.bytes) ?? "no limit"
      return "\(run.store): \(run.mode), \(run.feedForward), \(limit), "
        + "\(run.tokens) tokens decoded on \(run.threads) thread\(run.threads == 1 ? "" : "s")"
    }
    return ReportPage(
      title: "flashrun io replay", subtitle: subtitle ?? trace, highlights: highlights,
      sections: [speedSection, windowSection, remarkSection].compactMap(\.self))
  }

  private var highlights: [(label: String, value: String)] {
    var figures: [(label: String, value: String)] = []
    if let recorded {
      figures.append(("tok/s recorded", Quantity.number(recorded.tokensPerSecond)))
      if let rate = recorded.hitRate { figures.append(("found in DRAM", Quantity.percent(rate))) }
    }
    if let ceiling {
      figures.append(
        ("tok/s if arithmetic were free", Quantity.number(ceiling.tokensPerSecond)))
      figures.append(("flash while replaying", Quantity.bandwidth(ceiling.bytesPerSecond)))
    }
    return figures
  }

  private var speedSection: ReportSection? {
    var parts: [any ReportPart] = []
    let known = predictions.filter { $0.tokensPerSecond != nil }
    if known.count > 1 {
      var marks: [ChartMark] = []
      if let limit = recorded?.limitBytes {
        marks.append(ChartMark("this run", at: .x(Double(limit) / 0x1p30)))
      }
      parts.append(
        LineChart(
          "Predicted tokens a second by memory limit",
          x: ChartAxis("memory limit, GiB"), y: ChartAxis("tok/s"),
          series: [
            .init(
              "predicted",
              points: known.map { (Double($0.limitBytes) / 0x1p30, $0.tokensPerSecond ?? 0) })
          ], marks: marks))
    }
    if let recorded {
      let other = max(0, 1e3 / recorded.tokensPerSecond - recorded.arithmeticMs - recorded.stallMs)
      parts.append(
        ShareBar(
          "A recorded token's time",
          parts: [
            ("arithmetic", recorded.arithmeticMs), ("waiting for flash", recorded.stallMs),
            ("other", other),
          ]
        ) { Quantity.number($0) + " ms" })
    }
    if !predictions.isEmpty {
      parts.append(
        ReportTable(
          "At other limits",
          header: ["limit", "of model", "tok/s", "bound by", "hits", "flash/token", "stall/token"],
          rows: predictions.map(\.cells), textColumns: [3], isWide: true))
    }
    guard !parts.isEmpty else { return nil }
    return ReportSection("Speed", summary: speedSummary, parts: parts)
  }

  private var speedSummary: String {
    guard let ceiling, let recorded else {
      return "From the recorded arithmetic and the device's rates."
    }
    let share = recorded.tokensPerSecond / ceiling.tokensPerSecond
    let allowed =
      "The same reads without arithmetic allow \(Quantity.number(ceiling.tokensPerSecond)) tok/s"
    return share > 1
      ? "\(allowed), less than the run reached: the device is slower at this moment."
      : "\(allowed); the run reached \(Quantity.percent(share)) of that."
  }

  private var windowSection: ReportSection? {
    guard let window else { return nil }
    var marks = [
      ChartMark("demand", at: .x(Double(window.tokenDemandBytes) / 0x1p20))
    ]
    if let slots = window.slotsBytes {
      marks.append(ChartMark("this run", at: .x(Double(slots) / 0x1p20)))
    }
    let chart = LineChart(
      "Neurons missing by size of the window",
      x: ChartAxis("window, MiB", range: 0...Double(window.allBytes) / 0x1p20),
      y: ChartAxis("missing", range: 0...1) { Quantity.percent($0) },
      series: window.curves.map { curve in
        .init(
          curve.name, points: curve.points.map { (Double($0.byteCount) / 0x1p20, $0.missRatio) })
      }, marks: marks)
    let header = ["window"] + window.curves.map(\.name)
    let rows = (window.curves.first?.points ?? []).enumerated().map { index, point in
      [Quantity.bytes(point.byteCount)]
        + window.curves.map { Quantity.percent($0.points[index].missRatio) }
    }
    return ReportSection(
      "Which neurons to keep",
      summary:
        "A token's neurons take \(Quantity.bytes(window.tokenDemandBytes)), its demand. With less "
        + "room a plain LRU, which knows nothing of tokens, finds nothing; the window's policies "
        + "keep what the token uses. Bélády's rule knows the future: no policy misses less.",
      parts: [chart, ReportTable("Missing, by policy", header: header, rows: rows)])
  }

  private var remarkSection: ReportSection? {
    let lines =
      remarks
      + (ceiling.map {
        ["reads were issued with \($0.engine) to \($0.files.joined(separator: ", "))"]
      } ?? [])
    guard !lines.isEmpty else { return nil }
    return ReportSection("What was done", parts: [ReportText(lines)])
  }
}

extension ReplayReport.Prediction {
  fileprivate var cells: [String] {
    let title = bound.flatMap { SpeedPrediction.Bound(rawValue: $0)?.title }
    let bottleneck = title.map { $0 + (isDense ? ", dense" : "") }
    return [
      Quantity.bytes(limitBytes) + (isRecorded ? " (recorded)" : ""),
      Quantity.percent(percent / 100), tokensPerSecond.map(Quantity.number) ?? "-",
      bottleneck ?? residency.explanation, hitRate.map(Quantity.percent) ?? "-",
      tokensPerSecond == nil ? "-" : Quantity.bytes(Int(flashBytes)),
      stallMs.map { Quantity.number($0) + " ms" } ?? "-",
    ]
  }
}

extension LimitPrediction.Residency {
  /// Why no speed is predicted.
  package var explanation: String {
    self == .tooSmall ? "too small for the recorded mode" : "the device was not measured"
  }
}
