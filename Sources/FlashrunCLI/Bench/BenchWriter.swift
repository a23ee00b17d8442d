internal import ArgumentParser
internal import Synchronization

/// How results are printed.
package enum BenchFormat: String, CaseIterable, ExpressibleByArgument, Sendable {
  case md, csv, json, jsonl
}

/// Prints results to standard output as they come, so that an interrupt loses none.
///
/// JSON is one array, an object a result; `finish` closes it, also where nothing was measured.
package final class BenchWriter: Sendable {
  private let format: BenchFormat
  private let count = Mutex(0)
  private let write: @Sendable (String) throws -> Void

  /// - Parameter write: takes text as it is to be printed.
  package init(
    _ format: BenchFormat, write: @escaping @Sendable (String) throws -> Void
  ) {
    self.format = format
    self.write = write
  }

  /// Whether a result was printed.
  package var hasBegun: Bool { count.withLock { $0 > 0 } }

  package func append(_ record: BenchRecord) throws {
    let isFirst = count.withLock { count in
      count += 1
      return count == 1
    }
    switch format {
    case .md:
      if isFirst { try write(Self.header(record)) }
      try write(Self.row(record.cells.map { ($0.text, $0) }))
    case .csv:
      let fields = record.fields.filter { if case .list = $0.value { false } else { true } }
      if isFirst { try write(fields.map(\.key).joined(separator: ",") + "\n") }
      try write(fields.map(\.value.csv).joined(separator: ",") + "\n")
    case .json:
      let fields = record.fields.map { "    \(BenchValue.text($0.key).json): \($0.value.json)" }
      try write((isFirst ? "[" : ",") + "\n  {\n" + fields.joined(separator: ",\n") + "\n  }")
    case .jsonl:
      let fields = record.fields.map { "\(BenchValue.text($0.key).json): \($0.value.json)" }
      try write("{" + fields.joined(separator: ", ") + "}\n")
    }
  }

  /// Ends the output. Lines of `notes` stand under a table.
  package func finish(notes: [String] = []) throws {
    switch format {
    case .json: try write(hasBegun ? "\n]\n" : "[]\n")
    case .md where hasBegun: try write("\n" + notes.map { $0 + "\n" }.joined())
    default: break
    }
  }

  private static func header(_ record: BenchRecord) -> String {
    let rules = record.cells.map { cell in
      (
        String(repeating: "-", count: cell.width - (cell.isNumber ? 1 : 0))
          + (cell.isNumber ? ":" : ""), cell
      )
    }
    return row(record.cells.map { ($0.title, $0) }) + row(rules)
  }

  private static func row(_ cells: [(text: String, cell: BenchRecord.Cell)]) -> String {
    let padded = cells.map { text, cell in
      let space = String(repeating: " ", count: max(0, cell.width - text.count))
      return cell.isNumber ? space + text : text + space
    }
    return "| " + padded.joined(separator: " | ") + " |\n"
  }
}
