import FlashrunCLI
import Foundation
import Synchronization
import Testing

/// The forms in which results are printed, and the mathematics behind them.
struct BenchOutputTests {
  private func record(_ name: String, _ value: Int) -> BenchRecord {
    BenchRecord(
      fields: [
        .init("model_type", .text(name)), .init("n", .integer(value)),
        .init("samples", .list([.integer(1), .number(2.5)])), .init("rate", .number(0.25)),
        .init("limit", .integer(nil)), .init("window", .flag(true)),
      ],
      cells: [
        .init("model", name, width: 8, isNumber: false), .init("t/s", "15.31 ± 0.22", width: 6),
      ])
  }

  private func printed(_ format: BenchFormat, _ names: [String]) throws -> String {
    let text = Text()
    let writer = BenchWriter(format) { part in text.append(part) }
    for (index, name) in names.enumerated() { try writer.append(record(name, index)) }
    #expect(writer.hasBegun == !names.isEmpty)
    try writer.finish(notes: ["build: 1"])
    return text.value
  }

  private final class Text: Sendable {
    private let parts = Mutex("")
    var value: String { parts.withLock { $0 } }
    func append(_ part: String) { parts.withLock { $0 += part } }
  }

  @Test func jsonIsOneArrayHoweverManyResultsThereAre() throws {
    for names in [[], ["a"], ["a", "say \"b\"\n"]] {
      let json = try printed(.json, names)
      let array = try #require(
        JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
      #expect(array.map { $0["model_type"] as? String } == names)
      for (index, object) in array.enumerated() {
        #expect(object["n"] as? Int == index && object["rate"] as? Double == 0.25)
        #expect(object["samples"] as? [Double] == [1, 2.5])
        #expect(object["limit"] is NSNull && object["window"] as? Bool == true)
      }
    }
  }

  @Test func jsonLinesAreAnObjectEach() throws {
    let lines = try printed(.jsonl, ["a", "b,\"c\""]).split(separator: "\n")
    let names = try lines.map { line in
      try #require(
        JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])["model_type"]
        as? String
    }
    #expect(names == ["a", "b,\"c\""])
  }

  @Test func csvQuotesAndLeavesListsOut() throws {
    let csv = try printed(.csv, ["a, \"b\""])
    #expect(
      csv == """
        model_type,n,rate,limit,window
        "a, ""b""\","0","0.25","","true"

        """)
  }

  @Test func aTableHasAHeaderAndAlignedColumns() throws {
    #expect(
      try printed(.md, ["tiny", "a longer name"]) == """
        | model    |    t/s |
        | -------- | -----: |
        | tiny     | 15.31 ± 0.22 |
        | a longer name | 15.31 ± 0.22 |

        build: 1

        """)
    #expect(try printed(.md, []) == "")
  }

  @Test func meansAndDeviationsAreLlamaBenchs() {
    #expect(SampleMath.mean([1, 2, 6]) == 3)
    #expect(SampleMath.deviation([1, 2, 6]) == 7.0.squareRoot())
    #expect(SampleMath.deviation([4]) == 0)
    #expect(SampleMath.median([6, 1, 2]) == 2 && SampleMath.median([6, 1, 2, 3]) == 2.5)
  }
}
