internal import FlashIO
package import FlashProfiler

/// What `io trace` prints: tables as text, or the same figures as JSON.
package struct TraceReport {
  let analysis: TraceAnalysis
  let path: String

  package init(_ analysis: TraceAnalysis, path: String) {
    self.analysis = analysis
    self.path = path
  }

  package var text: String {
    var parts = [headline, phases, times]
    if analysis.latency.count > 0 {
      parts += [layers, slowest, histogram]
    } else {
      parts.append("no reads: everything was in memory")
    }
    return parts.joined(separator: "\n\n")
  }

  private var headline: String {
    let header = analysis.header
    var lines = [
      "\(path): \(header.generator), \(header.model.name)"
        + (header.model.isSynthetic ? " (synthetic)" : ""),
      "\(header.reads.summary) · limit \(header.plan.limitBytes.map(Units.bytes) ?? "none")"
        + " · \(header.plan.feedForward) · \(header.run.mode) · \(header.run.instructionSet), "
        + "\(header.run.threads) thread\(header.run.threads == 1 ? "" : "s")",
    ]
    if analysis.runCount > 1 { lines.append("\(analysis.runCount) runs, taken together") }
    if analysis.failedReadCount > 0 { lines.append("\(analysis.failedReadCount) reads failed") }
    return lines.joined(separator: "\n")
  }

  /// Prefill and decode beside each other.
  private var phases: String {
    var rows = [
      ["", "tokens", "time", "per token", "arithmetic", "stall", "other", "read", "reads", "hit"]
    ]
    for (name, phase) in [("prompt", analysis.prompt), ("decode", analysis.decode)]
    where phase.tokens > 0 {
      let perToken = Double(phase.duration) / Double(phase.tokens)
      rows.append([
        name, "\(phase.tokens)", Self.duration(phase.duration),
        Quantity.duration(nanoseconds: perToken),
        Self.share(phase.arithmetic, of: phase.duration),
        Self.share(phase.stall, of: phase.duration), Self.share(phase.other, of: phase.duration),
        Quantity.bytes(phase.byteCount), "\(phase.readCount)", Self.percent(phase.hitRate),
      ])
    }
    return Self.table(rows)
  }

  /// Where the time of decode went, or of the prompt where nothing was decoded.
  private var times: String {
    let isDecode = analysis.decode.tokens > 0
    let phase = isDecode ? analysis.decode : analysis.prompt
    var rows = [[isDecode ? "decode" : "prompt", "share", "per token"]]
    func add(_ name: String, _ nanoseconds: Int) {
      guard nanoseconds > 0 else { return }
      rows.append([
        name, Self.share(nanoseconds, of: phase.duration),
        Quantity.duration(nanoseconds: Double(nanoseconds) / Double(max(1, phase.tokens))),
      ])
    }
    for (kind, name) in TracePage.kindNames where kind != .trace { add(name, phase[kind]) }
    add("writing the trace", phase[.trace])
    add("everything else", phase.other - phase[.trace])
    return Self.table(rows)
  }

  private var layers: String {
    var rows = [
      [
        "layer", "reads", "bytes", "p50", "p99", "hit", "neurons", "stall", "compute",
        "amplification", "overlap",
      ]
    ]
    for (index, layer) in analysis.layers.enumerated() { rows.append(row("\(index)", layer)) }
    if analysis.outside.readCount > 0 || analysis.outside.arithmetic > 0 {
      rows.append(row("outside", analysis.outside))
    }
    return Self.table(rows)
  }

  private func row(_ name: String, _ layer: LayerSummary) -> [String] {
    let hasReads = layer.readCount > 0
    func latency(_ percent: Double) -> String {
      hasReads ? Self.duration(layer.latency.nanoseconds(atPercentile: percent)) : "-"
    }
    return [
      name, "\(layer.readCount)", Quantity.bytes(layer.byteCount), latency(50), latency(99),
      Self.percent(layer.hitRate), "\(layer.neurons)", Self.duration(layer.stall),
      Self.duration(layer.arithmetic),
      layer.readAmplification.map { Quantity.number($0) } ?? "-", Self.percent(layer.overlap),
    ]
  }

  private var slowest: String {
    var rows = [["slowest reads", "layer", "for", "offset", "bytes", "file", "token"]]
    for slow in analysis.slowest {
      let files = analysis.header.files
      let file = slow.read.fileIndex
      rows.append([
        Self.duration(slow.read.duration),
        slow.read.label.layer < 0 ? "-" : "\(slow.read.label.layer)",
        "\(slow.read.label.purpose)", "\(slow.read.extent.offset)",
        "\(slow.read.extent.byteCount)",
        files.indices.contains(file) ? files[file].name : "\(file)",
        slow.forward.map { "\($0)" } ?? "-",
      ])
    }
    return Self.table(rows)
  }

  private var histogram: String { analysis.scale.lines.joined(separator: "\n") }

  private static func table(_ rows: [[String]]) -> String {
    let count = rows.map(\.count).max() ?? 0
    return TextTable(
      rows: rows, alignment: [.leading] + Array(repeating: .trailing, count: max(0, count - 1))
    ).text
  }

  private static func duration(_ nanoseconds: Int) -> String {
    Quantity.duration(nanoseconds: Double(nanoseconds))
  }

  private static func share(_ part: Int, of whole: Int) -> String {
    whole > 0 ? Quantity.percent(Double(part) / Double(whole)) : "-"
  }

  private static func percent(_ part: Double?) -> String { part.map(Quantity.percent) ?? "-" }
}
