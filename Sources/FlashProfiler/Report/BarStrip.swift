/// One bar for each thing in order, such as tokens or tenths of a second: where it went up, and how
/// often, is seen at a glance. Bars may be stacked.
package struct BarStrip: ReportPart {
  package var title: String
  package var x: ChartAxis
  package var y: ChartAxis
  /// Names of what is stacked, from below.
  package var layers: [String]
  /// Of each bar, the height of each layer.
  package var bars: [[Double]]
  package var marks: [ChartMark]
  package var isWide: Bool
  /// The place of the first bar, and the step from one to the next, on the x axis.
  package var start: Double
  package var step: Double

  /// - Precondition: every bar has a height for each layer.
  package init(
    _ title: String, x: ChartAxis, y: ChartAxis, layers: [String], bars: [[Double]],
    start: Double = 0, step: Double = 1, marks: [ChartMark] = [], isWide: Bool = false
  ) {
    precondition(bars.allSatisfy { $0.count == layers.count }, "a bar has a height for each layer")
    self.title = title
    self.x = x
    self.y = y
    self.layers = layers
    self.bars = bars
    self.start = start
    self.step = step
    self.marks = marks
    self.isWide = isWide
  }

  /// More bars than this are joined: neighbours show their highest.
  private static let barLimit = 400

  package var html: String {
    var (shown, step) = (bars, step)
    if bars.count > Self.barLimit {
      let group = (bars.count + Self.barLimit - 1) / Self.barLimit
      shown = stride(from: 0, to: bars.count, by: group).map { first in
        let parts = bars[first..<min(bars.count, first + group)]
        return parts.max { $0.reduce(0, +) < $1.reduce(0, +) } ?? []
      }
      step *= Double(group)
    }
    var (horizontal, vertical) = (x, y)
    horizontal.range = x.range ?? start...(start + step * Double(max(1, shown.count)))
    vertical.scale = .linear
    let frame = ChartFrame(
      x: horizontal.fitted(to: []),
      y: vertical.fitted(
        to: shown.map { $0.reduce(0, +) }
          + marks.compactMap { if case .y(let value) = $0.place { value } else { nil } }),
      isWide: isWide)
    let content = shown.enumerated().map { index, bar in
      draw(bar, from: start + step * Double(index), to: start + step * Double(index + 1), in: frame)
    }
    return frame.html(
      title: title, content: content.joined(separator: "\n"), marks: marks,
      legend: ChartFrame.legend(layers))
  }

  private func draw(_ bar: [Double], from: Double, to: Double, in frame: ChartFrame) -> String {
    let left = frame.horizontal(from)
    // A hair between bars, where there is room for one.
    let width = frame.horizontal(to) - left
    let shown = max(0.4, width > 3 ? width - 1 : width)
    var below = 0.0
    return bar.enumerated().map { layer, height in
      let (top, floor) = (frame.vertical(below + height), frame.vertical(below))
      below += height
      guard floor > top else { return "" }
      return
        "<rect class=\"f\(layer % ReportStyle.seriesColorCount)\" x=\"\(ChartFrame.text(left))\" "
        + "y=\"\(ChartFrame.text(top))\" width=\"\(ChartFrame.text(shown))\" "
        + "height=\"\(ChartFrame.text(floor - top))\"><title>"
        + "\(x.label(from)): \(layers[layer]) \(y.label(height))".escapedForHTML
        + "</title></rect>"
    }.joined()
  }
}

/// One whole and its parts side by side, such as what a token's time went to.
package struct ShareBar: ReportPart {
  package var title: String
  package var parts: [(name: String, value: Double)]
  /// How a part's value is written behind its share.
  package var label: @Sendable (Double) -> String

  package init(
    _ title: String, parts: [(name: String, value: Double)],
    label: @escaping @Sendable (Double) -> String
  ) {
    self.title = title
    self.parts = parts
    self.label = label
  }

  package var html: String {
    let total = max(parts.reduce(0) { $0 + $1.value }, 1e-300)
    let pieces = parts.enumerated().map { index, part in
      "<i class=\"b\(index % ReportStyle.seriesColorCount)\" "
        + "style=\"width:\(ChartFrame.text(part.value / total * 100))%\"></i>"
    }
    let names = parts.map {
      "\($0.name) \(Quantity.percent($0.value / total)) (\(label($0.value)))"
    }
    return """
      <figure class="card wide">
      <figcaption>\(title.escapedForHTML)</figcaption>
      <div class="share">\(pieces.joined())</div>
      \(ChartFrame.legend(names, showsOne: true))</figure>
      """
  }
}
