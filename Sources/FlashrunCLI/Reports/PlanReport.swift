internal import FlashModel
package import FlashWindow
internal import FoundationEssentials

/// A memory plan as a table and as JSON.
package struct PlanReport: Encodable, Sendable {
  package struct Item: Encodable, Sendable {
    package var name: String
    package var bytes: Int
    package var detail: String
  }

  var store: String
  package var limitBytes: Int?
  package var planBytes: Int
  package var modelBytes: Int
  package var minimumBytes: Int
  package var residentBytes: Int
  package var context: Int
  package var mode: String
  package var feedForward: String
  package var items: [Item]
  package var notes: [String]
  /// Nil where it was not asked for or nothing could be measured.
  package var prediction: PlanPrediction?

  init(
    _ plan: MemoryPlan, mode: SparsityMode, store: String, prediction: PlanPrediction? = nil
  ) {
    self.store = store
    self.prediction = prediction
    limitBytes = plan.limit
    planBytes = plan.byteCount
    modelBytes = plan.modelByteCount
    minimumBytes = plan.minimumByteCount
    residentBytes = plan.residentByteCount
    context = plan.contextLength
    self.mode = mode.rawValue
    feedForward = plan.feedForward.name
    items = plan.items.map { Item(name: $0.name, bytes: $0.byteCount, detail: $0.detail) }
    notes = plan.notes
  }

  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(self) else { preconditionFailure("a plan encodes") }
    return String(decoding: data, as: UTF8.self)
  }

  var text: String {
    let shown = items.filter { $0.bytes > 0 }.map { [$0.name, Units.bytes($0.bytes), $0.detail] }
    let sums = [
      ["plan", Units.bytes(planBytes), "\(context) positions, \(mode), FFN \(feedForward)"],
      ["limit", limitBytes.map(Units.bytes) ?? "none", ""],
      ["model_bytes", Units.bytes(modelBytes), "\(modelBytes), weights as stored"],
      ["minimum_bytes", Units.bytes(minimumBytes), "\(minimumBytes), the smallest limit"],
      [
        "resident_bytes", Units.bytes(residentBytes), "\(residentBytes), with everything in memory",
      ],
    ]
    let table = TextTable(
      rows: shown + [[]] + sums, alignment: [.leading, .trailing, .leading])
    let parts = ([store, table.text] + notes).joined(separator: "\n")
    return prediction.map { parts + "\n\n" + $0.text } ?? parts
  }
}

extension MemoryPlan.FeedForwardResidency {
  /// As reports spell it.
  package var name: String {
    switch self {
    case .resident: "resident"
    case .windowed: "windowed"
    case .streamed: "streamed"
    }
  }
}
