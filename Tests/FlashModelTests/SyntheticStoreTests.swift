import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

/// Decoding synthetic stores: their activity comes out as it was asked for, and the law holds.
struct SyntheticStoreTests {
  /// A small model: gated with variable GQA and RoPE, the same with a tied head, or OPT.
  enum Family: String, CaseIterable, Sendable {
    case deci, tied, opt

    func configuration(layerCount: Int, neuronCount: Int) -> String {
      switch self {
      case .deci, .tied:
        """
        {
          "architectures": ["DeciLMForCausalLM"], "hidden_size": 256,
          "num_hidden_layers": \(layerCount), "num_attention_heads": 8,
          "intermediate_size": \(neuronCount), "vocab_size": 600,
          "max_position_embeddings": 128, "hidden_act": "silu", "rms_norm_eps": 1e-5,
          "rope_scaling": { "type": "dynamic", "factor": 2.0 },
          "tie_word_embeddings": \(self == .tied),
          "num_key_value_heads_per_layer": \((0..<layerCount).map { [4, 1, 2][$0 % 3] })
        }
        """
      case .opt:
        """
        {
          "architectures": ["OPTForCausalLM"], "hidden_size": 256,
          "num_hidden_layers": \(layerCount), "num_attention_heads": 8,
          "ffn_dim": \(neuronCount), "vocab_size": 600,
          "max_position_embeddings": 128, "activation_function": "relu",
          "do_layer_norm_before": true, "tie_word_embeddings": true
        }
        """
      }
    }
  }

  private static func synthesize(
    _ family: Family, _ format: RowFormat, activity: Double?, layerCount: Int = 3,
    neuronCount: Int = 768
  ) throws -> ConvertedStore {
    try ConvertedStore(
      synthetic: family.configuration(layerCount: layerCount, neuronCount: neuronCount), format,
      activity: activity)
  }

  private static let tokens = (0..<40).map { Int32(($0 * 977 + 13) % 600) }

  private static func bits(_ store: WeightStore, _ options: DecoderOptions) throws -> [UInt32] {
    let logits = try DecoderRuns.logits(store, tokens, options: options)
    #expect(!logits.contains { !$0.isFinite })
    return logits.map(\.bitPattern)
  }

  @Test(
    .enabled(if: isOptimizedBuild, "needs an optimized build"),
    arguments: Family.allCases, [0.08, 0.25])
  func activityIsWhatWasAskedForAndReuseFallsWithTheLag(
    family: Family, activity: Double
  ) throws {
    for format in [RowFormat.f16, .q8_0, .q4_0] {
      let synthetic = try Self.synthesize(family, format, activity: activity)
      var options = DecoderOptions()
      options.measuresActivity = true
      let report = try ActivityReport.measure(
        decoder: Decoder(store: synthetic.store, options: options))
      #expect(report.tokenCount == 64)
      #expect(report.lags == [1, 4, 16])
      // The last of these few and narrow layers also has the neurons that turn the state.
      #expect(abs(report.activeFraction / activity - 1) < 0.35, "\(format) \(report)")
      let reuse = report.reuse
      #expect(reuse[0] > 0.6 && reuse[0] < 0.95, "\(format) \(reuse)")
      #expect(reuse[1] < reuse[0] - 0.1 && reuse[2] < reuse[1], "\(format) \(reuse)")
    }
  }

  @Test(
    .enabled(if: isOptimizedBuild, "needs an optimized build"),
    arguments: Family.allCases, [RowFormat.f16, .q4_0])
  func greedyDecodingFollowsTheDrift(family: Family, format: RowFormat) throws {
    let synthetic = try Self.synthesize(family, format, activity: 0.1)
    let decoder = try Decoder(store: synthetic.store)
    for prompt: [Int32] in [[0], [300], [17, 450, 5]] {
      let tokens = try DecoderRuns.greedy(decoder, prompt, count: 40)
      var place = prompt.last!
      for token in tokens {
        let distance = (token - place + 600) % 600
        #expect(distance >= 1 && distance <= 12, "\(prompt) \(tokens)")
        place = token
      }
    }
  }

  @Test(
    .enabled(if: isOptimizedBuild, "needs an optimized build"),
    arguments: Family.allCases, [RowFormat.f16, .q8_0, .q4_0])
  func theAnswerDoesNotDependOnModeThreadsOrChunks(family: Family, format: RowFormat) throws {
    for activity in [0.1, nil] {
      let synthetic = try Self.synthesize(family, format, activity: activity)
      let isSparse = synthetic.store.configuration.activation.isSparse
      var first: [UInt32]?
      for sparsity in isSparse ? [SparsityChoice.dense, .exact] : [.dense] {
        for (threads, chunk) in [(1, 64), (1, 1), (1, 7), (2, 64), (2, 1), (2, 7)] {
          var options = DecoderOptions()
          options.sparsity = sparsity
          options.threadCount = threads
          options.prefillChunk = chunk
          let bits = try Self.bits(synthetic.store, options)
          #expect(bits == first ?? bits, "\(sparsity), \(threads) threads, chunks of \(chunk)")
          first = bits
        }
      }
    }
  }

  /// With enough neurons that not all of them fit beside the read buffers.
  @Test(
    .enabled(if: isOptimizedBuild, "needs an optimized build"),
    arguments: Family.allCases, [RowFormat.f16, .q8_0, .q4_0])
  func theAnswerDoesNotDependOnTheMemoryLimit(family: Family, format: RowFormat) throws {
    for (activity, sparsity) in [(0.1, SparsityChoice.exact), (0.1, .dense), (nil, .dense)] {
      let synthetic = try Self.synthesize(
        family, format, activity: activity, layerCount: 6, neuronCount: 4096)
      var options = DecoderOptions()
      options.sparsity = sparsity
      options.contextLength = 64
      options.prefillChunk = 16
      options.logitsRowCapacity = 16
      let resident = try Self.bits(synthetic.store, options)
      let (plan, _) = try Decoder.plan(store: synthetic.store, options: options)
      let room = plan.residentByteCount - plan.minimumByteCount
      #expect(room > 0)
      for percent in [0, 30, 70, 100] {
        options.storage.memoryLimit = plan.minimumByteCount + room * percent / 100
        let (limited, _) = try Decoder.plan(store: synthetic.store, options: options)
        #expect((limited.feedForward == .resident) == (percent == 100))
        #expect(try Self.bits(synthetic.store, options) == resident, "\(sparsity), \(percent) %")
      }
    }
  }

  /// What a meter counts does not depend on where the neurons lie.
  @Test(.enabled(if: isOptimizedBuild, "needs an optimized build"))
  func activityIsTheSameDenseAndStreamed() throws {
    let synthetic = try Self.synthesize(
      .deci, .q4_0, activity: 0.1, layerCount: 6, neuronCount: 4096)
    var options = DecoderOptions()
    options.measuresActivity = true
    options.contextLength = 64
    let report = try ActivityReport.measure(
      decoder: Decoder(store: synthetic.store, options: options), tokenCount: 40)
    for sparsity in [SparsityChoice.dense, .exact] {
      options.sparsity = sparsity
      options.storage.memoryLimit = nil
      let (plan, _) = try Decoder.plan(store: synthetic.store, options: options)
      options.storage.memoryLimit = plan.minimumByteCount
      let streamed = try ActivityReport.measure(
        decoder: Decoder(store: synthetic.store, options: options), tokenCount: 40)
      #expect(streamed == report, "\(sparsity)")
    }
  }

  @Test func everyNeuronOfASiLUModelIsActive() throws {
    let synthetic = try Self.synthesize(.deci, .q8_0, activity: nil)
    var options = DecoderOptions()
    options.measuresActivity = true
    let report = try ActivityReport.measure(
      decoder: Decoder(store: synthetic.store, options: options), tokenCount: 20)
    #expect(report.activeFraction == 1)
    #expect(report.reuse == [1, 1, 1])
  }
}
