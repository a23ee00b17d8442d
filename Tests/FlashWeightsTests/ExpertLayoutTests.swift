import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// What layouts read of mixtures of experts.
struct ExpertLayoutTests {
  private func read(
    _ architecture: String, _ changes: [String: JSONValue]
  ) throws -> ModelConfiguration {
    var json: [String: JSONValue] = [
      "architectures": .array([.string(architecture)]), "hidden_size": .integer(64),
      "num_hidden_layers": .integer(4), "num_attention_heads": .integer(4),
      "intermediate_size": .integer(160), "vocab_size": .integer(320),
      "num_experts": .integer(8), "num_local_experts": .integer(8),
      "num_experts_per_tok": .integer(2), "moe_intermediate_size": .integer(48),
      "shared_expert_intermediate_size": .integer(96),
    ]
    for (key, value) in changes { json[key] = value }
    let layout = try Layout.recognizing(.object(json), among: Layout.builtIn, file: "x")
    return try layout.configuration(from: .object(json), file: "x")
  }

  private func list(_ values: [Int]) -> JSONValue { .array(values.map { .integer($0) }) }

  private static let smallThinker: [String: JSONValue] = [
    "moe_num_primary_experts": .integer(8), "moe_num_active_primary_experts": .integer(3),
    "moe_ffn_hidden_size": .integer(48), "num_experts": .null, "num_local_experts": .null,
  ]

  @Test func layersWithoutExpertsFollowStepAndList() throws {
    func shapes(_ changes: [String: JSONValue]) throws -> [[Int]] {
      try read("Qwen2MoeForCausalLM", changes).layers.map {
        [$0.expertCount ?? 0, $0.feedForwardWidth, $0.shared]
      }
    }
    let (sparse, dense) = ([8, 384, 96], [0, 0, 160])
    #expect(try shapes([:]) == [sparse, sparse, sparse, sparse])
    #expect(try shapes(["decoder_sparse_step": .integer(2)]) == [dense, sparse, dense, sparse])
    #expect(
      try shapes(["decoder_sparse_step": .integer(2), "mlp_only_layers": list([3])])
        == [dense, sparse, dense, dense])
    #expect(
      try shapes(["shared_expert_intermediate_size": .integer(0), "mlp_only_layers": list([0])])
        == [dense, [8, 384, 0], [8, 384, 0], [8, 384, 0]])
    for wrong in [list([4]), list([-1]), .integer(1)] {
      #expect(throws: StoreError.self) { try shapes(["mlp_only_layers": wrong]) }
    }
    #expect(throws: StoreError.self) { try shapes(["decoder_sparse_step": .integer(0)]) }
  }

  @Test func scoresAreNormalizedAsTheFamilySays() throws {
    func isNormalized(_ architecture: String, _ changes: [String: JSONValue] = [:]) throws -> Bool?
    {
      try read(architecture, changes).routing?.isNormalized
    }
    let normed: [String: JSONValue] = ["norm_topk_prob": .bool(true)]
    for architecture in ["Qwen3MoeForCausalLM", "Qwen2MoeForCausalLM", "OlmoeForCausalLM"] {
      #expect(try isNormalized(architecture) == false)
      #expect(try isNormalized(architecture, normed) == true)
    }
    #expect(try isNormalized("MixtralForCausalLM") == true)
    #expect(try isNormalized("GptOssForCausalLM") == true)
  }

  @Test func smallThinkerChoosesExpertsBeforeAttention() throws {
    let layout = list([0, 1, 1, 1])
    let model = try read(
      "SmallThinkerForCausalLM",
      Self.smallThinker.merging([
        "rope_layout": layout, "sliding_window_layout": layout, "sliding_window_size": .integer(9),
      ]) { $1 })
    #expect(
      model.routing
        == ExpertRouting(
          activeCount: 3, scoring: .sigmoid, isNormalized: true, readsLayerInput: true))
    #expect(model.activation == .relu)
    #expect(model.layers.map(\.window) == [nil, 9, 9, 9])
    #expect(model.layers.map(\.rotary) == [LayerRotary.none, nil, nil, nil])
    let softmax = Self.smallThinker.merging(["moe_primary_router_apply_softmax": .bool(true)]) {
      $1
    }
    #expect(try read("SmallThinkerForCausalLM", softmax).routing?.scoring == .softmax)
  }

  @Test func turboSparseExpertsHaveTwoReLUs() throws {
    let model = try read("TurboSparseMixtralForCausalLM", ["hidden_act": .string("relu")])
    #expect(model.activation == .dReLU && model.layers[0].expertCount == 8)
  }

  @Test(arguments: [
    ("GptOssForCausalLM", "swiglu_limit", JSONValue.number(5)),
    ("GptOssForCausalLM", "swiglu_alpha", .number(1)),
    ("GptOssForCausalLM", "quantization_config", .object(["quant_method": .string("fp8")])),
    ("GptOssForCausalLM", "hidden_act", .string("relu")),
    ("OlmoeForCausalLM", "clip_qkv", .number(8)),
    ("MixtralForCausalLM", "hidden_act", .string("relu")),
    ("SmallThinkerForCausalLM", "moe_enable_early_router", .bool(false)),
    ("SmallThinkerForCausalLM", "moe_layer_layout", .array([.integer(1), .integer(0)])),
  ])
  func otherArithmeticIsRefused(architecture: String, key: String, value: JSONValue) throws {
    let base = architecture.hasPrefix("Small") ? Self.smallThinker : [:]
    _ = try read(architecture, base)
    let error = #expect(throws: StoreError.self) {
      try read(architecture, base.merging([key: value]) { $1 })
    }
    #expect(error?.kind == .unsupportedModel)
  }

  @Test func whatALayoutSaysOfExpertsMustMakeSense() throws {
    func layout(_ like: String, _ pattern: String) throws -> Layout {
      try Layout(
        text: Array(#"{"name": "x", "like": "\#(like)", "tensors": [\#(pattern)]}"#.utf8),
        file: "x.json")
    }
    let (gate, bias) = (#""role": "gate", "isBias": false"#, #""role": "up", "isBias": true"#)
    for (like, pattern, part) in [
      ("llama", #"{\#(gate), "name": "{layer}.{expert}"}"#, "belongs to no expert"),
      ("mixtral", #"{\#(bias), "name": "{layer}.{expert}"}"#, "one tensor for all"),
      ("mixtral", #"{\#(gate), "name": "{layer}", "stack": {"roles": ["up"]}}"#, "roles"),
      (
        "mixtral", #"{\#(gate), "name": "{layer}.{expert}", "stack": {}}"#,
        "a stack and a tensor for each"
      ),
      (
        "mixtral",
        #"{\#(gate), "name": "{layer}", "stack": {"scales": "{layer}.s", "isTurned": true}}"#,
        "row by row"
      ),
      (
        "mixtral",
        #"{\#(gate), "name": "{layer}", "stack": {"roles": ["gate", "up"], "isTurned": true}}"#,
        "take turns"
      ),
    ] {
      let error = #expect(throws: StoreError.self) { try layout(like, pattern) }
      #expect(error?.kind == .layout && error?.problem.contains(part) == true, "\(pattern)")
    }
  }
}
