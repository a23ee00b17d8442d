import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// `--sparsity threshold`: what passes a layer's threshold is computed and nothing else, and the
/// law holds.
struct ThresholdRunTests {
  private static let tokens: [Int32] = [1, 17, 5, 33, 33, 2, 9, 38, 4, 21, 0, 12]
  private static let families = [TinyModel.Family.llama, .mixtral, .qwen2MoE]

  private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  private static func model(
    _ family: TinyModel.Family, neurons: Int = 1200, activation: Activation = .silu
  ) -> TinyModel {
    TinyModel(
      family: family, seed: 7, width: 64, headDimension: 16, keyValueHeads: [4, 4, 4],
      feedForwardWidth: TinyModel.Family.withExperts.contains(family) ? neurons / 6 : neurons,
      activation: activation)
  }

  /// A store of a tiny model whose layers have a threshold, calibrated or not.
  private static func convert(
    _ model: TinyModel, _ format: RowFormat, threshold: Float?
  ) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    try model.write(to: folder.path + "/tiny")
    let converted = try ConvertedStore(
      folder.path + "/tiny", StoreFormats(format), inMemory: true)
    guard let threshold else { return converted }
    let draft = TestCalibration.thresholds(converted.store, threshold, seed: 4)
    _ = try TestCalibration.install(draft, in: converted.store)
    return converted
  }

  private static func options(_ sparsity: SparsityChoice, chunk: Int = 12) -> DecoderOptions {
    var options = DecoderOptions()
    options.sparsity = sparsity
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = chunk
    options.logitsRowCapacity = chunk
    options.keyFormat = .f32
    options.valueFormat = .f32
    return options
  }

  @Test(arguments: families, [Float(0.08), 0.4])
  func whatPassesIsComputedAndNothingElse(
    family: TinyModel.Family, threshold: Float
  ) throws {
    let model = Self.model(family, neurons: 300)
    let converted = try Self.convert(model, .f32, threshold: threshold)
    let store = try WeightStore.open(converted.store.path)
    var plain = PlainDecoder(model)
    plain.threshold = Double(threshold)
    let expected = plain.logits(Self.tokens)
    for chunk in [1, 12] {
      let decoder = try Decoder(store: store, options: Self.options(.threshold, chunk: chunk))
      #expect(decoder.mode == .threshold && decoder.mode.isLossy)
      let found = try DecoderRuns.logits(decoder, Self.tokens)
      #expect(DecoderRuns.relativeDifference(found, expected) < 1e-5)
      if chunk == 1 { #expect(decoder.statistics.neurons == plain.fired.count) }
    }
    let share = Double(plain.fired.count) / Double(plain.fired.all)
    #expect((0.05...0.95).contains(share), "\(share)")
    let dense = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.dense))
    #expect(DecoderRuns.relativeDifference(dense, expected) > 1e-4)
  }

  @Test(arguments: families, [RowFormat.f32, .q8_0])
  func aThresholdOfZeroEqualsDense(family: TinyModel.Family, format: RowFormat) throws {
    let converted = try Self.convert(Self.model(family), format, threshold: 0)
    let store = try WeightStore.open(converted.store.path)
    let dense = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.dense))
    for percent in [nil, 0, 50] {
      var options = Self.options(.threshold)
      if let percent { options = try DecoderRuns.limited(options, store, percent: percent) }
      let found = try DecoderRuns.logits(store, Self.tokens, options: options)
      #expect(Self.bits(found) == Self.bits(dense), "\(percent ?? 100) %")
    }
  }

  @Test(arguments: families, [RowFormat.f16, .q4_0])
  func logitsDependOnTheTokensOnly(family: TinyModel.Family, format: RowFormat) throws {
    let converted = try Self.convert(Self.model(family), format, threshold: 0.15)
    let store = try WeightStore.open(converted.store.path)
    try Self.expectTheLaw(store)
  }

  /// GeGLU; GELU without a gate, in parallel with attention and with biases; a clamped SwiGLU with
  /// biases in experts.
  @Test(
    .enabled(if: ProjectFiles.shared("vectors/families") != nil, "shared folder is missing"),
    arguments: ["gemma2", "phi", "starcoder2", "gpt-oss"])
  func theLawHoldsForEverySmoothActivation(family: String) throws {
    let folder = try #require(ProjectFiles.shared("vectors/families/" + family))
    let converted = try ConvertedStore(folder, .q8_0)
    let dense = try DecoderRuns.logits(
      converted.store, Self.tokens, options: Self.options(.dense))
    let draft = TestCalibration.thresholds(converted.store, 0, seed: 4, reorders: false)
    let zero = try TestCalibration.install(draft, in: converted.store)
    let found = try DecoderRuns.logits(zero, Self.tokens, options: Self.options(.threshold))
    #expect(Self.bits(found) == Self.bits(dense))
    let thinned = try TestCalibration.install(
      TestCalibration.thresholds(zero, 0.02, seed: 4), in: zero)
    try Self.expectTheLaw(thinned)
  }

  private static func expectTheLaw(_ store: WeightStore) throws {
    let base = Self.options(.threshold)
    let expected = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: base))
    let dense = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.dense))
    #expect(expected != Self.bits(dense))
    let variants: [(percent: Int?, chunk: Int, threads: Int)] = [
      (nil, 1, 1), (nil, 7, 3), (0, 64, 2), (10, 7, 1), (30, 1, 2), (60, 3, 3), (70, 1, 1),
    ]
    for (percent, chunk, threads) in variants {
      var options = base
      options.prefillChunk = chunk
      options.logitsRowCapacity = chunk
      options.threadCount = threads
      options.sliceByteCount = chunk == 1 ? 2000 : 2 << 20
      options.storage.engine = threads == 2 ? .pread : .auto
      options.storage.lookAhead = threads == 1 ? .off : .on
      options.storage.policy = chunk == 1 ? .window(tokens: 1) : .lfru
      options.storage.overlapsReads = percent != 60
      if let percent {
        options.storage.residency = .window
        options = try DecoderRuns.limited(options, store, percent: percent)
      }
      let decoder = try Decoder(store: store, options: options)
      #expect((decoder.plan.feedForward == .resident) == (percent == nil), "\(percent ?? 100) %")
      let bits = Self.bits(try DecoderRuns.logits(decoder, Self.tokens))
      #expect(bits == expected, "\(percent ?? 100) %, chunks of \(chunk)")
    }
    var streamed = base
    streamed.storage.residency = .dense
    guard store.configuration.routing == nil else { return }
    let decoder = try Decoder(store: store, options: streamed)
    #expect(decoder.mode == .threshold)
    #expect(Self.bits(try DecoderRuns.logits(decoder, Self.tokens)) == expected, "streamed")
  }

  @Test(arguments: [TinyModel.Family.llama, .qwen2MoE])
  func aSimulatedDeviceWithFaultsChangesNothing(family: TinyModel.Family) throws {
    let converted = try Self.convert(Self.model(family), .q8_0, threshold: 0.2)
    let store = try WeightStore.open(converted.store.path)
    let base = Self.options(.threshold, chunk: 1)
    let expected = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: base))
    var faults = SimulatedFaults()
    faults.shortReadChance = 0.2
    for seed in UInt64(0)..<3 {
      var options = try DecoderRuns.limited(base, store, percent: 20, unit: 4096)
      options.storage.lookAhead = seed == 0 ? .off : .on
      let (decoder, _) = try DecoderRuns.simulated(
        store, options, seed: seed, unit: 4096, faults: faults)
      #expect(Self.bits(try DecoderRuns.logits(decoder, Self.tokens)) == expected)
      let guesses = decoder.statistics.lookAhead
      #expect(seed == 0 ? guesses.issued == 0 : guesses.used <= guesses.issued)
    }
  }

  @Test func thePlanHoldsAllGatesAndOnlyFronts() throws {
    let converted = try Self.convert(Self.model(.llama), .q8_0, threshold: 0.2)
    let store = try WeightStore.open(converted.store.path)
    let options = try DecoderRuns.limited(Self.options(.threshold), store, percent: 30)
    let (plan, mode) = try Decoder.plan(store: store, options: options)
    #expect(mode == .threshold)
    #expect(plan.items.contains { $0.name == "deciding rows" && $0.byteCount > 0 })
    #expect(!plan.items.contains { $0.name == "predictor" })
    #expect(plan.byteCount <= plan.limit ?? 0)
    var low = options
    low.storage.memoryLimit = plan.minimumByteCount - 1
    let error = #expect(throws: MemoryPlanError.self) {
      try Decoder.plan(store: store, options: low)
    }
    #expect(error?.fixes.contains { $0.contains("--sparsity dense") } == true)
    #expect(try Decoder.plan(store: store, options: Self.options(.auto)).mode == .dense)
  }

  @Test func withoutACertificateNoThresholdIsUsed() throws {
    func refusal(_ store: WeightStore, _ sparsity: SparsityChoice = .threshold) -> DecoderError? {
      #expect(throws: DecoderError.self) {
        try Decoder.plan(store: store, options: Self.options(sparsity))
      }
    }
    let converted = try Self.convert(Self.model(.llama, neurons: 96), .q8_0, threshold: nil)
    guard case .uncertified(.threshold, canBePriced: false) = refusal(converted.store) else {
      Issue.record("a store without thresholds runs")
      return
    }
    let installer = try CalibrationInstaller(store: converted.store)
    let staged = try installer.stage(
      TestCalibration.thresholds(converted.store, 0.1, seed: 2))
    guard case .uncertified(.threshold, canBePriced: true) = refusal(staged) else {
      Issue.record("thresholds without a price run")
      return
    }
    var options = Self.options(.threshold)
    options.allowsUnpriced = true
    #expect(try DecoderRuns.logits(staged, Self.tokens, options: options).count > 0)
    installer.discard()
    guard case .unsupported(let predicted) = refusal(converted.store, .predicted) else {
      Issue.record("a SiLU model has no silent neurons")
      return
    }
    #expect(predicted.contains("--sparsity threshold"))
    let relu = try Self.convert(
      Self.model(.llama, neurons: 96, activation: .relu), .q8_0, threshold: nil)
    guard case .unsupported(let text) = refusal(relu.store) else {
      Issue.record("a ReLU model has no use for thresholds")
      return
    }
    #expect(text.contains("--sparsity exact") && text.contains("relu"))
  }
}
