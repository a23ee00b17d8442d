/// Rows of cells in columns as wide as their widest cell.
package struct TextTable {
  package enum Alignment { case leading, trailing }

  private let rows: [[String]]
  private let alignment: [Alignment]

  /// - Parameter alignment: of each column; columns beyond its end lead.
  package init(rows: [[String]], alignment: [Alignment]) {
    self.rows = rows
    self.alignment = alignment
  }

  package var text: String {
    let columnCount = rows.map(\.count).max() ?? 0
    let widths = (0..<columnCount).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column < alignment.count && alignment[column] == .trailing
          ? space + cell : cell + space
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
