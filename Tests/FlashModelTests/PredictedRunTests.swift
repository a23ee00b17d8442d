import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// `--sparsity predicted`: what the predictor names is computed and nothing else, and the law
/// holds.
struct PredictedRunTests {
  private static let tokens: [Int32] = [1, 17, 5, 33, 33, 2, 9, 38, 4, 21, 0, 12]

  private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  /// As many neurons as make a window worth its tables; fewer where none is wanted.
  private static func model(_ family: TinyModel.Family, neurons: Int = 1500) -> TinyModel {
    TinyModel(
      family: family, seed: 7, width: 64, headDimension: 16,
      keyValueHeads: family == .deci ? [4, 2, 1] : [4, 4, 4],
      feedForwardWidth: family == .turboSparseMixtral ? neurons / 6 : neurons)
  }

  private static let families = TinyModel.Family.allCases + [.turboSparseMixtral]

  /// A store of a tiny model; it lives as long as the value.
  private static func convert(_ model: TinyModel, _ format: RowFormat) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    try model.write(to: folder.path + "/tiny")
    return try ConvertedStore(folder.path + "/tiny", StoreFormats(format), inMemory: true)
  }

  private static func options(_ sparsity: SparsityChoice) -> DecoderOptions {
    var options = DecoderOptions()
    options.sparsity = sparsity
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = 12
    options.logitsRowCapacity = 12
    options.keyFormat = .f32
    options.valueFormat = .f32
    return options
  }

  @Test(arguments: families, [RowFormat.f32, .q8_0])
  func aPredictorThatNamesEverythingEqualsDense(
    family: TinyModel.Family, format: RowFormat
  ) throws {
    let converted = try Self.convert(Self.model(family), format)
    let before = try DecoderRuns.logits(
      converted.store, Self.tokens, options: Self.options(.dense))
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 3, format: .q8_0, shift: 1e9),
      in: converted.store)
    let dense = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.dense))
    var options = Self.options(.predicted)
    for percent in [nil, 0, 50] {
      if let percent { options = try DecoderRuns.limited(options, store, percent: percent) }
      let predicted = try DecoderRuns.logits(store, Self.tokens, options: options)
      #expect(Self.bits(predicted) == Self.bits(dense), "\(percent ?? 100) %")
    }
    // The neurons lie in another order than before, which changes a sum by rounding only: where
    // groups of outputs are rounded to 8 bits together, by as much as the format itself.
    #expect(Self.bits(dense) != Self.bits(before))
    #expect(DecoderRuns.relativeDifference(dense, before) < (format == .f32 ? 1e-5 : 6e-2))
  }

  @Test(arguments: families)
  func whatIsPredictedIsComputedAndNothingElse(family: TinyModel.Family) throws {
    let model = Self.model(family, neurons: 300)
    let converted = try Self.convert(model, .f32)
    let draft = TestCalibration.draft(converted.store, seed: 5, format: .f32, shift: -2)
    let store = try TestCalibration.install(draft, in: converted.store)
    let found = try DecoderRuns.logits(
      store, Self.tokens, options: Self.options(.predicted))
    var plain = PlainDecoder(model)
    var named = 0
    var counted = 0
    plain.predictor = { layer, x in
      guard let predictor = draft.layers[layer].predictor else {
        return draft.layers[layer].counts.map { _ in true }
      }
      var hidden = Self.product(predictor.reduction, x)
      if predictor.kind == .perceptron { hidden = hidden.map { max(0, $0) } }
      let perExpert = store.manifest.bundles[layer].neuronsPerExpert
      let set = predictor.bias.indices.map { neuron in
        let first = neuron / perExpert * predictor.rank
        let score = Self.product(
          predictor.expansion, Array(hidden[first..<first + predictor.rank]), neuron..<neuron + 1)
        return score[0] + Double(predictor.bias[neuron]) > 0
      }
      named += set.count(where: \.self)
      counted += set.count
      return set
    }
    #expect(DecoderRuns.relativeDifference(found, plain.logits(Self.tokens)) < 1e-5)
    #expect(named * 10 > counted && named * 10 < counted * 9, "\(named) of \(counted)")
  }

  /// `rows · x` of some f32 rows, or all.
  private static func product(
    _ rows: PackedRows, _ x: [Double], _ range: Range<Int>? = nil
  ) -> [Double] {
    (range ?? 0..<rows.rowCount).map { row in
      x.indices.reduce(0.0) { sum, column in
        let start = 4 * (row * rows.width + column)
        let bits = (0..<4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(rows.bytes[start + $1]) }
        return sum + Double(Float(bitPattern: bits)) * x[column]
      }
    }
  }

  @Test(arguments: families, [RowFormat.f16, .q8_0])
  func predictedLogitsDependOnTheTokensOnly(
    family: TinyModel.Family, format: RowFormat
  ) throws {
    let converted = try Self.convert(Self.model(family), format)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 6, format: .q8_0, shift: -3),
      in: converted.store)
    let base = Self.options(.predicted)
    let expected = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: base))
    let dense = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.dense))
    #expect(expected != Self.bits(dense))
    let variants: [(percent: Int?, chunk: Int, threads: Int)] = [
      (nil, 1, 1), (nil, 7, 3), (0, 64, 2), (10, 7, 1), (30, 1, 2), (60, 7, 3),
    ]
    for (percent, chunk, threads) in variants {
      var options = base
      options.prefillChunk = chunk
      options.logitsRowCapacity = chunk
      options.threadCount = threads
      options.storage.engine = threads == 2 ? .pread : .auto
      options.storage.policy = chunk == 1 ? .window(tokens: 1) : .lfru
      if let percent { options = try DecoderRuns.limited(options, store, percent: percent) }
      let decoder = try Decoder(store: store, options: options)
      let isResident = decoder.plan.feedForward == .resident
      #expect(isResident == (percent == nil), "\(percent ?? 100) %")
      let bits = Self.bits(try DecoderRuns.logits(decoder, Self.tokens))
      #expect(bits == expected, "\(percent ?? 100) %, chunks of \(chunk)")
    }
  }

  @Test(arguments: [TinyModel.Family.deci, .turboSparseMixtral])
  func aSimulatedDeviceWithFaultsChangesNothing(family: TinyModel.Family) throws {
    let converted = try Self.convert(Self.model(family), .q8_0)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 6, shift: -3), in: converted.store)
    let base = Self.options(.predicted)
    let expected = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: base))
    var faults = SimulatedFaults()
    faults.shortReadChance = 0.2
    for seed in UInt64(0)..<4 {
      let options = try DecoderRuns.limited(base, store, percent: 20, unit: 4096)
      let (decoder, _) = try DecoderRuns.simulated(
        store, options, seed: seed, unit: 4096, faults: faults)
      #expect(Self.bits(try DecoderRuns.logits(decoder, Self.tokens)) == expected)
    }
  }

  /// A device that is slow enough for something to be guessed while its reads are out.
  @Test(arguments: [TinyModel.Family.deci, .turboSparseMixtral])
  func whatTheNextLayersPredictorSaysIsReadEarlyAndChangesNothing(
    family: TinyModel.Family
  ) throws {
    let converted = try Self.convert(Self.model(family), .q8_0)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 6, format: .q8_0, shift: -3),
      in: converted.store)
    var base = Self.options(.predicted)
    base.prefillChunk = 1
    base.logitsRowCapacity = 1
    let expected = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: base))
    var used = 0
    for choice in [LookAheadChoice.auto, .off] {
      for percent in [0, 30] {
        var options = base
        options.storage.lookAhead = choice
        options = try DecoderRuns.limited(options, store, percent: percent, unit: 4096)
        let (decoder, _) = try DecoderRuns.simulated(store, options, seed: 3, unit: 4096)
        #expect(Self.bits(try DecoderRuns.logits(decoder, Self.tokens)) == expected)
        let guesses = decoder.statistics.lookAhead
        #expect(guesses.used <= guesses.issued)
        if choice == .off { #expect(guesses.issued == 0) }
        used += guesses.used
      }
    }
    #expect(used > 0)
  }

  @Test(arguments: [TinyModel.Family.deci, .opt])
  func partsThatLieApartChangeNothing(family: TinyModel.Family) throws {
    let converted = try Self.convert(Self.model(family), .q8_0)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 6, format: .q8_0, shift: -3),
      in: converted.store)
    let folder = try ProjectFiles.TemporaryFolder()
    let parts = try SeparateParts(of: store, in: folder.path, isWhole: true)
    #expect(parts.paths.count == (family == .opt ? 2 : 3))
    let base = Self.options(.predicted)
    let expected = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: base))
    for residency in [StorageOptions.Residency.decidingRows, .window] {
      for overlaps in [true, false] {
        var options = base
        options.storage.residency = residency
        options.storage.overlapsReads = overlaps
        options.storage.separateParts = parts
        let bits = Self.bits(try DecoderRuns.logits(store, Self.tokens, options: options))
        #expect(bits == expected, "\(residency), overlap \(overlaps)")
      }
    }
  }

  /// Where everything is in DRAM, whatever fires is named or found.
  @Test(arguments: TinyModel.Family.allCases)
  func residentGatesOfAWholeModelEqualExact(family: TinyModel.Family) throws {
    let converted = try Self.convert(Self.model(family), .q8_0)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 6, format: .q8_0, shift: -3),
      in: converted.store)
    let exact = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.exact))
    var options = Self.options(.predicted)
    options.computesResidentGates = true
    let found = try DecoderRuns.logits(store, Self.tokens, options: options)
    #expect(Self.bits(found) == Self.bits(exact))
    options.computesResidentGates = false
    let predicted = try DecoderRuns.logits(store, Self.tokens, options: options)
    #expect(Self.bits(predicted) != Self.bits(exact))
    // A window holds a part of them: more is found than was named.
    var named = try DecoderRuns.limited(options, store, percent: 40)
    let least = try Decoder(store: store, options: named)
    _ = try DecoderRuns.logits(least, Self.tokens)
    named.computesResidentGates = true
    let more = try Decoder(store: store, options: named)
    _ = try DecoderRuns.logits(more, Self.tokens)
    #expect(more.statistics.neurons > least.statistics.neurons)
  }

  @Test func predictorsAreAPartOfTheArithmetic() throws {
    let converted = try Self.convert(Self.model(.deci, neurons: 300), .q8_0)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 6, shift: -3), in: converted.store)
    for sparsity in [SparsityChoice.dense, .predicted] {
      let decoder = try Decoder(store: store, options: Self.options(sparsity))
      _ = try DecoderRuns.logits(decoder, Self.tokens)
      let statistics = decoder.statistics
      #expect((statistics.predictorNanoseconds > 0) == (sparsity == .predicted))
      #expect(statistics.predictorNanoseconds < statistics.arithmeticNanoseconds)
    }
  }

  @Test func theWindowStartsWithTheNeuronsThatFiredMost() throws {
    let converted = try Self.convert(Self.model(.deci, neurons: 4000), .f16)
    var draft = TestCalibration.draft(converted.store, seed: 6, shift: -3)
    let dense = try DecoderRuns.logits(
      converted.store, Self.tokens, options: Self.options(.dense))
    for layer in draft.layers.indices {
      draft.layers[layer].order = nil
      draft.layers[layer].counts = draft.layers[layer].counts.indices.map { UInt32($0 % 7 + 1) }
    }
    let calibrated = try TestCalibration.install(draft, in: converted.store)
    for sparsity in [SparsityChoice.exact, .predicted] {
      let options = try DecoderRuns.limited(
        Self.options(sparsity), calibrated, percent: 70)
      let decoder = try Decoder(store: calibrated, options: options)
      #expect(decoder.statistics.windowMisses == 0 && decoder.statistics.windowHits == 0)
      guard case .windowed = decoder.plan.feedForward else {
        Issue.record("\(sparsity) is not windowed: \(decoder.plan.feedForward)")
        continue
      }
      try unsafe decoder.forward([1], logits: .none) { _, _ in }
      let statistics = decoder.statistics
      let share =
        Double(statistics.windowHits)
        / Double(max(1, statistics.windowHits + statistics.windowMisses))
      #expect(share > 0.4, "\(sparsity): \(share)")
      guard sparsity == .exact else { continue }
      let found = try DecoderRuns.logits(calibrated, Self.tokens, options: options)
      #expect(Self.bits(found) == Self.bits(dense))
    }
  }

  @Test func thePlanNamesPredictorsAndHoldsWholeBundles() throws {
    let converted = try Self.convert(Self.model(.deci), .q8_0)
    let store = try TestCalibration.install(
      TestCalibration.draft(converted.store, seed: 1), in: converted.store)
    let options = try DecoderRuns.limited(Self.options(.predicted), store, percent: 30)
    let (plan, mode) = try Decoder.plan(store: store, options: options)
    #expect(mode == .predicted)
    let predictor = try #require(plan.items.first { $0.name == "predictor" })
    let byteCount = try #require(store.calibration).predictorByteCount
    #expect(predictor.byteCount >= byteCount)
    #expect(predictor.byteCount < byteCount + 4096 * 9)
    #expect(!plan.items.contains { $0.name == "deciding rows" })
    guard case .windowed = plan.feedForward else {
      Issue.record("not windowed: \(plan.feedForward)")
      return
    }
    #expect(plan.slotByteCount >= store.bundles(0).payloadByteCount / store.bundles(0).strideCount)
    #expect(plan.byteCount <= plan.limit ?? 0)
    var low = options
    low.storage.memoryLimit = plan.minimumByteCount - 1
    let error = #expect(throws: MemoryPlanError.self) {
      try Decoder.plan(store: store, options: low)
    }
    #expect(error?.fixes.contains { $0.contains("--sparsity dense") } == true)
  }

  @Test func withoutACertificateNothingIsPredicted() throws {
    let converted = try Self.convert(Self.model(.deci, neurons: 96), .q8_0)
    func refusal(_ store: WeightStore) -> DecoderError? {
      #expect(throws: DecoderError.self) {
        try Decoder.plan(store: store, options: Self.options(.predicted))
      }
    }
    if case .uncertified = refusal(converted.store) {} else { Issue.record("not uncertified") }
    let installer = try CalibrationInstaller(store: converted.store)
    let staged = try installer.stage(TestCalibration.draft(converted.store, seed: 2))
    if case .uncertified = refusal(staged) {} else { Issue.record("not uncertified") }
    var options = Self.options(.predicted)
    options.allowsUnpriced = true
    #expect(try DecoderRuns.logits(staged, Self.tokens, options: options).count > 0)
    installer.discard()
    var silu = Self.model(.llama, neurons: 96)
    silu.configuration.activation = .silu
    let smooth = try Self.convert(silu, .q4_0)
    guard case .unsupported(let text) = refusal(smooth.store) else {
      Issue.record("a SiLU model has no silent neurons")
      return
    }
    #expect(text.contains("ReLU") && text.contains("silu"))
  }
}
