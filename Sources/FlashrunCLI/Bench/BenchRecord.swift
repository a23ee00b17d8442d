internal import FoundationEssentials

/// A value in JSON and CSV.
package enum BenchValue: Equatable, Sendable {
  case text(String)
  case integer(Int)
  case number(Double)
  case flag(Bool)
  case list([BenchValue])
  case none

  package static func text(_ value: String?) -> BenchValue { value.map(BenchValue.text) ?? .none }
  package static func integer(_ value: Int?) -> BenchValue {
    value.map(BenchValue.integer) ?? .none
  }
  package static func number(_ value: Double?) -> BenchValue {
    value.map(BenchValue.number) ?? .none
  }

  package var json: String {
    switch self {
    case .text(let text):
      let encoder = JSONEncoder()
      encoder.outputFormatting = .withoutEscapingSlashes
      guard let data = try? encoder.encode(text) else { preconditionFailure("text encodes") }
      return String(decoding: data, as: UTF8.self)
    case .integer(let value): return String(value)
    case .number(let value): return value.isFinite ? String(value) : "null"
    case .flag(let value): return String(value)
    case .list(let values): return "[" + values.map(\.json).joined(separator: ", ") + "]"
    case .none: return "null"
    }
  }

  /// Quoted, as RFC 4180 has it and llama-bench prints it.
  package var csv: String {
    let text =
      switch self {
      case .text(let text): text
      case .none: ""
      default: json
      }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}

/// One line of results in every form it may be printed in.
package struct BenchRecord: Equatable, Sendable {
  package struct Field: Equatable, Sendable {
    package var key: String
    package var value: BenchValue

    package init(_ key: String, _ value: BenchValue) {
      self.key = key
      self.value = value
    }
  }

  /// A cell of the table.
  package struct Cell: Equatable, Sendable {
    package var title: String
    package var text: String
    /// Characters that the column has at least, since rows are printed as they come.
    package var width: Int
    package var isNumber: Bool

    package init(_ title: String, _ text: String, width: Int, isNumber: Bool = true) {
      self.title = title
      self.text = text
      self.width = max(width, title.count)
      self.isNumber = isNumber
    }
  }

  /// For JSON; without the lists also for CSV.
  package var fields: [Field]
  package var cells: [Cell]

  package init(fields: [Field], cells: [Cell]) {
    self.fields = fields
    self.cells = cells
  }
}
