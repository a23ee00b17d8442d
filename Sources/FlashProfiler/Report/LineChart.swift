/// Curves over linear or logarithmic axes, as an SVG picture.
package struct LineChart: ReportPart {
  package struct Series: Sendable {
    package var name: String
    package var points: [(x: Double, y: Double)]

    package init(_ name: String, points: [(x: Double, y: Double)]) {
      self.name = name
      self.points = points
    }
  }

  package var title: String
  package var x: ChartAxis
  package var y: ChartAxis
  package var series: [Series]
  package var marks: [ChartMark]
  /// Whether it takes the page's whole width.
  package var isWide: Bool

  package init(
    _ title: String, x: ChartAxis, y: ChartAxis, series: [Series], marks: [ChartMark] = [],
    isWide: Bool = false
  ) {
    self.title = title
    self.x = x
    self.y = y
    self.series = series
    self.marks = marks
    self.isWide = isWide
  }

  /// Curves with more points than this get no dots, and are drawn as the picture's width allows.
  private static let dotLimit = 40

  package var html: String {
    let points = series.flatMap(\.points)
    let frame = ChartFrame(
      x: x.fitted(to: points.map(\.x) + marks.compactMap(\.x)),
      y: y.fitted(to: points.map(\.y) + marks.compactMap(\.y)), isWide: isWide)
    let curves = series.enumerated().map { index, series in
      curve(series, color: index % ReportStyle.seriesColorCount, in: frame)
    }
    return frame.html(
      title: title, content: curves.joined(separator: "\n"), marks: marks,
      legend: ChartFrame.legend(series.map(\.name)))
  }

  private func curve(_ series: Series, color: Int, in frame: ChartFrame) -> String {
    let shown = series.points.filter { $0.x.isFinite && $0.y.isFinite }
    let places = shown.map { (frame.horizontal($0.x), frame.vertical($0.y)) }
    let path = places.map { ChartFrame.point($0.0, $0.1) }.joined(separator: " L")
    guard !path.isEmpty else { return "" }
    let line = "<path class=\"curve s\(color)\" d=\"M\(path)\"/>"
    guard shown.count <= Self.dotLimit else { return line }
    let dots = zip(places, shown).map { place, point in
      "<circle class=\"f\(color)\" cx=\"\(ChartFrame.text(place.0))\" "
        + "cy=\"\(ChartFrame.text(place.1))\" r=\"3\"><title>"
        + "\(series.name): \(x.label(point.x)), \(y.label(point.y))".escapedForHTML
        + "</title></circle>"
    }
    return line + dots.joined()
  }
}

extension ChartMark {
  fileprivate var x: Double? { if case .x(let value) = place { value } else { nil } }
  fileprivate var y: Double? { if case .y(let value) = place { value } else { nil } }
}
