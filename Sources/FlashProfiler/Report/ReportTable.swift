/// A table: the first column leads, the others are numbers unless they are named as text.
package struct ReportTable: ReportPart {
  package var title: String
  package var header: [String]
  package var rows: [[String]]
  /// Columns of text, beside the first.
  package var textColumns: Set<Int>
  /// Whether it takes the page's whole width.
  package var isWide: Bool

  /// - Precondition: every row is as long as the header.
  package init(
    _ title: String, header: [String], rows: [[String]], textColumns: Set<Int> = [],
    isWide: Bool = false
  ) {
    precondition(rows.allSatisfy { $0.count == header.count }, "a row has a cell for each column")
    self.title = title
    self.header = header
    self.rows = rows
    self.textColumns = textColumns
    self.isWide = isWide
  }

  package var html: String {
    let head = header.enumerated().map { cell($1, column: $0, tag: "th") }.joined()
    let body = rows.map { row in
      "<tr>" + row.enumerated().map { cell($1, column: $0, tag: "td") }.joined() + "</tr>"
    }
    return """
      <figure class="card\(isWide ? " wide" : "")">
      <figcaption>\(title.escapedForHTML)</figcaption>
      <div class="scroll"><table>
      <tr>\(head)</tr>
      \(body.joined(separator: "\n"))
      </table></div>
      </figure>
      """
  }

  private func cell(_ text: String, column: Int, tag: String) -> String {
    let style =
      textColumns.contains(column)
      ? " class=\"lead prose\"" : column == 0 ? " class=\"lead\"" : ""
    return "<\(tag)\(style)>\(text.escapedForHTML)</\(tag)>"
  }
}
