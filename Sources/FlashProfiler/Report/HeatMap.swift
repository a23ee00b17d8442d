internal import Glibc

/// Values over two axes as coloured cells with their numbers.
///
/// It is a table and no picture: the numbers can be read, copied and spoken on any screen.
package struct HeatMap: ReportPart {
  package var title: String
  package var columnTitles: [String]
  package var rowTitles: [String]
  /// By row and column; nil where nothing was measured.
  package var values: [[Double?]]
  /// How a value is written; short, since a cell is as wide as four digits on a telephone.
  package var label: @Sendable (Double) -> String
  /// Colours by the logarithm of the values, for those that span powers of ten.
  package var isLogarithmic: Bool

  /// - Parameter corner: names both axes, such as `size \ depth`.
  /// - Precondition: there is a row of values for each row title, each as long as the columns.
  package init(
    _ title: String, corner: String = "", columns: [String], rows: [String], values: [[Double?]],
    isLogarithmic: Bool = true, label: @escaping @Sendable (Double) -> String
  ) {
    precondition(
      values.count == rows.count && values.allSatisfy { $0.count == columns.count },
      "a heat map has a value for each row and column")
    self.title = title
    self.corner = corner
    columnTitles = columns
    rowTitles = rows
    self.values = values
    self.isLogarithmic = isLogarithmic
    self.label = label
  }

  private let corner: String

  package var html: String {
    let header = columnTitles.map { "<th>\($0.escapedForHTML)</th>" }.joined()
    let rows = rowTitles.indices.map { row in
      "<tr><th>\(rowTitles[row].escapedForHTML)</th>"
        + values[row].map(cell).joined() + "</tr>"
    }
    return """
      <figure class="card">
      <figcaption>\(title.escapedForHTML)</figcaption>
      <table class="heat">
      <tr><th>\(corner.escapedForHTML)</th>\(header)</tr>
      \(rows.joined(separator: "\n"))
      </table>
      </figure>
      """
  }

  private func cell(_ value: Double?) -> String {
    guard let value else { return "<td class=\"none\">–</td>" }
    let heat = Int((Self.heat(value, in: range, isLogarithmic: isLogarithmic) * 100).rounded())
    let style = heat > 55 ? " class=\"hot\"" : ""
    return "<td\(style) style=\"--heat:\(heat)%\">\(label(value).escapedForHTML)</td>"
  }

  private var range: ClosedRange<Double> {
    let known = values.joined().compactMap(\.self)
    return (known.min() ?? 0)...(known.max() ?? 0)
  }

  /// Where a value lies in a range, from 0 to 1.
  package static func heat(
    _ value: Double, in range: ClosedRange<Double>, isLogarithmic: Bool
  ) -> Double {
    let scale: (Double) -> Double = { isLogarithmic ? log(max($0, 1e-12)) : $0 }
    let width = scale(range.upperBound) - scale(range.lowerBound)
    guard width > 0 else { return 0 }
    return min(1, max(0, (scale(value) - scale(range.lowerBound)) / width))
  }
}
