import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

@testable import FlashCalibration

/// Predictors that came with a model are priced as they are.
struct PriceOnlyTests {
  private static let tokens = (0..<93).map { Int32($0 * 29 % 40) }
  private static let text: CalibrationText = {
    do {
      return try CalibrationText(pricing: tokens, begin: 1, chunkLength: 32, name: "counted")
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  private static func store(
    _ family: TinyModel.Family, in folder: String
  ) throws -> (store: WeightStore, file: GGUFBuilder) {
    let model = TinyModel(
      family: family, seed: 5, width: 32, keyValueHeads: [4, 4], feedForwardWidth: 80)
    let file = GGUFBuilder(model).asPowerInfer(rank: 12, threshold: -0.3)
    try Data(file.bytes).write(to: URL(filePath: folder + "/model.gguf"))
    _ = try Converter(
      source: folder + "/model.gguf", target: folder + "/model.flash",
      options: ConversionOptions(formats: StoreFormats())
    ).run()
    return (try WeightStore.open(folder + "/model.flash"), file)
  }

  private static func options() -> CalibrationOptions {
    var options = CalibrationOptions()
    options.decoder.threadCount = 2
    options.generator = "tests"
    return options
  }

  /// A mixture whose checkpoint brings predictors of rank 12 for each of 4 experts.
  private static func mixture(in folder: String) throws -> (store: WeightStore, model: TinyModel) {
    var model = TinyModel(
      family: .turboSparseMixtral, seed: 5, width: 32, keyValueHeads: [4, 4],
      feedForwardWidth: 80, expertCount: 4)
    model.predictorRank = 12
    try model.write(to: folder + "/model")
    _ = try Converter(
      source: folder + "/model", target: folder + "/model.flash",
      options: ConversionOptions(formats: StoreFormats(.f32))
    ).run()
    return (try WeightStore.open(folder + "/model.flash"), model)
  }

  /// Counts by the formula, in the states that the dense model gives its predictors.
  private final class Counter: FeedForwardObserver {
    /// W1 and W2 of a layer or of an expert, and the score from which on neurons are named.
    let matrices: (_ layer: Int, _ expert: Int) -> (reduction: [Float], expansion: [Float])
    let threshold: Double
    var states: [[Float]] = []
    /// The expert that is at work, and the tokens that its rows are of.
    var (expert, tokens) = (0, [Int]())
    var (pairs, firing, predicted, found) = ([0, 0], [0, 0], [0, 0], [0, 0])

    init(
      threshold: Double,
      _ matrices: @escaping (Int, Int) -> (reduction: [Float], expansion: [Float])
    ) {
      self.threshold = threshold
      self.matrices = matrices
    }

    func observe(
      inputs: UnsafePointer<Float>, unnormed: UnsafePointer<Float>, tokenCount: Int, layer: Int
    ) {
      states = (0..<tokenCount).map { token in
        (0..<32).map { unsafe unnormed[token * 32 + $0] }
      }
      (expert, tokens) = (0, Array(0..<tokenCount))
    }

    func observe(expert: Int, tokens: UnsafeBufferPointer<Int32>, layer: Int) {
      (self.expert, self.tokens) = (expert, unsafe tokens.map { Int($0) })
    }

    func observe(
      preActivations: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int, count: Int,
      layer: Int
    ) {
      let (reduction, expansion) = matrices(layer, expert)
      pairs[layer] += tokenCount * count
      for row in 0..<tokenCount {
        let hidden = product(reduction, states[tokens[row]].map(Double.init)).map { max(0, $0) }
        let scores = product(expansion, hidden)
        for index in 0..<count {
          let fires = unsafe preActivations[row * stride + index] > 0
          let isNamed = scores[(first + index) % 80] >= threshold
          firing[layer] += fires ? 1 : 0
          predicted[layer] += isNamed ? 1 : 0
          found[layer] += fires && isNamed ? 1 : 0
        }
      }
    }

    func observe(
      outputs: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int,
      neurons: UnsafePointer<Int32>?, count: Int, layer: Int
    ) {}

    private func product(_ matrix: [Float], _ x: [Double]) -> [Double] {
      (0..<matrix.count / x.count).map { row in
        x.indices.reduce(0.0) { $0 + Double(matrix[row * x.count + $1]) * x[$1] }
      }
    }
  }

  @Test(arguments: [TinyModel.Family.llama, .opt])
  func certificateIsWhatIsCounted(family: TinyModel.Family) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let (store, file) = try Self.store(family, in: folder.path)
    try expectCounted(
      store,
      Counter(threshold: -0.3) { layer, _ in
        (file.values("blk.\(layer).fc1.weight"), file.values("blk.\(layer).fc2.weight"))
      })
  }

  @Test func certificateOfAMixtureIsWhatIsCounted() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let (store, model) = try Self.mixture(in: folder.path)
    let values = model.values()
    try expectCounted(
      store,
      Counter(threshold: 0) { layer, expert in
        let name = "model.layers.\(layer).block_sparse_moe.experts.\(expert).predictor"
        return (values["\(name).fc1.weight"]!, values["\(name).fc2.weight"]!)
      })
  }

  /// Expects the certificate to have the counter's numbers, and the store to have the certificate.
  private func expectCounted(_ store: WeightStore, _ counter: Counter) throws {
    var dense = DecoderOptions()
    dense.sparsity = .dense
    dense.contextLength = 32
    let decoder = try Decoder(store: store, options: dense)
    decoder.observer = counter
    for chunk in Self.text.pricing {
      decoder.reset()
      try unsafe decoder.forward(chunk, logits: .none) { _, _ in }
    }
    let before = store.manifest
    let outcome = try Calibrator(store: store, text: Self.text, options: Self.options())
      .priceOnly()
    let certificate = outcome.certificate
    for (layer, line) in certificate.layers.enumerated() {
      #expect(line.recall == Double(counter.found[layer]) / Double(counter.firing[layer]))
      #expect(line.precision == Double(counter.found[layer]) / Double(counter.predicted[layer]))
      let pairs = Double(counter.pairs[layer])
      #expect(line.predictedActivity == Double(counter.predicted[layer]) / pairs)
      #expect(line.trueActivity == Double(counter.firing[layer]) / pairs)
      #expect(line.recall > 0.1 && line.recall < 1)
    }
    #expect(certificate.trainingTokens == 0 && certificate.pricingTokens == 96)
    #expect(certificate.predictedPerplexity.value != certificate.densePerplexity.value)

    let priced = try WeightStore.open(store.path)
    #expect(priced.verify() == [])
    #expect(priced.calibration?.certificate == certificate)
    #expect(priced.manifest.bundles == before.bundles && priced.manifest.tensors == before.tensors)
    #expect(try priced.predictor(layer: 1)?.expansion == store.predictor(layer: 1)?.expansion)
    let counts = try #require(try priced.firingCounts())
    #expect(counts.map { $0.reduce(0) { $0 + Int($1) } } == counter.firing)
    var predicted = DecoderOptions()
    predicted.sparsity = .predicted
    #expect(try Decoder.plan(store: priced, options: predicted).mode == .predicted)
    // Again, on a store that has counts and a certificate.
    let again = try Calibrator(store: priced, text: Self.text, options: Self.options())
      .priceOnly()
    #expect(again.certificate.layers == certificate.layers)
    #expect(try WeightStore.open(store.path).firingCounts() == counts)
  }

  @Test func dryRunAndCancellingLeaveTheStoreAsItWas() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let (store, _) = try Self.store(.llama, in: folder.path)
    let calibrator = Calibrator(store: store, text: Self.text, options: Self.options())
    _ = try calibrator.priceOnly(isInstalled: false)
    #expect(throws: CalibrationError.cancelled) {
      _ = try calibrator.priceOnly(isCancelled: { true })
    }
    #expect(try WeightStore.open(store.path).manifest == store.manifest)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == ["model.flash", "model.gguf"])
  }

  @Test func storeWithoutPredictorsHasNothingToPrice() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    try TinyModel(family: .llama, seed: 5).write(to: folder.path + "/checkpoint")
    let converted = try ConvertedStore(folder.path + "/checkpoint", .f32)
    let calibrator = Calibrator(
      store: converted.store, text: Self.text, options: Self.options())
    let error = #expect(throws: CalibrationError.self) { _ = try calibrator.priceOnly() }
    #expect(error?.description.contains("has no predictors") == true)
  }

  @Test func tooLittleMemoryIsSaidWithTheSum() throws {
    let memory = CalibrationMemory(
      configuration: TinyModel(family: .llama, seed: 1).configuration, highestRank: 32,
      threadCount: 2)
    func positions(_ limit: Int?) throws(MemoryPlanError) -> Int {
      try memory.pricingPositions(
        limit: limit, available: 10_000, predictorByteCount: 1 << 20)
    }
    #expect(try positions(nil) == CalibrationMemory.pricingPositions)
    #expect(try positions(1 << 30) == CalibrationMemory.pricingPositions)
    #expect(throws: (any Error).self) { try positions(1 << 20) }
  }
}
