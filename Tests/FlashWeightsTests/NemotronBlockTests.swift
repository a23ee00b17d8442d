import FlashKernels
import Foundation
import Testing

@testable import FlashWeights

/// The layers of the largest Nemotron-NAS model, as its load log lists them.
@Suite(
  .enabled(
    if: SharedFiles.has("vectors/nemotron-ultra-253b-layers.json"),
    "the list of layers is missing"))
struct NemotronBlockTests {
  private static let list = "vectors/nemotron-ultra-253b-layers.json"

  private struct Layers: Decodable {
    var queryHeads: [Int]
    var keyValueHeads: [Int]
    var neurons: [Int]

    enum CodingKeys: String, CodingKey {
      case queryHeads = "n_head"
      case keyValueHeads = "n_head_kv"
      case neurons = "n_ff"
    }
  }

  private static let width = 16384

  private func layers() throws -> Layers {
    let path = SharedFiles.path(Self.list)
    return try JSONDecoder().decode(Layers.self, from: Data(contentsOf: URL(filePath: path)))
  }

  /// A `config.json` of those layers; `ffn_mult` is rounded to six decimals as the model's is.
  private func configuration(_ change: (inout [JSONValue]) -> Void = { _ in }) throws -> JSONValue {
    let layers = try layers()
    var blocks = layers.queryHeads.indices.map { index -> JSONValue in
      let (heads, keys, neurons) = (
        layers.queryHeads[index], layers.keyValueHeads[index], layers.neurons[index]
      )
      let multiple = (Double(3 * neurons) / Double(2 * Self.width) * 1e6).rounded() / 1e6
      return .object([
        "attention": .object([
          "no_op": .bool(heads == 0), "replace_with_linear": .bool(false),
          "n_heads_in_group": heads == 0 ? .null : .integer(heads / keys),
        ]),
        "ffn": .object([
          "no_op": .bool(neurons == 0), "replace_with_linear": .bool(false),
          "ffn_mult": neurons == 0 ? .null : .number(multiple),
        ]),
      ])
    }
    change(&blocks)
    return .object([
      "architectures": .array([.string("DeciLMForCausalLM")]),
      "model_type": .string("nemotron-nas"), "hidden_size": .integer(Self.width),
      "intermediate_size": .null, "num_key_value_heads": .null,
      "num_attention_heads": .integer(128), "num_hidden_layers": .integer(blocks.count),
      "vocab_size": .integer(128_256), "max_position_embeddings": .integer(131_072),
      "block_configs": .array(blocks),
    ])
  }

  private func read(_ json: JSONValue) throws -> ModelConfiguration {
    let layout = try Layout.recognizing(json, among: Layout.builtIn, file: "config.json")
    #expect(layout.name == "nemotron-nas")
    return try layout.configuration(from: json, file: "config.json")
  }

  @Test func everyLayerIsReadAndThePlanHasTheModelsSize() throws {
    let expected = try layers()
    let model = try read(try configuration())
    #expect(model.layers.map(\.queryHeads) == expected.queryHeads)
    #expect(model.layers.map(\.keyValueHeads) == expected.keyValueHeads)
    #expect(model.layers.map(\.feedForwardWidth) == expected.neurons)
    let plan = StorePlan(configuration: model, formats: StoreFormats(.q4_0))
    #expect(abs(Double(plan.parameterCount) / 253.40e9 - 1) < 1e-3)
    for (layer, shape) in model.layers.enumerated() {
      let tensors = plan.tensors.filter { $0.layer == layer }
      #expect(tensors.count == (shape.queryHeads > 0 ? 5 : 0) + (shape.feeds ? 1 : 0))
      #expect(plan.bundles[layer].neuronCount == shape.feedForwardWidth)
    }
  }

  @Test(arguments: [
    ("attention", "window_length", JSONValue.integer(8192), "window_length"),
    ("attention", "n_heads_in_group", .integer(3), "n_heads_in_group"),
    ("ffn", "replace_with_linear", .integer(2), "replace_with_linear"),
    ("ffn", "moe", .object(["num_experts": .integer(2)]), "moe"),
    ("ffn", "ffn_mult", .number(-1), "ffn_mult"),
  ])
  func blocksThatSaySomethingElseAreRefused(
    part: String, key: String, value: JSONValue, word: String
  ) throws {
    let json = try configuration { blocks in
      guard case .object(var block) = blocks[0], case .object(var half)? = block[part] else {
        return
      }
      half[key] = value
      block[part] = .object(half)
      blocks[0] = .object(block)
    }
    let error = #expect(throws: StoreError.self) { try read(json) }
    #expect(error?.description.contains(word) == true)
  }
}
