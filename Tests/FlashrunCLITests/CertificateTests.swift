import FlashKernels
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

@testable import FlashrunCLI

/// What users see of a certificate, and where they are refused without one.
@Suite struct CertificateTests {
  /// The sample with made-up predictors, and the same without.
  private static let calibrated = Result {
    let converted = try ConvertedStore.sample(.q8_0)
    _ = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 1), in: converted.store)
    return converted
  }

  @Test func aPredictedRunPrintsItsPrice() throws {
    let store = try Self.calibrated.get().store
    let outcome = try Tool.run([
      "run", store.path, "-p", "Once", "-n", "4", "--temp", "0", "--sparsity", "predicted",
      "--stats", "json",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("flashrun: ") && $0.contains(" · predicted · ") })
    let price = "certificate  recall 99.0% · perplexity +0.6% · KL 0.004 · top-1 97.9%"
    #expect(lines.contains { $0 == price + " · priced on 8,192 tokens" })
    let json = try #require(lines.last)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let certificate = try #require(object["certificate"] as? [String: Any])
    #expect(certificate["recall"] as? Double == 0.99)
    #expect(certificate["priced_tokens"] as? Int == 8192)
    #expect(object["mode"] as? String == "predicted")
  }

  @Test func logitsAndPerplexitySayWhatTheModeCosts() throws {
    let store = try Self.calibrated.get().store
    let outcome = try Tool.run([
      "logits", store.path, "--tokens", "1,2,3", "-o", "/dev/null", "--sparsity", "predicted",
      "--compute-resident-gates",
    ])
    #expect(outcome.error.contains("recall 99.0%"), "\(outcome.error)")
    #expect(outcome.error.contains("--compute-resident-gates: the answer depends"))
  }

  @Test func inspectShowsTheCertificateOfAStoreThatHasOne() throws {
    let store = try Self.calibrated.get().store
    let text = try Tool.run(["inspect", store.path])
    #expect(text.output.contains("recall") && text.output.contains("made-up.txt"))
    #expect(text.output.contains("20.120 +/- 0.500 predicted"))
    let json = try Tool.run(["inspect", store.path, "--json"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let certificate = try #require(object["certificate"] as? [String: Any])
    #expect((certificate["new_bytes_per_token"] as? [Any])?.count == 16)
    let layers = try #require(object["layers"] as? [[String: Any]])
    let predictor = try #require(layers[0]["predictor"] as? [String: Any])
    #expect((predictor["measured"] as? [String: Any])?["recall"] as? Double == 0.99)
    let plain = try Tool.store.get()
    for arguments in [["inspect", plain], ["inspect", plain, "--json"]] {
      #expect(try !Tool.run(arguments).output.lowercased().contains("recall"))
    }
  }

  @Test func autoStaysLosslessAndPrintsTheHint() throws {
    let store = try Self.calibrated.get().store
    let plan = try Tool.run(["plan", store.path, "-c", "128", "--sparsity", "predicted", "--json"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(plan.output.utf8)) as? [String: Any])
    let floor = try #require(object["minimum_bytes"] as? Int)
    let arguments = [
      "run", store.path, "-p", "Once", "-n", "2", "--temp", "0", "-c", "128", "--mem-limit",
      "\(floor + 100_000)",
    ]
    let low = try Tool.run(arguments)
    #expect(low.status == 0, "\(low.error)")
    #expect(!low.error.contains("certificate  "))
    #expect(
      low.error.contains("x less here, perplexity +0.6%: --sparsity predicted"), "\(low.error)")
    let dense = try Tool.run(arguments + ["--sparsity", "dense"])
    #expect(!dense.error.contains("--sparsity predicted"))
  }

  /// A SwiGLU model with made-up thresholds, and the same without.
  private static func smooth(calibrated: Bool) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    var model = TinyModel(
      family: .llama, seed: 3, keyValueHeads: [2, 2, 2], feedForwardWidth: 96, activation: .silu)
    model.hasTokenizer = false
    try model.write(to: folder.path + "/tiny")
    let converted = try ConvertedStore(folder.path + "/tiny", .q8_0)
    guard calibrated else { return converted }
    _ = try TestCalibration.install(
      TestCalibration.thresholds(converted.store, 0.25, seed: 1), in: converted.store)
    return converted
  }

  @Test func aRunByThresholdPrintsItsPriceAndInspectTheThresholds() throws {
    let converted = try Self.smooth(calibrated: true)
    let store = converted.store.path
    let arguments = ["logits", store, "--tokens", "1,2,3", "-o", "/dev/null"]
    let outcome = try Tool.run(arguments + ["--sparsity", "threshold"])
    #expect(outcome.status == 0, "\(outcome.error)")
    let price = "certificate  active 12.0%, keeping 99.6% · perplexity +0.6% · KL 0.004"
    #expect(outcome.error.contains(price), "\(outcome.error)")
    let dense = try Tool.run(arguments)
    #expect(dense.status == 0 && !dense.error.contains("certificate"))
    let text = try Tool.run(["inspect", store]).output
    for word in ["threshold", "0.25", "kept", "20.120 +/- 0.500 threshold"] {
      #expect(text.contains(word), "\(word) in \(text)")
    }
    #expect(!text.contains("predictors"))
    let plan = try Tool.run(["plan", store, "--sparsity", "threshold", "--json"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(plan.output.utf8)) as? [String: Any])
    #expect(object["mode"] as? String == "threshold")
    #expect(try Tool.run(["verify", store]).status == 0)
    #expect(try Tool.run(["doctor", store]).output.contains("threshold changes perplexity"))
    let table = try Tool.run([
      "bench", store, "--compare-modes", "-p", "4", "-n", "2", "-t", "1", "-o", "csv",
      "--mem-limit", "1G",
    ])
    #expect(table.status == 0, "\(table.error)")
    #expect(table.output.contains("threshold") && table.output.contains("dense"))
  }

  @Test func withoutThresholdsCalibrateIsNamed() throws {
    let converted = try Self.smooth(calibrated: false)
    let store = converted.store.path
    let logits = ["logits", store, "--tokens", "1", "-o", "/dev/null", "--sparsity"]
    let cases: [([String], String)] = [
      (logits + ["threshold"], "flashrun calibrate STORE"),
      (logits + ["predicted"], "--sparsity threshold"),
      (["calibrate", store, "--self-text", "9", "--budget", "3%"], "are given thresholds"),
      (["calibrate", store, "--self-text", "9", "--price-only"], "no predictors or thresholds"),
    ]
    for (arguments, words) in cases {
      let outcome = try Tool.run(arguments)
      #expect(outcome.status == 64, "\(arguments)")
      #expect(outcome.error.contains(words), "\(outcome.error)")
    }
  }

  @Test func aCertificateOfAnotherStoreIsRefused() throws {
    let own = try Self.calibrated.get().store
    let other = try ConvertedStore.sample(.q4_0)
    try FileManager.default.copyItem(
      atPath: own.calibrationPath, toPath: other.store.calibrationPath)
    let outcome = try Tool.run(["run", other.store.path, "-p", "x", "--sparsity", "predicted"])
    #expect(outcome.status == 65)
    #expect(outcome.error.contains(own.manifest.modelDigest))
    #expect(outcome.error.contains(other.store.manifest.modelDigest))
  }

  @Test func countsAreGroupedAndChangesHaveASign() {
    #expect(
      [0, 999, 8192, 1_234_567, -4321].map(Units.grouped) == [
        "0", "999", "8,192", "1,234,567", "-4,321",
      ])
    #expect([0.006, -0.0012, 0].map(CertificateSummary.change) == ["+0.6%", "-0.1%", "+0.0%"])
  }
}
