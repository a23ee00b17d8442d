import FlashTestSupport
import Foundation
import Testing

/// `calibrate` as a user runs it, on the bundled sample.
@Suite(.enabled(if: isOptimizedBuild, "needs an optimized build"), .serialized)
struct CalibrateTests {
  /// A copy of the sample's store that a test may change.
  private func copy(_ name: String) throws -> String {
    let path = "\(Tool.folder)/\(name).flash"
    try? FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: Tool.store.get(), toPath: path)
    return path
  }

  private func file(_ name: String, _ bytes: Data) throws -> String {
    let path = "\(Tool.folder)/\(name)"
    try bytes.write(to: URL(fileURLWithPath: path))
    return path
  }

  private static let text = String(
    repeating: "It was a dark and stormy night; the rain fell, and the old house stood alone. ",
    count: 60)

  private func entries(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  @Test func aCalibratedStoreIsTheSameModelAndShowsItsRecall() throws {
    let store = try copy("calibrated")
    let text = try file("calibration.txt", Data(Self.text.utf8))
    let outcome = try Tool.run(["calibrate", store, "-f", text, "-c", "64", "--seed", "3"])
    #expect(outcome.status == 0, "\(outcome.error)")
    for word in ["weighted by contribution", "perplexity dense", "KL divergence", "new bytes"] {
      #expect(outcome.output.contains(word))
    }
    #expect(try entries(store).contains("calibration.json"))
    #expect(try Tool.run(["verify", store]).status == 0)
    #expect(try Tool.run(["inspect", store]).output.contains("recall"))
    let greedy = try Tool.run([
      store, "-p", CommandTests.prompt, "-n", "8", "--temp", "0", "--no-display-prompt",
    ])
    #expect(greedy.output == CommandTests.greedy + "\n")
    // Once more, over a store whose neurons were moved already.
    let again = try Tool.run(["calibrate", store, "-f", text, "-c", "64", "--dry-run"])
    #expect(again.status == 0, "\(again.error)")
  }

  @Test func aDryRunChangesNothing() throws {
    let store = try copy("dry")
    let before = try Data(contentsOf: URL(fileURLWithPath: store + "/manifest.json"))
    let outcome = try Tool.run(["calibrate", store, "--self-text", "128", "--dry-run"])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: store + "/manifest.json")) == before)
    #expect(try !entries(store).contains("calibration.json"))
    #expect(try !entries(Tool.folder).contains { $0.hasPrefix(".dry") })
  }

  @Test func badTextIsSaid() throws {
    let store = try Tool.store.get()
    let cases: [(String, Data, Int32, String)] = [
      ("short.txt", Data("A few words only.".utf8), 64, "tokens; calibration needs at least 2"),
      ("empty.txt", Data(), 64, "is empty"),
      ("bytes.txt", Data([0xFF, 0xFE, 0x00]), 65, "not UTF-8"),
    ]
    for (name, bytes, status, words) in cases {
      let outcome = try Tool.run(["calibrate", store, "-f", try file(name, bytes)])
      #expect(outcome.status == status)
      #expect(outcome.error.contains(words), "\(outcome.error)")
    }
    let missing = try Tool.run(["calibrate", store, "-f", Tool.folder + "/nowhere.txt"])
    #expect(missing.status == 66)
    let odd = try Tool.run([
      "calibrate", store, "--tokens-file", try file("odd.i32", Data([1, 2, 3])),
    ])
    #expect(odd.status == 65)
    let foreign = try Tool.run([
      "calibrate", store, "--tokens-file", try file("foreign.i32", Data([0, 0, 0, 0x7F])),
    ])
    #expect(foreign.status == 65)
    #expect(foreign.error.contains("not in the vocabulary"))
    for arguments in [[], ["-f", "a", "--self-text", "5"], ["--self-text", "0"]] {
      #expect(try Tool.run(["calibrate", store] + arguments).status == 64)
    }
  }

  @Test func tooLittleMemoryIsSaidWithTheSum() throws {
    let text = try file("memory.txt", Data(Self.text.utf8))
    let outcome = try Tool.run([
      "calibrate", try Tool.store.get(), "-f", text, "-c", "64", "--mem-limit", "40M",
    ])
    #expect(outcome.status == 3)
    #expect(outcome.error.contains("are needed"))
    #expect(outcome.error.contains("training"))
  }
}
