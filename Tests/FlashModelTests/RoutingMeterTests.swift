import FlashKernels
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

@testable import FlashModel

/// How experts are chosen, as measured: by hand, and of synthetic stores as they were asked for.
struct RoutingMeterTests {
  @Test func reuseAndRecallArePartsOfWhatWasChosen() throws {
    let model = TinyModel(family: .mixtral, seed: 1, keyValueHeads: [2, 2], expertCount: 8)
    let meter = try #require(RoutingMeter(model.configuration))
    func note(_ chosen: [[Int32]], guessed: [Int32]) {
      for (layer, experts) in chosen.enumerated() {
        unsafe experts.withUnsafeBufferPointer { unsafe meter.record(chosen: $0, layer: layer) }
      }
      unsafe guessed.withUnsafeBufferPointer { unsafe meter.record(guessed: $0, layer: 1) }
    }
    note([[0, 1], [2, 3]], guessed: [2, 3])
    note([[1, 2], [2, 3]], guessed: [3, 4])
    note([[2, 3], [2, 3]], guessed: [0, 2])
    note([[0, 1], [2, 3]], guessed: [0, 1])
    let report = meter.report
    #expect(report.tokenCount == 4 && report.lags == [1, 4, 16])
    // Two of six in the first layer, all in the second.
    #expect(abs(report.reuse[0] - (1.0 / 3 + 1) / 2) < 1e-12)
    #expect(report.reuse[1...] == [0, 0])
    #expect(report.lookAheadRecall == 0.5)
    // In the second layer a quarter of the experts has everything.
    #expect(report.skew > 2)
    let dense = TinyModel(family: .llama, seed: 1)
    #expect(RoutingMeter(dense.configuration) == nil)
  }

  private static let shape = """
    {
      "architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 256, "num_hidden_layers": 4,
      "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 96, "head_dim": 32,
      "moe_intermediate_size": 32, "num_experts": 32, "num_experts_per_tok": 4, "vocab_size": 400,
      "norm_topk_prob": true, "max_position_embeddings": 512, "tie_word_embeddings": false
    }
    """

  @Test func syntheticRoutingIsAsUnequalAsAskedFor() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    try Data(Self.shape.utf8).write(to: URL(filePath: folder.path + "/config.json"))
    let shape = try SynthShape(contentsOf: folder.path + "/config.json")
    for skew in [0, 1.0] {
      let path = folder.path + "/\(skew).flash"
      _ = try Synthesizer(shape: shape, type: .q8_0, routingSkew: skew).write(
        to: path, tokenizer: nil)
      let store = try WeightStore.open(path)
      var options = DecoderOptions()
      options.measuresActivity = true
      options.contextLength = 128
      let report = try ActivityReport.measure(
        decoder: Decoder(store: store, options: options), tokenCount: 128)
      let routing = try #require(report.routing)
      #expect(report.layers.isEmpty && routing.tokenCount == 128)
      #expect(abs(routing.skew - skew) < 0.3, "\(routing)")
      #expect(routing.reuse[0] > routing.reuse[2], "\(routing)")
      let recall = try #require(routing.lookAheadRecall)
      #expect(recall > 0.4 && recall < 1, "\(routing)")
      // What is measured does not depend on where the experts are.
      options.storage.residency = .window
      let (plan, _) = try Decoder.plan(store: store, options: options)
      options.storage.memoryLimit = (plan.minimumByteCount + plan.residentByteCount) / 2
      let streamed = try ActivityReport.measure(
        decoder: Decoder(store: store, options: options), tokenCount: 128)
      #expect(streamed == report)
    }
  }
}
