import FlashIO

/// One chunk of tokens of a trace, whole: what the engine's thread did, and what was in flight.
package struct TraceTimeline: Sendable {
  /// Which chunk of a trace to draw, and under which title.
  package struct Chunk: Sendable, Equatable {
    package var title: String
    package var run: Int
    package var index: Int
  }

  package var title: String
  var start = 0
  var end = 0
  var spans: [TraceSpan] = []
  var layers: [(layer: Int, start: Int, end: Int)] = []
  /// When reads began and when they were seen to be complete, those of other chunks too.
  var reads: [(start: Int, end: Int)] = []

  init(title: String) { self.title = title }

  /// Reads the chunks named, in the order of the file.
  ///
  /// - Throws: as opening and reading do.
  package static func read(_ path: String, chunks: [Chunk]) throws -> [TraceTimeline] {
    let reader = try TraceReader(path: path)
    var timelines: [TraceTimeline] = []
    var current: TraceTimeline?
    var run = 0
    while timelines.count < chunks.count, let item = try reader.next() {
      guard case .event(let event) = item else {
        if case .header = item { run += 1 }
        continue
      }
      if case .forwardBegan(let forward) = event,
        let chunk = chunks.first(where: { $0.run == run && $0.index == forward.index })
      {
        current = TraceTimeline(title: chunk.title)
        current?.start = forward.time
      }
      current?.add(event)
      if case .forwardEnded = event, let whole = current {
        timelines.append(whole)
        current = nil
      }
    }
    return timelines
  }

  private mutating func add(_ event: TraceEvent) {
    switch event {
    case .forwardEnded(let time, _, _): end = time
    case .layerBegan(let layer, let time): layers.append((layer, time, time))
    case .layerEnded(let layer): layers[layers.count - 1].end = layer.time
    case .span(let span): spans.append(span)
    case .read(let read): reads.append((read.start, read.end))
    case .forwardBegan, .strides, .readsInFlight: break
    }
  }
}

extension TraceAnalysis {
  /// The median token of decode and the slowest one; of the prompt, where nothing was decoded.
  package var chunksToDraw: [TraceTimeline.Chunk] {
    let whole = forwards.filter(\.isWhole)
    let decoded = whole.filter { !$0.forward.isPrompt }
    let sorted = (decoded.isEmpty ? whole : decoded).sorted { $0.duration < $1.duration }
    guard let slowest = sorted.last else { return [] }
    let what = decoded.isEmpty ? "chunk of the prompt" : "token"
    func chunk(_ name: String, _ forward: ForwardSummary) -> TraceTimeline.Chunk {
      let time = Quantity.duration(nanoseconds: Double(forward.duration))
      return TraceTimeline.Chunk(
        title: "The \(name) \(what): number \(forward.forward.index), \(time)", run: forward.run,
        index: forward.forward.index)
    }
    let median = sorted[(sorted.count - 1) / 2]
    let chunks = [chunk("median", median), chunk("slowest", slowest)]
    return sorted.count > 1 ? chunks : [chunks[1]]
  }
}

/// A timeline as a picture: a row for each kind of work, and the reads in flight below.
struct TimelineChart: ReportPart {
  let timeline: TraceTimeline

  private static let width = 900.0
  private static let left = 92.0
  private static let right = 12.0
  private static let rowHeight = 20.0
  private static let flightHeight = 56.0
  /// Rows from above: a name, and what is drawn in it.
  private static let rows: [(name: String, kinds: [TraceSpan.Kind])] = [
    ("attention", [.attention]), ("gate, up", [.gateUp, .experts]), ("down", [.down]),
    ("predictor", [.predictor]), ("guessing", [.lookAhead]), ("stall", [.stall]),
    ("other", [.head, .trace]),
  ]
  private static let flightColor = 7

  var html: String {
    let duration = Double(max(1, timeline.end - timeline.start)) / 1e6
    let axis = ChartAxis("ms", range: 0...duration).fitted(to: [])
    let floor = Self.top(Self.rows.count + 1) + Self.flightHeight + 6
    let ticks = axis.ticks.map { tick in
      let x = horizontal(axis, tick)
      return "<line class=\"grid\" x1=\"\(x)\" y1=\"4\" x2=\"\(x)\" y2=\"\(Self.text(floor))\"/>"
        + Self.label(axis.axis.label(tick), x, floor + 15, "middle")
    }
    return """
      <figure class="card wide">
      <figcaption>\(timeline.title.escapedForHTML)</figcaption>
      <div class="scroll"><svg style="min-width:720px" viewBox="0 0 \(Self.text(Self.width)) \
      \(Self.text(floor + 34))" role="img" aria-label="\(timeline.title.escapedForHTML)">
      \(ticks.joined())
      \(Self.label("milliseconds", Self.text(Self.width - Self.right), floor + 30, "end"))
      \(layers(axis))
      \(Self.rows.indices.map { row($0, axis) }.joined(separator: "\n"))
      \(flight(axis, floor: floor - 6))
      </svg></div>
      </figure>
      """
  }

  /// Layers one beside the other, every second one darker, each with its name and time.
  private func layers(_ axis: FittedAxis) -> String {
    let y = Self.text(Self.top(0) + 3)
    let boxes = timeline.layers.map { layer in
      let (x, width) = extent(axis, layer.start, layer.end)
      let time = Quantity.duration(nanoseconds: Double(layer.end - layer.start))
      return "<rect class=\"f\(Self.flightColor)\" x=\"\(x)\" "
        + "opacity=\"\(layer.layer % 2 == 0 ? "0.35" : "0.7")\" "
        + "y=\"\(y)\" width=\"\(width)\" height=\"14\"><title>layer \(layer.layer): \(time)"
        + "</title></rect>"
    }
    return Self.name("layers", row: 0) + boxes.joined()
  }

  private func row(_ row: Int, _ axis: FittedAxis) -> String {
    let y = Self.text(Self.top(row + 1) + 3)
    let boxes = Self.rows[row].kinds.flatMap { kind in
      merged(kind, axis).map { span in
        let (x, width) = extent(axis, span.start, span.end)
        return "<rect class=\"f\(TracePage.color(of: kind))\" x=\"\(x)\" y=\"\(y)\" "
          + "width=\"\(width)\" height=\"14\"/>"
      }
    }
    return Self.name(Self.rows[row].name, row: row + 1) + boxes.joined()
  }

  /// Spans of a kind, those together that no eye could tell apart.
  private func merged(_ kind: TraceSpan.Kind, _ axis: FittedAxis) -> [(start: Int, end: Int)] {
    let gap = Int((axis.high - axis.low) * 1e6 / Self.width / 4)
    var merged: [(start: Int, end: Int)] = []
    for span in timeline.spans where span.kind == kind && span.start >= timeline.start {
      if let last = merged.last, span.start - last.end < gap {
        merged[merged.count - 1].end = span.end
      } else {
        merged.append((span.start, span.end))
      }
    }
    return merged
  }

  /// Reads in flight as a hill.
  private func flight(_ axis: FittedAxis, floor: Double) -> String {
    var changes = timeline.reads.flatMap { [($0.start, 1), ($0.end, -1)] }
    changes.sort { $0.0 < $1.0 }
    var (count, most) = (0, 0)
    let levels = changes.map { time, change in
      count += change
      most = max(most, count)
      return (time, count)
    }
    let name = Self.label("in flight", "4", floor - Self.flightHeight / 2, "start")
    guard most > 0 else { return name }
    var points = "M\(horizontal(axis, 0)) \(Self.text(floor))"
    var last = (x: "", y: Self.text(floor))
    for (index, level) in levels.enumerated() {
      let x = horizontal(axis, Double(level.0 - timeline.start) / 1e6)
      // Of several changes at one place the last one counts.
      if index + 1 < levels.count,
        horizontal(axis, Double(levels[index + 1].0 - timeline.start) / 1e6) == x
      {
        continue
      }
      let y = Self.text(floor - Double(level.1) / Double(most) * Self.flightHeight)
      guard y != last.y else { continue }
      points += " L\(x) \(last.y) L\(x) \(y)"
      last = (x, y)
    }
    points += " L\(Self.text(Self.width - Self.right)) \(last.y)"
    points += " L\(Self.text(Self.width - Self.right)) \(Self.text(floor)) Z"
    return name
      + Self.label("most: \(most)", "4", floor - Self.flightHeight / 2 + 14, "start")
      + "<path class=\"f\(Self.flightColor)\" opacity=\"0.6\" d=\"\(points)\"/>"
  }

  private func horizontal(_ axis: FittedAxis, _ milliseconds: Double) -> String {
    Self.text(
      Self.left + axis.position(milliseconds) * (Self.width - Self.left - Self.right))
  }

  private func extent(_ axis: FittedAxis, _ start: Int, _ end: Int) -> (x: String, width: String) {
    let scale = Self.width - Self.left - Self.right
    let low = axis.position(Double(start - timeline.start) / 1e6) * scale
    let high = axis.position(Double(end - timeline.start) / 1e6) * scale
    return (Self.text(Self.left + low), Self.text(max(0.3, high - low)))
  }

  private static func top(_ row: Int) -> Double { 6 + Double(row) * rowHeight }
  private static func text(_ value: Double) -> String { ChartFrame.text(value) }

  private static func name(_ name: String, row: Int) -> String {
    label(name, "4", top(row) + 14, "start")
  }

  private static func label(_ text: String, _ x: String, _ y: Double, _ anchor: String) -> String {
    "<text x=\"\(x)\" y=\"\(ChartFrame.text(y))\" text-anchor=\"\(anchor)\">"
      + "\(text.escapedForHTML)</text>"
  }
}
