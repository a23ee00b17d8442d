import FlashTestSupport
import Foundation
import Testing

/// GGUF files through the command line: what is accepted, what it becomes, and its text.
struct GGUFCommandTests {
  private struct Vectors: Decodable {
    struct Case: Decodable {
      var file: String
      var expect: String
    }
    var cases: [Case]
  }

  @Test(.enabled(if: ProjectFiles.shared("vectors/gguf") != nil, "shared folder is missing"))
  func inspectAcceptsAndRefusesThePublishedFiles() throws {
    let folder = try #require(ProjectFiles.shared("vectors/gguf"))
    let text = try Data(contentsOf: URL(filePath: folder + "/manifest.json"))
    for vector in try JSONDecoder().decode(Vectors.self, from: text).cases {
      let outcome = try Tool.run(["inspect", folder + "/" + vector.file])
      #expect(outcome.status == (vector.expect == "accept" ? 0 : 65), "\(vector.file)")
    }
  }

  @Test func inspectShowsTheStoreThatWouldBe() throws {
    var file = GGUFBuilder.llama()
    file.addTokenizer("llama")
    let path = Tool.folder + "/inspected.gguf"
    try Data(file.bytes).write(to: URL(filePath: path))
    let text = try Tool.run(["inspect", path])
    #expect(text.status == 0 && text.output.contains("smallest limit"))
    let outcome = try Tool.run(["inspect", path, "--json"])
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let conversion = try #require(json["conversion"] as? [String: Any])
    #expect(try #require(conversion["minimum_bytes"] as? Int) > 0)
    let store = try #require(conversion["store"] as? [String: Any])
    #expect((store["layers"] as? [[String: Any]])?.map { $0["key_value_heads"] as? Int } == [2, 1])
  }

  @Test func inspectShowsCheckpoints() throws {
    let outcome = try Tool.run(["inspect", Tool.checkpoint])
    #expect(outcome.status == 0 && outcome.output.contains("there read per token"))
  }

  @Test func architectureThatNobodyKnowsIsInspectedAndNotConverted() throws {
    let path = Tool.folder + "/unknown.gguf"
    try Data(GGUFBuilder.llama(architecture: "qwen9").bytes).write(to: URL(filePath: path))
    let inspected = try Tool.run(["inspect", path])
    #expect(inspected.status == 0 && inspected.output.contains("cannot be converted"))
    let converted = try Tool.run(["convert", path, Tool.folder + "/unknown.flash"])
    #expect(converted.status == 65 && converted.error.contains("qwen9"))
  }

  @Test(.enabled(if: ProjectFiles.shared("models/stories260K") != nil, "shared folder is missing"))
  func tokensAreThoseOfTheCheckpoint() throws {
    let folder = try #require(ProjectFiles.shared("models/stories260K"))
    let store = Tool.folder + "/stories.flash"
    let outcome = try Tool.run(["convert", folder + "/gguf/stories260K-Q8_0.gguf", store])
    #expect(outcome.status == 0, "\(outcome.error)")
    let lines = [
      "Once upon a time, there was a little girl named Lily.", " two  spaces\\n\\ttab", "",
      "Zoë said: “¡Hola!” 日本 🙂", "<s> and </s>", "She didn't like 1234 bugs...",
    ].map { "\"\($0)\"\n" }.joined()
    let expected = try Tool.run(
      ["tokenize", "--tokenizer", folder + "/tokenizer.json"], input: lines)
    let found = try Tool.run(["tokenize", "-m", store], input: lines)
    #expect(expected.status == 0 && found.output == expected.output)
    let decoded = try Tool.run(["tokenize", "-m", store, "--decode"], input: found.output)
    let reference = try Tool.run(
      ["tokenize", "--tokenizer", folder + "/tokenizer.json", "--decode"], input: found.output)
    #expect(decoded.output == reference.output)
  }

  /// A PowerInfer file from `convert` to `--sparsity predicted`: not before it is priced.
  @Test func predictorsOfAFileRunOnceTheyArePriced() throws {
    let path = Tool.folder + "/predicted.gguf"
    let store = Tool.folder + "/predicted.flash"
    try Data(GGUFBuilder.llama().asPowerInfer(rank: 8).bytes).write(to: URL(filePath: path))
    let inspected = try Tool.run(["inspect", path])
    #expect(inspected.status == 0 && inspected.output.contains("--price-only"))
    #expect(try Tool.run(["convert", path, store]).status == 0)
    #expect(try Tool.run(["inspect", store]).output.contains("perceptron"))
    let run = [
      "logits", "-m", store, "--tokens", "1,2,3", "-o", Tool.folder + "/predicted.f32",
      "--sparsity", "predicted",
    ]
    let refused = try Tool.run(run)
    #expect(refused.status == 64 && refused.error.contains("calibrate STORE --price-only"))
    let tokens = Tool.folder + "/predicted.i32"
    try Data((0..<400).flatMap { [UInt8($0 * 7 % 96), 0, 0, 0] }).write(to: URL(filePath: tokens))
    let price = ["calibrate", store, "--price-only", "--tokens-file", tokens, "-c", "32"]
    for flag in [["--budget", "1%"], ["--price-fraction", "0.5"]] {
      #expect(try Tool.run(price + flag).status == 64)
    }
    let priced = try Tool.run(price)
    #expect(priced.status == 0, "\(priced.error)")
    #expect(priced.output.contains("of the model's makers"))
    #expect(try Tool.run(run).status == 0)
    #expect(try Tool.run(["verify", store]).status == 0)
    let without = try Tool.run(["calibrate", try Tool.store.get()] + price.dropFirst(2))
    #expect(without.status == 64 && without.error.contains("has no predictors"))
  }
}
