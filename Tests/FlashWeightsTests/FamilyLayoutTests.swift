import FlashKernels
import Foundation
import Testing

@testable import FlashWeights

/// What layouts read of the parts that only some families have.
struct FamilyLayoutTests {
  private func read(
    _ architecture: String, _ changes: [String: JSONValue]
  ) throws -> ModelConfiguration {
    var json: [String: JSONValue] = [
      "architectures": .array([.string(architecture)]), "hidden_size": .integer(64),
      "num_hidden_layers": .integer(6), "num_attention_heads": .integer(4),
      "intermediate_size": .integer(160), "vocab_size": .integer(320),
      "max_position_embeddings": .integer(8192),
    ]
    for (key, value) in changes { json[key] = value }
    let layout = try Layout.recognizing(.object(json), among: Layout.builtIn, file: "x")
    return try layout.configuration(from: .object(json), file: "x")
  }

  private func list(_ values: [Int]) -> JSONValue { .array(values.map { .integer($0) }) }

  @Test func windowsFollowListsIntervalsAndFirstLayers() throws {
    func windows(_ architecture: String, _ changes: [String: JSONValue]) throws -> [Int?] {
      try read(architecture, changes).layers.map(\.window)
    }
    let length: [String: JSONValue] = ["sliding_window": .integer(9)]
    #expect(try windows("MistralForCausalLM", length) == [9, 9, 9, 9, 9, 9])
    #expect(try windows("MistralForCausalLM", ["sliding_window": .null]).allSatisfy { $0 == nil })
    #expect(try windows("Gemma2ForCausalLM", length) == [9, nil, 9, nil, 9, nil])
    #expect(try windows("Gemma3ForCausalLM", length) == [9, 9, 9, 9, 9, nil])
    let pattern = length.merging(["sliding_window_pattern": .integer(3)]) { $1 }
    let gemma = try read("Gemma3ForCausalLM", pattern)
    #expect(gemma.layers.map(\.window) == [9, 9, nil, 9, 9, nil])
    #expect(gemma.layers.map(\.rotary) == [.local, .local, nil, .local, .local, nil])
    #expect(gemma.localRotary?.base == 10000)
    #expect(try windows("Qwen2ForCausalLM", length).allSatisfy { $0 == nil })
    let used = length.merging([
      "use_sliding_window": .bool(true), "max_window_layers": .integer(4),
    ]) { $1 }
    #expect(try windows("Qwen2ForCausalLM", used) == [nil, nil, nil, nil, 9, 9])
    let types = ["sliding", "full", "full", "sliding", "full", "full"]
    let listed = used.merging([
      "layer_types": .array(types.map { .string($0 + "_attention") })
    ]) { $1 }
    #expect(try windows("Qwen3ForCausalLM", listed) == [9, nil, nil, 9, nil, nil])
    let chunked = listed.merging([
      "layer_types": .array(types.map { _ in .string("chunked_attention") })
    ]) { $1 }
    let error = #expect(throws: StoreError.self) { try windows("Qwen3ForCausalLM", chunked) }
    #expect(error?.kind == .unsupportedModel)
  }

  @Test func layersWithoutRotaryFollowTheListOrTheInterval() throws {
    let listed = try read("SmolLM3ForCausalLM", ["no_rope_layers": list([1, 0, 1, 1, 0, 1])])
    #expect(
      listed.layers.map { $0.rotary == LayerRotary.none } == [
        false, true, false, false, true, false,
      ])
    let every = try read("SmolLM3ForCausalLM", [:])
    #expect(
      every.layers.map { $0.rotary == LayerRotary.none } == [
        false, false, false, true, false, false,
      ])
  }

  @Test func stretchedRotaryIsReadWithItsMagnitude() throws {
    func scaling(
      _ architecture: String, _ object: [String: JSONValue]
    ) throws -> RotaryConfiguration.Scaling? {
      let model = try read(
        architecture,
        ["rope_scaling": .object(object), "original_max_position_embeddings": .integer(4096)])
      if case .rotary(let rotary) = model.positions { return rotary.scaling } else { return nil }
    }
    let yarn: [String: JSONValue] = [
      "rope_type": .string("yarn"), "factor": .integer(4),
      "original_max_position_embeddings": .integer(2048),
    ]
    #expect(
      try scaling("Qwen3ForCausalLM", yarn)
        == .yarn(
          factor: 4, magnitude: 0.1 * Foundation.log(4.0) + 1, fastTurns: 32, slowTurns: 1,
          originalMaximumPositions: 2048, isTruncated: true))
    let divisors = list([1, 1, 2, 2, 3, 3, 4, 4])
    let long: [String: JSONValue] = [
      "type": .string("longrope"), "short_factor": divisors, "long_factor": divisors,
    ]
    let numbers: [Float] = [1, 1, 2, 2, 3, 3, 4, 4]
    #expect(
      try scaling("Phi3ForCausalLM", long)
        == .longRope(
          short: numbers, long: numbers,
          magnitude: (1 + Foundation.log(2.0) / Foundation.log(4096.0)).squareRoot(),
          originalMaximumPositions: 4096))
    let short = long.merging(["short_factor": list([1, 2])]) { $1 }
    #expect(throws: StoreError.self) { try scaling("Phi3ForCausalLM", short) }
  }

  @Test func embeddingsOfGemmaAreScaledAsTheirTypeRounds() throws {
    for (type, scale) in [("float32", 55.42562484741211), ("bfloat16", 55.5), ("float16", 55.4375)]
    {
      let model = try read(
        "Gemma2ForCausalLM", ["hidden_size": .integer(3072), "torch_dtype": .string(type)])
      #expect(model.scales?.embedding == scale)
      #expect(model.scales?.attention == 0.0625)
      #expect(model.caps == ModelCaps(attention: 50, logits: 30))
    }
  }

  @Test(arguments: [
    ("GraniteForCausalLM", "hidden_act", JSONValue.string("gelu")),
    ("MistralForCausalLM", "attn_logit_softcapping", .number(30)),
    ("Qwen2ForCausalLM", "no_rope_layers", .array([.integer(1)])),
    ("PhiForCausalLM", "qk_layernorm", .bool(true)),
    ("FalconForCausalLM", "alibi", .bool(true)),
    ("Gemma3ForCausalLM", "use_bidirectional_attention", .bool(true)),
    ("NemotronForCausalLM", "num_experts", .integer(8)),
    ("Olmo2ForCausalLM", "clip_qkv", .number(8)),
  ])
  func partsOfOtherFamiliesAreRefused(
    architecture: String, key: String, value: JSONValue
  ) throws {
    let windowed: [String: JSONValue] = ["sliding_window": .integer(9)]
    _ = try read(architecture, architecture.hasPrefix("Gemma") ? windowed : [:])
    let error = #expect(throws: StoreError.self) { try read(architecture, [key: value]) }
    #expect(error?.kind == .unsupportedModel)
    #expect(error?.description.contains(key) == true || key == "hidden_act")
  }

  @Test(.enabled(if: SharedFiles.has("vectors/families"), "shared/vectors/families is missing"))
  func everyFamilyIsRecognizedByItsConfiguration() throws {
    for (family, name) in [
      ("llama-relu", "llama"), ("mistral", "mistral"), ("deci", "deci"), ("opt", "opt"),
      ("nemotron-nas", "nemotron-nas"), ("qwen2", "qwen2"), ("qwen3", "qwen3"), ("phi", "phi"),
      ("phi3", "phi3"), ("falcon", "falcon"), ("gemma", "gemma"), ("gemma2", "gemma2"),
      ("gemma3", "gemma3"), ("starcoder2", "starcoder2"), ("stablelm", "stablelm"),
      ("granite", "granite"), ("smollm3", "smollm3"), ("olmo2", "olmo2"),
      ("gpt-neox", "gpt-neox"), ("nemotron", "nemotron"), ("mixtral", "mixtral"),
      ("qwen3-moe", "qwen3-moe"), ("qwen2-moe", "qwen2-moe"), ("olmoe", "olmoe"),
      ("gpt-oss", "gpt-oss"),
    ] {
      let path = SharedFiles.path("vectors/families/\(family)/config.json")
      let json = try JSONValue(contentsOf: path)
      let layout = try Layout.recognizing(json, among: Layout.builtIn, file: path)
      #expect(layout.name == name)
      #expect(layout.unknownKeys(of: json) == [], "\(family)")
    }
  }
}
