import Foundation
import Testing

@testable import FlashWeights

/// Layouts: the folder and the binary agree, configurations are read right, and what the decoder
/// does not compute is refused by name.
struct LayoutTests {
  /// An architecture that no layout could describe is refused with what the decoder lacks.
  @Test(arguments: [
    ("MambaForCausalLM", "state-space"), ("mamba2", "state-space"), ("nemotron_h", "state-space"),
    ("falcon-h1", "state-space"), ("rwkv7", "RWKV"), ("deepseek2", "latent attention"),
    ("BloomForCausalLM", "ALiBi"), ("T5ForConditionalGeneration", "encoder"),
    ("qwen3next", "linear attention"), ("GPT2LMHeadModel", "Conv1D"),
  ])
  func whatAnArchitectureNeedsIsNamed(architecture: String, part: String) throws {
    let json = JSONValue.object(["architectures": .array([.string(architecture)])])
    let error = #expect(throws: StoreError.self) {
      try Layout.recognizing(json, among: Layout.builtIn, file: "config.json")
    }
    #expect(error?.kind == .unsupportedModel && error?.found == architecture)
    #expect(error?.problem.contains(part) == true)
  }

  @Test func noArchitectureOfALayoutIsCalledMissing() {
    for layout in Layout.builtIn {
      let names = layout.recognizes.map(\.architecture) + (layout.gguf?.architectures ?? [])
      for name in names { #expect(Layout.missingPart(of: name) == nil, "\(name)") }
    }
  }

  @Test func binaryCarriesTheFolder() throws {
    let folder = SharedFiles.package + "/layouts"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".json") }.sorted()
    #expect(names == BuiltInLayouts.texts.map { $0.name + ".json" })
    for (name, text) in BuiltInLayouts.texts {
      let file = try String(contentsOfFile: "\(folder)/\(name).json", encoding: .utf8)
      #expect(
        file.trimmingCharacters(in: .newlines) == text.trimmingCharacters(in: .newlines),
        "layouts/\(name).json changed: run scripts/embed-layouts")
      #expect(try Layout(contentsOf: "\(folder)/\(name).json").name == name)
    }
    #expect(Layout.builtIn.map(\.name) == BuiltInLayouts.texts.map(\.name))
  }

  @Test func layoutSurvivesTheManifest() throws {
    for layout in Layout.builtIn {
      let text = JSONText.encode(layout)
      #expect(try Layout(text: text, file: "x") == layout)
    }
  }

  /// The text of a layout that changes `like`.
  private func change(of like: String, _ members: String) -> [UInt8] {
    Array(#"{"name": "x", "like": \#(like), \#(members)}"#.utf8)
  }

  @Test func aLayoutLikeAnotherSaysItsDifferences() throws {
    let llama = try #require(Layout.builtIn.first { $0.name == "llama" })
    func pattern(
      _ role: TensorRole, isBias: Bool = false, of layout: Layout
    ) -> Layout.TensorPattern? {
      layout.tensors.first { $0.role == role && $0.isBias == isBias }
    }
    let changed = try Layout(
      text: change(
        of: #""llama""#,
        #"""
        "decoder": {
          "keyValueHeads": { "keys": ["groups"] }, "activation": { "allowed": { "relu": null } }
        },
        "tensors": [
          { "role": "query", "isBias": true, "name": null },
          { "role": "outputHead", "isBias": false, "name": "head.weight" },
          { "role": "queryNorm", "isBias": false, "name": "l.{layer}.q_norm" }
        ],
        "gguf": null
        """#), file: "x.json")
    var decoder = llama.decoder
    decoder.keyValueHeads.keys = ["groups"]
    decoder.activation.allowed["relu"] = nil
    #expect(changed.decoder == decoder && changed.gguf == nil && llama.gguf != nil)
    #expect(changed.recognizes == llama.recognizes && changed.name == "x")
    #expect(changed.tensors.count == llama.tensors.count)
    #expect(pattern(.query, isBias: true, of: changed) == nil)
    #expect(pattern(.query, of: changed) == pattern(.query, of: llama))
    #expect(pattern(.outputHead, of: changed)?.name == "head.weight")
    #expect(pattern(.queryNorm, of: changed)?.name == "l.{layer}.q_norm")
  }

  @Test(arguments: [#""no-such""#, "7", "null"])
  func aLayoutLikeNoneThatThereIsIsRefused(like: String) {
    let error = #expect(throws: StoreError.self) {
      try Layout(text: change(of: like, #""gguf": null"#), file: "x.json")
    }
    #expect(error?.kind == .layout && error?.file == "x.json")
    #expect(error?.problem.contains("is \"like\" no other layout") == true)
    #expect(error?.expected?.contains("llama") == true)
  }

  @Test func aMisspeltKeyOfADifferenceIsRefused() {
    let error = #expect(throws: StoreError.self) {
      try Layout(
        text: change(of: #""llama""#, #""decoder": { "keyValueHead": { "keys": [] } }"#),
        file: "x.json")
    }
    #expect(error.map(String.init(describing:))?.contains("keyValueHead") == true)
  }

  /// A small Llama configuration with some keys replaced; a nil value removes the key.
  private func llama(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
    var json: [String: JSONValue] = [
      "architectures": .array([.string("LlamaForCausalLM")]), "hidden_size": .integer(64),
      "num_hidden_layers": .integer(3), "num_attention_heads": .integer(4),
      "intermediate_size": .integer(160), "vocab_size": .integer(320),
      "max_position_embeddings": .integer(256), "rms_norm_eps": .number(1e-5),
      "hidden_act": .string("silu"),
    ]
    for (key, value) in changes { json[key] = value }
    return .object(json)
  }

  private func read(_ json: JSONValue) throws(StoreError) -> ModelConfiguration {
    let layout = try Layout.recognizing(json, among: Layout.builtIn, file: "config.json")
    return try layout.configuration(from: json, file: "config.json")
  }

  private func rotary(_ json: JSONValue) throws -> RotaryConfiguration? {
    if case .rotary(let rotary) = try read(json).positions { rotary } else { nil }
  }

  @Test func absentKeysHaveTheFamilysDefaults() throws {
    let configuration = try read(llama())
    #expect(configuration.headDimension == 16)
    #expect(configuration.layers.map(\.keyValueHeads) == [4, 4, 4])
    #expect(!configuration.hasTiedHead)
    #expect(configuration.endTokenIDs == [] && configuration.beginTokenID == nil)
    #expect(
      configuration.positions
        == .rotary(RotaryConfiguration(base: 10000, dimension: 16, scaling: .none)))
  }

  @Test func endTokensMayBeAList() throws {
    let json = llama([
      "eos_token_id": .array([.integer(7), .integer(9)]), "bos_token_id": .integer(5),
    ])
    #expect(try read(json).endTokenIDs == [7, 9])
    #expect(try read(json).beginTokenID == 5)
  }

  @Test func headDimensionMayBeGiven() throws {
    let configuration = try read(llama(["head_dim": .integer(32)]))
    #expect(configuration.headDimension == 32)
    #expect(try read(llama(["head_dim": .null])).headDimension == 16)
  }

  @Test func listOfKeyValueHeadsWinsOverTheNumber() throws {
    for architecture in ["DeciLMForCausalLM", "LlamaForCausalLM"] {
      let json = llama([
        "architectures": .array([.string(architecture)]), "num_key_value_heads": .integer(4),
        "num_key_value_heads_per_layer": .array([.integer(4), .integer(2), .integer(1)]),
        "model_type": .string("llama"),
      ])
      #expect(try read(json).layers.map(\.keyValueHeads) == [4, 2, 1])
    }
  }

  @Test func everySpellingOfRotaryScalingIsRead() throws {
    let old: JSONValue = .object(["type": .string("dynamic"), "factor": .number(2)])
    #expect(
      try rotary(llama(["rope_scaling": old]))?.scaling
        == .dynamic(factor: 2, originalMaximumPositions: 256))
    let linear: JSONValue = .object(["rope_type": .string("linear"), "factor": .integer(4)])
    #expect(
      try rotary(llama(["rope_scaling": linear, "rope_theta": .integer(5)]))
        == RotaryConfiguration(base: 5, dimension: 16, scaling: .linear(factor: 4)))
    let new: JSONValue = .object([
      "rope_type": .string("llama3"), "rope_theta": .number(500_000), "factor": .number(8),
      "low_freq_factor": .number(1), "high_freq_factor": .number(4),
      "original_max_position_embeddings": .integer(64),
    ])
    #expect(
      try rotary(llama(["rope_parameters": new]))
        == RotaryConfiguration(
          base: 500_000, dimension: 16,
          scaling: .llama3(
            factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4,
            originalMaximumPositions: 64)))
    #expect(try rotary(llama(["rope_scaling": .null]))?.scaling == RotaryConfiguration.Scaling.none)
  }

  @Test(arguments: [
    ("hidden_act", JSONValue.string("gelu")), ("hidden_act", .integer(3)),
    ("rope_scaling", .object(["type": .string("ntk"), "factor": .number(4)])),
    ("rope_scaling", .object(["type": .string("yarn"), "mscale": .number(1)])),
    ("rope_scaling", .object(["factor": .number(4)])),
    ("rope_scaling", .object(["type": .string("linear"), "factor": .number(4), "x": .integer(1)])),
    ("rope_parameters", .object(["full_attention": .object([:])])),
    ("sliding_window", .integer(4096)), ("mlp_bias", .bool(true)),
    ("layer_types", .array([.string("full_attention"), .string("sliding_attention")])),
    ("quantization_config", .object(["quant_method": .string("gptq")])),
    ("use_qk_norm", .bool(true)), ("attn_logit_softcapping", .number(50)),
    ("num_local_experts", .integer(8)),
    ("architectures", .array([.string("BloomForCausalLM")])),
  ])
  func whatTheDecoderDoesNotComputeIsRefused(key: String, value: JSONValue) throws {
    let error = #expect(throws: StoreError.self) { try read(llama([key: value])) }
    #expect(error?.kind == .unsupportedModel)
    #expect(error?.found != nil || error?.expected != nil)
  }

  @Test(arguments: [
    ("hidden_size", JSONValue?.none), ("hidden_size", .integer(0)), ("hidden_size", .string("64")),
    ("num_attention_heads", .integer(5)), ("num_key_value_heads", .integer(3)),
    ("num_key_value_heads", .integer(-4)), ("num_hidden_layers", .integer(1 << 40)),
    ("vocab_size", .number(1.5)), ("eos_token_id", .integer(-1)),
    ("intermediate_size", .array([.integer(1)])), ("rope_theta", .integer(0)),
    ("rms_norm_eps", .string("1e-5")), ("tie_word_embeddings", .integer(1)),
    ("architectures", .array([])), ("rope_scaling", .object(["type": .string("linear")])),
  ])
  func falseNumbersAreNamed(key: String, value: JSONValue?) throws {
    let error = #expect(throws: StoreError.self) { try read(llama([key: value])) }
    #expect(error?.kind == .configuration)
    #expect(error?.file == "config.json")
  }

  @Test(arguments: [(0.5, 16, 8), (0.4, 80, 32), (0.58, 100, 58), (0.3333333333, 6, 2)])
  func rotatedPartIsRounded(part: Double, headDimension: Int, dimension: Int) throws {
    let json = llama([
      "partial_rotary_factor": .number(part), "head_dim": .integer(headDimension),
    ])
    #expect(try rotary(json)?.dimension == dimension)
  }

  @Test(arguments: [(0.3, 16), (0.3125, 16), (0.001, 16), (0.29, 100), (0.300001, 80)])
  func rotatedPartMustBeWholeAndEven(part: Double, headDimension: Int) throws {
    let json = llama([
      "partial_rotary_factor": .number(part), "head_dim": .integer(headDimension),
    ])
    let error = #expect(throws: StoreError.self) { try read(json) }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("whole, even number of dimensions") == true)
    #expect(error?.found?.contains("\(part) of \(headDimension)") == true)
  }

  @Test func slidingWindowThatIsOffIsAccepted() throws {
    let json = llama(["sliding_window": .integer(4096), "use_sliding_window": .bool(false)])
    #expect(try read(json).layers.count == 3)
  }

  @Test func unknownKeysAreNamed() throws {
    let json = llama(["logit_bias_of_the_moon": .integer(1), "torch_dtype": .string("float32")])
    let layout = try Layout.recognizing(json, among: Layout.builtIn, file: "x")
    #expect(layout.unknownKeys(of: json) == ["logit_bias_of_the_moon"])
  }

  @Test(arguments: [
    ("do_layer_norm_before", JSONValue.bool(false), "post-LN"),
    ("word_embed_proj_dim", .integer(512), "project_in"),
    ("_remove_final_layer_norm", .bool(true), "final norm"),
    ("activation_function", .string("gelu"), "activation"),
  ])
  func otherKindsOfOPTAreRefused(key: String, value: JSONValue, part: String) throws {
    var json: [String: JSONValue] = [
      "architectures": .array([.string("OPTForCausalLM")]), "hidden_size": .integer(64),
      "num_hidden_layers": .integer(3), "num_attention_heads": .integer(4),
      "ffn_dim": .integer(160), "vocab_size": .integer(320),
      "max_position_embeddings": .integer(256), "word_embed_proj_dim": .integer(64),
    ]
    #expect(try read(.object(json)).positions == .learned(offset: 2))
    #expect(try read(.object(json)).hasTiedHead)
    json[key] = value
    let error = #expect(throws: StoreError.self) { try read(.object(json)) }
    #expect(error?.kind == .unsupportedModel)
    #expect(error?.description.contains(part) == true)
  }

  @Test func layoutFileThatIsWrongSaysWhere() throws {
    let good = try String(
      contentsOfFile: SharedFiles.package + "/layouts/llama.json", encoding: .utf8)
    let broken = [
      ("\"isGated\": true,", "", "isGated"),
      ("\"role\": \"gate\"", "\"role\": \"gatte\"", "gatte"),
      ("\"role\": \"gate\"", "\"role\": \"up\"", "two tensors for up"),
      ("model.layers.{layer}.mlp.up_proj", "model.mlp.up_proj", "{layer}"),
      ("\"prefixes\": [\"\"]", "\"prefixes\": []", "prefixes"),
      ("\"name\": \"llama\"", "\"name\": \"llama\", \"name\": \"x\"", "twice"),
    ]
    let unknown = [
      ("\"isGated\": true,", "\"isGated\": true, \"isGatd\": 1,", "key \"isGatd\" at decoder"),
      ("\"isBias\": true,", "\"isBias\": true, \"whne\": {},", "key \"whne\" at tensors["),
      ("\"name\": \"llama\"", "\"name\": \"llama\", \"nme\": \"x\"", "key \"nme\" at the top"),
      ("\"base\": {", "\"base\": { \"absnt\": 1,", "\"absnt\" at decoder.positions.rotary.base"),
    ]
    let folder = ScratchFolder()
    for (text, replacement, word) in broken + unknown {
      #expect(good.contains(text))
      let range = good.range(of: text)!
      try good.replacingCharacters(in: range, with: replacement)
        .write(toFile: folder / "l.json", atomically: false, encoding: .utf8)
      let error = #expect(throws: StoreError.self) { try Layout(contentsOf: folder / "l.json") }
      #expect(error?.kind == .layout)
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
  }
}
