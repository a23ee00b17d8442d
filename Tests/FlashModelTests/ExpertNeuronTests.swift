import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// Experts whose neurons are silent at times: what does not fire is neither read nor computed, and
/// no bit tells.
struct ExpertNeuronTests {
  private static let tokens = Array(ExpertModels.tokens.prefix(isOptimizedBuild ? 24 : 10))
  /// dReLU; a shared expert, a layer without routed ones and neurons in numbers that no group of
  /// them divides; and a router before attention.
  enum Model: CaseIterable {
    case turboSparse, shared, early

    func store(_ format: RowFormat) throws -> ConvertedStore {
      switch self {
      case .turboSparse: try ExpertModels.convert(.turboSparseMixtral, format)
      case .shared: try synthesize(Self.sharedConfiguration, format)
      case .early: try synthesize(Self.earlyConfiguration, format)
      }
    }

    private func synthesize(_ configuration: String, _ format: RowFormat) throws -> ConvertedStore {
      try ConvertedStore(synthetic: configuration, format, activity: 0.3)
    }

    private static let sharedConfiguration = """
      {
        "architectures": ["Qwen2MoeForCausalLM"], "hidden_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64,
        "moe_intermediate_size": 23, "shared_expert_intermediate_size": 64, "num_experts": 8,
        "num_experts_per_tok": 3, "norm_topk_prob": false, "mlp_only_layers": [1],
        "decoder_sparse_step": 1, "vocab_size": 40, "max_position_embeddings": 64,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "tie_word_embeddings": false
      }
      """
    private static let earlyConfiguration = """
      {
        "architectures": ["SmallThinkerForCausalLM"], "hidden_size": 128,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 32, "moe_ffn_hidden_size": 80, "moe_num_primary_experts": 8,
        "moe_num_active_primary_experts": 3, "vocab_size": 40, "max_position_embeddings": 64,
        "hidden_act": "relu", "rms_norm_eps": 1e-6, "tie_word_embeddings": false
      }
      """
  }

  @Test(arguments: Model.allCases, [RowFormat.f32, .q4_0])
  func whatDoesNotFireIsLeftOutWithoutChangingABit(
    model: Model, format: RowFormat
  ) throws {
    let converted = try model.store(format)
    let store = converted.store
    let dense = try Decoder(store: store, options: ExpertModels.options(chunk: 1))
    let expected = try DecoderRuns.logits(dense, Self.tokens).map(\.bitPattern)
    func expectSame(_ name: String, _ options: DecoderOptions) throws {
      let decoder = try Decoder(store: store, options: options)
      #expect(decoder.mode == .exact)
      let found = try DecoderRuns.logits(decoder, Self.tokens)
      #expect(found.map(\.bitPattern) == expected, "\(name)")
      let statistics = decoder.statistics
      #expect((1..<dense.statistics.neurons).contains(statistics.neurons), "\(name)")
      let lookUps = statistics.windowHits + statistics.windowMisses
      #expect((lookUps > 0) == (decoder.plan.feedForward != .resident))
    }
    for (index, chunk) in [1, 7, 128].enumerated() {
      try expectSame("resident, chunks of \(chunk)", ExpertModels.options(.exact, chunk: chunk))
      for percent in isOptimizedBuild ? [0, 30, 60, 100] : [[0, 60, 30][index]] {
        for lookAhead in [LookAheadChoice.on, .off] {
          var options = try ExpertModels.windowed(store, .exact, percent: percent, chunk: chunk)
          options.storage.lookAhead = lookAhead
          options.threadCount = 1 + percent % 20 / 10
          options.sliceByteCount = lookAhead == .on ? 2000 : 2 << 20
          options.storage.engine = percent == 60 ? .pread : .auto
          options.storage.policy = percent == 30 ? .lru : .lfru
          options.storage.overlapsReads = percent < 100
          try expectSame("\(percent) %, chunks of \(chunk), look-ahead \(lookAhead)", options)
        }
      }
    }
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func wrongGuessesAndLateReadsDoNotChangeABit(seed: UInt64) throws {
    let converted = try Model.allCases[Int(seed % 3)].store(.q8_0)
    let store = converted.store
    let expected = try DecoderRuns.logits(store, Self.tokens, options: ExpertModels.options())
    var faults = SimulatedFaults()
    faults.shortReadChance = 0.2
    faults.interruptionChance = 0.1
    let unit = [512, 4096][Int(seed % 2)]
    var options = try ExpertModels.windowed(
      store, .exact, percent: 0, chunk: seed % 4 == 0 ? 7 : 1, unit: unit)
    options.storage.memoryLimit = options.storage.memoryLimit.map {
      $0 + [20 << 10, 100 << 10, 200 << 10][Int(seed / 2 % 3)]
    }
    options.storage.lookAhead = .on
    options.storage.mergeGapByteCount = seed % 3 == 0 ? -1 : 4096
    let (decoder, engine) = try DecoderRuns.simulated(
      store, options, seed: seed, unit: unit, faults: faults)
    #expect(try DecoderRuns.logits(decoder, Self.tokens) == expected)
    let guesses = decoder.statistics.lookAhead
    #expect(options.prefillChunk == 1 || guesses.issued == 0)
    if seed % 3 == 0 { #expect(guesses.used > 0 && guesses.used <= guesses.issued) }
    engine.faults.failureChance = 0.2
    for _ in 0..<3 {
      do {
        #expect(try DecoderRuns.logits(decoder, Self.tokens) == expected)
      } catch let error as ReadFailure {
        #expect("\(error)".contains("bundles.bin"))
      }
    }
    engine.faults.failureChance = 0
    #expect(try DecoderRuns.logits(decoder, Self.tokens) == expected)
  }

  /// A token wants no more than its experts' fronts, and a prompt none of them twice.
  @Test func onlyWhatFiresIsRead() throws {
    let converted = try Model.turboSparse.store(.q8_0)
    let bundles = converted.store.manifest.bundles
    let fronts = bundles.reduce(0) { $0 + $1.strideCount * $1.frontByteCount }
    for chunk in [1, 128] {
      let options = try ExpertModels.windowed(
        converted.store, .exact, percent: 50, chunk: chunk)
      let decoder = try Decoder(store: converted.store, options: options)
      _ = try DecoderRuns.logits(decoder, Self.tokens)
      let run = decoder.statistics
      // About half of the neurons fire, of 3 of 8 experts.
      let most = chunk == 1 ? fronts * Self.tokens.count / 4 : fronts
      #expect(run.windowWantedByteCount > 0 && run.windowWantedByteCount < most)
      #expect((run.windowHits > 0) == (chunk == 1))
    }
  }

  @Test func aLosslessRunKeepsExpertsWholeOrTheirNeurons() throws {
    let converted = try Model.turboSparse.store(.f32)
    let store = converted.store
    func plan(
      _ sparsity: SparsityChoice, _ limit: Int?
    ) throws -> (plan: MemoryPlan, mode: SparsityMode) {
      var options = ExpertModels.options(sparsity)
      options.storage.memoryLimit = limit
      return try Decoder.plan(store: store, options: options)
    }
    #expect(try plan(.auto, nil).mode == .exact)
    #expect(try plan(.dense, nil).mode == .dense)
    let least = try #require(throws: MemoryPlanError.self) { try plan(.exact, 1) }
    let floor = try #require(throws: MemoryPlanError.self) { try plan(.auto, 1) }
    #expect(least.fixes.contains { $0.contains("--sparsity dense") })
    #expect(floor.requiredByteCount < least.requiredByteCount)
    let whole = try plan(.auto, floor.requiredByteCount)
    #expect(whole.mode == .dense && whole.plan.windowUnit == .experts)
    let exact = try plan(.exact, least.requiredByteCount)
    #expect(exact.mode == .exact && exact.plan.windowUnit == .neurons)
  }
}
