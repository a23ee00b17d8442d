import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

@testable import FlashCalibration

/// Models without silent neurons, from their text to thresholds and the certificate.
struct ThresholdCalibrationTests {
  private static let tokens = (0..<1000).map { Int32(3 + $0 * $0 % 37) }

  private static func store(_ family: TinyModel.Family, in folder: String) throws -> WeightStore {
    let model = TinyModel(
      family: family, seed: 5, keyValueHeads: [2, 2, 2], feedForwardWidth: 64, activation: .silu,
      expertCount: 4)
    try model.write(to: folder + "/model")
    _ = try Converter(
      source: folder + "/model", target: folder + "/model.flash",
      options: ConversionOptions(formats: StoreFormats(.q8_0))
    ).run()
    return try WeightStore.open(folder + "/model.flash")
  }

  private static func options() -> CalibrationOptions {
    var options = CalibrationOptions()
    options.decoder.threadCount = 2
    options.generator = "tests"
    return options
  }

  private static func text() throws -> CalibrationText {
    try CalibrationText(
      tokens: tokens, begin: 1, chunkLength: 32, pricingFraction: 0.2, name: "counted")
  }

  /// Counts what passes each layer's threshold, and what that contributes, in a dense run.
  private final class Counter: FeedForwardObserver {
    let thresholds: [Float]
    var fired: [Int]
    var pairs: [Int]
    private var isAbove: [[Bool]] = []
    private var first = 0

    init(_ thresholds: [Float]) {
      self.thresholds = thresholds
      fired = thresholds.map { _ in 0 }
      pairs = fired
    }

    func observe(
      inputs: UnsafePointer<Float>, unnormed: UnsafePointer<Float>, tokenCount: Int, layer: Int
    ) {}

    func observe(expert: Int, tokens: UnsafeBufferPointer<Int32>, layer: Int) {}

    func observe(
      preActivations: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int, count: Int,
      layer: Int
    ) {
      for token in 0..<tokenCount {
        for place in 0..<count {
          let x = unsafe Double(preActivations[token * stride + place])
          pairs[layer] += 1
          fired[layer] += abs(x / (1 + exp(-x))) > Double(thresholds[layer]) ? 1 : 0
        }
      }
    }

    func observe(
      outputs: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int,
      neurons: UnsafePointer<Int32>?, count: Int, layer: Int
    ) {}
  }

  @Test(arguments: [TinyModel.Family.llama, .mixtral, .qwen2MoE])
  func aModelIsGivenThresholdsAndTheirPrice(family: TinyModel.Family) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = try Self.store(family, in: folder.path)
    var options = Self.options()
    options.activity = 0.3
    let text = try Self.text()
    let outcome = try Calibrator(store: store, text: text, options: options).run()
    let calibrated = try WeightStore.open(store.path)
    #expect(calibrated.verify() == [])
    #expect(calibrated.manifest.modelDigest == store.manifest.modelDigest)
    let certificate = outcome.certificate
    let calibration = try #require(calibrated.calibration)
    #expect(calibration.certificate == certificate && certificate.mode == .threshold)
    #expect(calibration.hasThresholds && !calibration.predicts)
    #expect(certificate.meanKLDivergence > 0 && certificate.topTokenAgreement > 0.3)
    #expect(certificate.newBytesPerToken[0] > certificate.newBytesPerToken[15])
    #expect(certificate.predictorByteCount == 0 && certificate.predictorTimeShare == 0)
    let counts = try #require(try calibrated.firingCounts())
    for (layer, bundle) in calibrated.manifest.bundles.enumerated() where bundle.neuronCount > 0 {
      let line = certificate.layers[layer]
      #expect((0.15...0.45).contains(line.predictedActivity), "\(line.predictedActivity)")
      #expect(line.weightedRecall > line.predictedActivity + 0.1, "\(line.weightedRecall)")
      #expect(
        outcome.layers[layer].threshold == calibration.layers[layer].threshold.map(Float.init))
      // Fronts only: gates are resident.
      let most = store.configuration.neuronsPerToken(layer: layer) * bundle.frontBytesPerNeuron
      #expect(certificate.newBytesPerToken[15] < Double(3 * most))
      guard outcome.layers[layer].order == .heat else { continue }
      for neurons in bundle.neuronsByExpert {
        let own = Array(counts[layer][neurons])
        #expect(own == own.sorted(by: >))
      }
    }
    // The certificate's activity is a plain count over the pricing text.
    let counter = Counter(calibration.layers.map { Float($0.threshold ?? 0) })
    var dense = DecoderOptions()
    dense.sparsity = .dense
    let decoder = try Decoder(store: calibrated, options: dense)
    decoder.observer = counter
    for chunk in text.pricing {
      decoder.reset()
      try unsafe decoder.forward(chunk, promptEnd: chunk.count, logits: .none) { _, _ in }
    }
    for layer in counter.pairs.indices where counter.pairs[layer] > 0 {
      let share = Double(counter.fired[layer]) / Double(counter.pairs[layer])
      #expect(abs(share - certificate.layers[layer].trueActivity) < 2e-3)
    }
  }

  @Test func aTargetIsWhatIsKeptAndPricingAgainSaysTheSame() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = try Self.store(.llama, in: folder.path)
    var options = Self.options()
    options.targetRecall = 0.9
    let text = try Self.text()
    let first = try Calibrator(store: store, text: text, options: options).run().certificate
    for line in first.layers { #expect(abs(line.weightedRecall - 0.9) < 0.05) }
    let calibrated = try WeightStore.open(store.path)
    let priced = try Calibrator(
      store: calibrated,
      text: try CalibrationText(
        training: Self.tokens, pricing: text.pricing.flatMap { $0.dropFirst() }, begin: 1,
        chunkLength: 32, name: "again"),
      options: Self.options()
    ).priceOnly().certificate
    #expect(priced.mode == .threshold && priced.textName == "again")
    #expect(priced.predictedPerplexity == first.predictedPerplexity)
    for (new, old) in zip(priced.layers, first.layers) {
      // The neurons lie in another order, which rounds sums another way.
      #expect(abs(new.predictedActivity - old.predictedActivity) < 3e-3)
      #expect(abs(new.weightedRecall - old.weightedRecall) < 3e-3)
    }
    let again = try WeightStore.open(store.path)
    #expect(again.verify() == [])
    #expect(again.calibration?.layers == calibrated.calibration?.layers)
  }

  @Test func aStoreWithoutThresholdsHasNothingToPrice() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = try Self.store(.llama, in: folder.path)
    #expect(throws: CalibrationError.nothingToPrice(store: store.path)) {
      try Calibrator(store: store, text: try Self.text(), options: Self.options()).priceOnly()
    }
  }

  @Test func histogramsKeepWhatIsAskedFor() {
    var generator = SplitMix(seed: 3)
    var histogram = MagnitudeHistogram()
    var pairs: [(magnitude: Float, contribution: Float)] = []
    for _ in 0..<5000 {
      let magnitude = abs(generator.signed() * generator.signed()) * 4
      let contribution = magnitude * abs(generator.signed())
      pairs.append((magnitude, contribution))
      histogram.add(contribution, bin: MagnitudeHistogram.bin(magnitude))
    }
    let total = pairs.reduce(0.0) { $0 + Double($1.contribution) }
    for part in [0.5, 0.9, 0.99, 1] {
      let threshold = histogram.threshold(keeping: part)
      let kept = pairs.filter { $0.magnitude >= threshold }
      let found = kept.reduce(0.0) { $0 + Double($1.contribution) } / total
      #expect(found >= part - 1e-9 && found < part + 0.03)
      #expect(abs(histogram.keptPart(above: threshold) - found) < 1e-9)
      #expect(histogram.activity(above: threshold) == Double(kept.count) / 5000)
    }
    #expect(MagnitudeHistogram().threshold(keeping: 0.9) == 0)
    #expect(MagnitudeHistogram().keptPart(above: 0) == 1)
    let bins = [0, 1e-30, 0.1, 0.101, 0.2, 300, .infinity, .nan].map(MagnitudeHistogram.bin)
    #expect(bins == bins.sorted() && bins[0] == 0 && bins[0] == bins[1] && bins[5] == bins[7])
  }

  @Test func layersWithFewHardNeuronsComputeFew() {
    var steep = MagnitudeHistogram()
    var flat = MagnitudeHistogram()
    for place in 1...1000 {
      let magnitude = Float(place) / 1000
      steep.add(place > 900 ? 10 : 0.01, bin: MagnitudeHistogram.bin(magnitude))
      flat.add(1, bin: MagnitudeHistogram.bin(magnitude))
    }
    let choice = ThresholdChoice(layers: [steep, flat, flat], neuronCounts: [1000, 1000, 0])
    let thresholds = choice.thresholds(.active(0.4))
    #expect(thresholds[2] == nil)
    let shares = [
      steep.activity(above: thresholds[0] ?? 0), flat.activity(above: thresholds[1] ?? 0),
    ]
    #expect(shares[0] < 0.12 && shares[1] > 0.6)
    #expect(abs(shares[0] + shares[1] - 0.8) < 0.05)
    #expect(
      choice.thresholds(.kept(1)).prefix(2) == [0, 0] || choice.thresholds(.kept(1))[0]! < 0.01)
  }
}
