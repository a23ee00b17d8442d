/// The part that every SVG chart shares: grid, ticks, titles, marks and legend.
///
/// Drawn 440 units wide, so that a telephone shows the text at about its own size and a wide screen
/// two charts side by side.
struct ChartFrame {
  static let width = 440.0
  static let wideWidth = 900.0
  static let height = 270.0
  private static let left = 58.0
  private static let right = 14.0
  private static let top = 22.0
  private static let bottom = 40.0

  var x: FittedAxis
  var y: FittedAxis
  var isWide = false

  private var width: Double { isWide ? Self.wideWidth : Self.width }

  func horizontal(_ value: Double) -> Double {
    Self.left + x.position(value) * (width - Self.left - Self.right)
  }

  func vertical(_ value: Double) -> Double {
    Self.height - Self.bottom - y.position(value) * (Self.height - Self.top - Self.bottom)
  }

  /// One decimal is a tenth of a pixel.
  static func text(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
  }

  static func point(_ x: Double, _ y: Double) -> String { "\(text(x)) \(text(y))" }

  /// The chart around `content`.
  func html(title: String, content: String, marks: [ChartMark], legend: String) -> String {
    let description = title.escapedForHTML
    return """
      <figure class="card\(isWide ? " wide" : "")">
      <figcaption>\(description)</figcaption>
      <svg viewBox="0 0 \(Self.text(width)) \(Self.text(Self.height))" role="img" \
      aria-label="\(description)">
      \(grid)
      \(content)
      \(marks.enumerated().map(draw).joined(separator: "\n"))
      </svg>
      \(legend)</figure>
      """
  }

  private var grid: String {
    var parts: [String] = []
    let floor = Self.height - Self.bottom
    for tick in y.ticks {
      let place = vertical(tick)
      parts.append(
        line(Self.left, place, width - Self.right, place, style: "grid")
          + label(y.axis.label(tick), Self.left - 6, place + 4, anchor: "end"))
    }
    for tick in x.ticks {
      let place = horizontal(tick)
      parts.append(
        line(place, Self.top, place, floor, style: "grid")
          // Centred, a long label at the edge would be cut off.
          + label(
            x.axis.label(tick), place > width - Self.right - 20 ? width : place, floor + 16,
            anchor: place > width - Self.right - 20 ? "end" : "middle"))
    }
    parts.append(label(y.axis.title, 4, 13, anchor: "start"))
    parts.append(label(x.axis.title, width - Self.right, Self.height - 6, anchor: "end"))
    return parts.joined(separator: "\n")
  }

  /// A dashed line with its name: upright for a place, level for a height. Names of neighbouring
  /// places are on lines of their own.
  private func draw(_ index: Int, _ mark: ChartMark) -> String {
    let floor = Self.height - Self.bottom
    switch mark.place {
    case .x(let value):
      let place = horizontal(value)
      let isLate = place > width * 0.6
      return line(place, Self.top, place, floor, style: "mark")
        + label(
          mark.name, place + (isLate ? -5 : 5), Self.top + 12 + 16 * Double(index),
          anchor: isLate ? "end" : "start", style: "marked")
    case .y(let value):
      let place = vertical(value)
      return line(Self.left, place, width - Self.right, place, style: "mark")
        + label(mark.name, width - Self.right - 4, place - 5, anchor: "end", style: "marked")
    }
  }

  private func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String
  ) -> String {
    "<line class=\"\(style)\" x1=\"\(Self.text(x1))\" y1=\"\(Self.text(y1))\" "
      + "x2=\"\(Self.text(x2))\" y2=\"\(Self.text(y2))\"/>"
  }

  private func label(
    _ text: String, _ x: Double, _ y: Double, anchor: String, style: String = ""
  ) -> String {
    let kind = style.isEmpty ? "" : " class=\"\(style)\""
    return "<text\(kind) x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" text-anchor=\"\(anchor)\">"
      + "\(text.escapedForHTML)</text>"
  }

  /// Names with their colours; nothing where there is only one.
  static func legend(_ names: [String], showsOne: Bool = false) -> String {
    guard names.count > 1 || showsOne else { return "" }
    let items = names.enumerated().map { index, name in
      "<span><i class=\"b\(index % ReportStyle.seriesColorCount)\"></i>"
        + "\(name.escapedForHTML)</span>"
    }
    return "<div class=\"legend\">\(items.joined())</div>\n"
  }
}

/// A dashed line in a chart with a name, such as today's limit.
package struct ChartMark: Sendable {
  package enum Place: Sendable {
    case x(Double)
    case y(Double)
  }

  package var name: String
  package var place: Place

  package init(_ name: String, at place: Place) {
    self.name = name
    self.place = place
  }
}
