import FlashTestSupport
import Foundation
import Testing

/// `plan`'s prediction, `doctor` and `io replay`, run as processes on the bundled sample.
struct ProfilerCommandTests {
  private func object(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any],
      "\(outcome.error)")
  }

  @Test func planPredictsEveryLimitAndSaysWhatItRestsOn() throws {
    let outcome = try Tool.run([
      "plan", "-m", Tool.store.get(), "--json", "-c", "64", "--mem-limit", "200M",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let prediction = try #require(object(outcome)["prediction"] as? [String: Any])
    let limits = try #require(prediction["limits"] as? [[String: Any]])
    #expect(limits.compactMap { $0["percent"] as? Double }.dropFirst() == [25, 50, 75, 100])
    #expect(limits[0]["is_given"] as? Bool == true)
    #expect(limits[0]["limit_bytes"] as? Int == 200 << 20)
    #expect((limits[0]["tokens_per_second"] as? Double ?? 0) > 0)
    #expect(["dram", "arithmetic"].contains(limits[0]["bound"] as? String))
    // A few hundred megabytes of the process do not fit a quarter of this small model.
    #expect(limits[1]["tokens_per_second"] == nil && limits[1]["required_bytes"] is Int)
    let activity = try #require(prediction["activity"] as? [String: Any])
    #expect(activity["source"] as? String == "assumed")
    let rates = try #require(prediction["rates"] as? [String: Any])
    #expect((rates["arithmetic"] as? [String: Double])?.values.allSatisfy { $0 > 0 } == true)
  }

  @Test func planPredictsNothingWhereItIsNotWanted() throws {
    let outcome = try Tool.run([
      "plan", "-m", Tool.store.get(), "--json", "-c", "64", "--no-prediction",
    ])
    let plan = try object(outcome)
    #expect(outcome.status == 0 && plan["prediction"] == nil)
  }

  @Test func doctorLooksAtTheHostAndTheStore() throws {
    let host = try Tool.run(["doctor", "--json"])
    let names = try #require(object(host)["checks"] as? [[String: Any]])
      .compactMap { $0["name"] as? String }
    #expect(names.contains("io_uring") && names.contains("processors") && !names.contains("store"))
    let store = try Tool.run(["doctor", Tool.store.get(), "--mem-limit", "1G"])
    #expect(store.status == 0, "\(store.output)")
    #expect(store.output.contains("pass  store") && store.output.contains(" 0 fail"))
    let small = try Tool.run(["doctor", Tool.store.get(), "--mem-limit", "5M"])
    #expect(small.status == 1)
    #expect(small.output.contains("fail  memory") && small.output.contains("1 fail"))
  }

  @Test func doctorSaysWhatIsWrongWithAStore() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let copy = folder.path + "/cut.flash"
    try FileManager.default.copyItem(atPath: Tool.store.get(), toPath: copy)
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: copy + "/bundles.bin"))
    try file.truncate(atOffset: 4096)
    let outcome = try Tool.run(["doctor", copy])
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("fail  store") && outcome.output.contains("is cut short"))
  }

  @Test func aTraceIsReplayedAndPredictedFrom() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let trace = folder.path + "/run.json"
    let run = try Tool.run([
      "run", "-m", Tool.store.get(), "-p", "Once upon a time", "-n", "4", "-c", "64", "--mem-limit",
      "74M", "--ignore-eos", "--temp", "0", "--trace", trace,
    ])
    #expect(run.status == 0, "\(run.error)")
    let page = folder.path + "/page.html"
    let outcome = try Tool.run(["io", "replay", trace, "--format", "json", "--html", page])
    #expect(outcome.status == 0, "\(outcome.error)")
    let report = try object(outcome)
    let recorded = try #require(report["recorded"] as? [String: Any])
    #expect(recorded["tokens"] as? Int == 3)
    let predictions = try #require(report["predictions"] as? [[String: Any]])
    #expect(predictions.contains { $0["is_recorded"] as? Bool == true })
    let text = try String(contentsOfFile: page, encoding: .utf8)
    #expect(text.hasPrefix("<!DOCTYPE html>") && text.contains("flashrun io replay"))

    let small = folder.path + "/small"
    try Data(count: 4096).write(to: URL(fileURLWithPath: small))
    let tooSmall = try Tool.run(["io", "replay", trace, "--device", small])
    #expect(tooSmall.status == 64 && tooSmall.error.contains("recorded reads go up to"))
    let missing = try Tool.run(["io", "replay", trace, "--device", folder.path + "/none"])
    #expect(missing.status == 66, "\(missing.error)")
  }
}
