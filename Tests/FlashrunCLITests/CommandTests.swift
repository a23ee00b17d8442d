import FlashTestSupport
import Foundation
import Testing

/// The commands on the bundled sample, run as processes.
@Suite(.enabled(if: isOptimizedBuild, "needs an optimized build"))
struct CommandTests {
  static let prompt = "It was a dark and stormy night; the rain"
  static let greedy = " was dark and dark, and the sun"

  @Test func aRunPrintsPromptAndTextAndEndsWithTheFooter() throws {
    let outcome = try Tool.run([
      "-m", Tool.store.get(), "-p", Self.prompt, "-n", "8", "--temp", "0", "--stats", "json",
    ])
    #expect(outcome.status == 0)
    #expect(outcome.output == Self.prompt + Self.greedy + "\n")
    let lines = outcome.error.split(separator: "\n")
    for start in ["flashrun: ", "prompt   13 tok", "decode    7 tok", "flash   ", "memory  peak "] {
      #expect(lines.contains { $0.hasPrefix(start) }, "\(start)")
    }
    #expect(lines.contains { $0.hasPrefix("seed ") })
    let last = try #require(lines.last)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    #expect(json["generated_tokens"] as? Int == 8)
    #expect(json["stop_reason"] as? String == "maximum_tokens")
    #expect(json["written_bytes"] as? Int == 0)
  }

  @Test func theSampleRunsWithoutAModelAlsoTwiceAtOnce() async throws {
    // Of its own: other tests make the sample's store at first use, too.
    let environment = ["XDG_CACHE_HOME": Tool.folder + "/sample-cache"]
    let outcomes = try await withThrowingTaskGroup(of: Tool.Outcome.self) { group in
      for _ in 0..<2 {
        group.addTask { try Tool.run(["-n", "2", "--temp", "0"], environment: environment) }
      }
      return try await group.reduce(into: [Tool.Outcome]()) { $0.append($1) }
    }
    for outcome in outcomes {
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.output == Self.prompt + " was dark\n")
    }
    #expect(outcomes.filter { $0.error.contains("first use: converting") }.count == 1)
  }

  @Test func quietRunsWriteOnlyTheirText() throws {
    let outcome = try Tool.run([
      Tool.store.get(), "-p", Self.prompt, "-n", "8", "--temp", "0", "--quiet",
      "--no-display-prompt",
    ])
    #expect(outcome.output == Self.greedy + "\n")
    #expect(outcome.error.isEmpty)
  }

  @Test func thePromptMayComeThroughAPipe() throws {
    for arguments in [["-f", "-"], []] {
      let outcome = try Tool.run(
        ["-m", Tool.store.get(), "-n", "8", "--temp", "0"] + arguments, input: Self.prompt + "\n")
      #expect(outcome.output == Self.prompt + Self.greedy + "\n")
    }
  }

  @Test func optionsMayComeFromTheEnvironmentAndTheFile() throws {
    let folder = Tool.folder + "/configured"
    try FileManager.default.createDirectory(
      atPath: folder + "/flashrun", withIntermediateDirectories: true)
    let file = URL(fileURLWithPath: folder + "/flashrun/config.json")
    try Data(#"{"temp": 0, "predict": 3}"#.utf8).write(to: file)
    let outcome = try Tool.run(
      ["-p", Self.prompt, "--no-display-prompt"],
      environment: [
        "XDG_CONFIG_HOME": folder, "FLASHRUN_PREDICT": "8",
        "FLASHRUN_MODEL": Tool.store.get(),
      ])
    #expect(outcome.output == Self.greedy + "\n")
  }

  @Test func aFullContextIsSaidAndIsNoError() throws {
    let outcome = try Tool.run([
      Tool.store.get(), "-p", Self.prompt, "-c", "16", "--temp", "0", "--ignore-eos",
    ])
    #expect(outcome.status == 0)
    #expect(outcome.error.contains("the context of 16 positions is full"))
  }

  @Test func aPromptThatDoesNotFitNamesBothNumbers() throws {
    let outcome = try Tool.run([Tool.store.get(), "-p", Self.prompt, "-c", "8"])
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("the prompt has 13 tokens but the context holds 8"))
  }

  @Test func aLimitBelowTheFloorShowsTheSumAndTheFixes() throws {
    let outcome = try Tool.run([Tool.store.get(), "-p", "x", "--mem-limit", "4M"])
    #expect(outcome.status == 3)
    for text in ["the limit is 4.00 MiB", "kv cache", "nearest fixes:", "--mem-limit"] {
      #expect(outcome.error.contains(text), "\(text)")
    }
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func aSignalStopsTheTextAndPrintsTheFooter(signal: Int32) throws {
    let outcome = try Tool.run(
      [Tool.store.get(), "-p", Self.prompt, "--temp", "0", "--ignore-eos"]
    ) { kill($0, signal) }
    #expect(outcome.status == 128 + signal)
    #expect(outcome.output.hasPrefix(Self.prompt))
    #expect(outcome.error.contains("memory  peak "))
  }

  @Test func aStoreWithoutTokenizerRefusesTextAndTakesTokens() throws {
    let store = try Tool.textless.get()
    for arguments in [
      ["run", "-m", store, "-p", "x"],
      ["perplexity", "-m", store, "-f", #filePath],
      ["tokenize", "-m", store],
    ] {
      let outcome = try Tool.run(arguments, input: "\"x\"\n")
      #expect(outcome.status == 66, "\(arguments[0])")
      #expect(outcome.error.contains("has no tokenizer"), "\(arguments[0]): \(outcome.error)")
    }
    let file = Tool.folder + "/textless.f32"
    let outcome = try Tool.run(["logits", "-m", store, "--tokens", "0,787", "-o", file])
    #expect(outcome.status == 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)).count == 2 * 4096 * 4)
  }

  @Test func aCheckpointIsRefusedWithTheWayToConvertIt() throws {
    let outcome = try Tool.run(["-m", Tool.checkpoint, "-p", "x"])
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("flashrun convert \(Tool.checkpoint) novels-13m.flash"))
  }

  @Test func planNamesTheFloorAndTheItems() throws {
    let outcome = try Tool.run(["plan", "-m", Tool.store.get(), "--json", "-c", "64"])
    #expect(outcome.status == 0)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let model = try #require(json["model_bytes"] as? Int)
    let minimum = try #require(json["minimum_bytes"] as? Int)
    let resident = try #require(json["resident_bytes"] as? Int)
    #expect(model >= 12_914_944 * 4 && minimum < resident && resident > model)
    let items = try #require(json["items"] as? [[String: Any]])
    #expect(
      items.compactMap { $0["bytes"] as? Int }.reduce(0, +) == json["plan_bytes"] as? Int)
  }

  @Test func inspectShowsEveryLayer() throws {
    let outcome = try Tool.run(["inspect", Tool.store.get(), "--json"])
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let layers = try #require(json["layers"] as? [[String: Any]])
    #expect(layers.compactMap { $0["key_value_heads"] as? Int } == [4, 4, 4, 2, 2, 1, 1, 2])
    #expect(json["synthetic"] as? Bool == false)
    let text = try Tool.run(["inspect", Tool.store.get()]).output
    #expect(text.contains("8 layers, width 256"))
    #expect(!text.contains("recall"))
  }

  @Test func aSyntheticMixtureSaysHowItsExpertsAreChosen() throws {
    let shape = Tool.folder + "/mixture.json"
    let text = """
      {
        "architectures": ["OlmoeForCausalLM"], "hidden_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 32,
        "num_experts": 16, "num_experts_per_tok": 2, "vocab_size": 300,
        "max_position_embeddings": 128, "tie_word_embeddings": false
      }
      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: shape))
    let store = Tool.folder + "/mixture.flash"
    let made = try Tool.run([
      "synth", store, "--shape", shape, "--type", "q8_0", "--routing-skew", "1",
    ])
    #expect(made.status == 0)
    let seen = try Tool.run(["inspect", store])
    #expect(seen.output.contains("2 a token, softmax, popularity rank^-1.00"))
    #expect(seen.output.contains("measured over 64 tokens: experts' popularity rank^-"))
    #expect(seen.output.contains(/; reuse \d\.\d\d at lag 1, \d\.\d\d at lag 4/))
    #expect(seen.output.contains("% known a layer ahead"))
    #expect(try !Tool.run(["inspect", store, "--activity", "0"]).output.contains("measured"))
    let small = try Tool.run(["run", "-m", store, "--mem-limit", "1M", "-p", "a", "-n", "1"])
    #expect(small.status == 3 && small.error.contains("are needed"))
  }

  @Test func verifyNamesWhatIsDamaged() throws {
    #expect(try Tool.run(["verify", Tool.store.get()]).status == 0)
    let copy = Tool.folder + "/damaged.flash"
    try FileManager.default.copyItem(atPath: Tool.store.get(), toPath: copy)
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: copy + "/bundles.bin"))
    try file.seek(toOffset: 100_000)
    try file.write(contentsOf: Data([0xAA, 0x55]))
    try file.close()
    let outcome = try Tool.run(["verify", copy])
    #expect(outcome.status == 65)
    #expect(outcome.output.contains("layers.0"))
    #expect(outcome.error.contains("1 part is damaged"))
  }

  @Test func tokenizeGoesThereAndBack() throws {
    let store = try Tool.store.get()
    let lines = "\"\(Self.prompt)\"\n\"<|endoftext|>\"\n"
    let ids = try Tool.run(["tokenize", "-m", store, "--no-special"], input: lines).output
    #expect(ids == "[787,311,259,1081,279,345,285,1522,904,27,263,2815]\n[0]\n")
    let special = try Tool.run(["tokenize", "-m", store], input: "\"\(Self.prompt)\"\n").output
    #expect(special.hasPrefix("[0,787,"))
    let back = try Tool.run(["tokenize", "-m", store, "--decode", "--no-special"], input: ids)
    #expect(back.output == lines)
    let plain = try Tool.run(
      ["tokenize", "-m", store, "--no-special", "--no-parse-special"], input: lines)
    #expect(plain.output.split(separator: "\n").last != "[0]")
    let wrong = try Tool.run(["tokenize", "-m", store], input: "\"ok\"\nnot json\n")
    #expect(wrong.status == 65)
    #expect(wrong.error.contains("line 2"))
  }

  @Test func perplexityPrintsLlamaCppsLine() throws {
    let text = Tool.folder + "/text.txt"
    let sentence = "The old house stood upon the hill, and nobody had been there for many years. "
    try Data(String(repeating: sentence, count: 6).utf8).write(to: URL(fileURLWithPath: text))
    let outcome = try Tool.run([
      "perplexity", "-m", Tool.store.get(), "-f", text, "-c", "32", "--chunks", "2",
    ])
    #expect(outcome.status == 0)
    #expect(
      outcome.output.contains(
        /\[1\]\d+\.\d{4},\[2\]\d+\.\d{4},\nFinal estimate: PPL = \d+\.\d{4} \+\/- \d+\.\d{5}\n/))
    let short = try Tool.run(["perplexity", "-m", Tool.store.get(), "-f", text, "-c", "250"])
    #expect(short.status == 64)
    #expect(short.error.contains("fewer than one chunk of 250"))
  }
}
