import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

@testable import FlashCalibration

/// A mixture with ReLU experts from its text to its certificate.
struct MixtureCalibrationTests {
  private static let tokens = (0..<1000).map { Int32(3 + $0 * $0 % 37) }

  private static func store(in folder: String) throws -> WeightStore {
    let model = TinyModel(
      family: .turboSparseMixtral, seed: 5, keyValueHeads: [2, 2], feedForwardWidth: 64,
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
    options.budgetFraction = 0.5
    options.generator = "tests"
    return options
  }

  private static func text() throws -> CalibrationText {
    try CalibrationText(
      tokens: tokens, begin: 1, chunkLength: 32, pricingFraction: 0.2, name: "counted")
  }

  @Test func aMixtureIsCalibratedExpertByExpert() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = try Self.store(in: folder.path)
    let outcome = try Calibrator(store: store, text: try Self.text(), options: Self.options())
      .run()
    let calibrated = try WeightStore.open(store.path)
    #expect(calibrated.verify() == [])
    #expect(calibrated.manifest.modelDigest == store.manifest.modelDigest)
    let certificate = outcome.certificate
    #expect(calibrated.calibration?.certificate == certificate)
    #expect(certificate.weightedRecall > 0.95 && certificate.recall < 1)
    #expect(certificate.predictedActivity < 1 && certificate.trueActivity > 0.1)
    #expect(certificate.topTokenAgreement > 0.5 && certificate.meanKLDivergence > 0)
    #expect(certificate.newBytesPerToken[0] > certificate.newBytesPerToken[15])
    let counts = try #require(try calibrated.firingCounts())
    for (layer, bundle) in calibrated.manifest.bundles.enumerated() {
      let described = try #require(calibrated.calibration?.layers[layer])
      #expect(described.kind == .lowRankGate && described.order != nil)
      #expect(described.reduction?.rows == 4 * described.rank)
      // Of a token's neurons, in each expert, no more than there are are predicted.
      let bytes = bundle.frontBytesPerNeuron + bundle.lastPartByteCount
      #expect(certificate.newBytesPerToken[0] <= Double(2 * 2 * 64 * bytes))
      guard outcome.layers[layer].order == .heat else { continue }
      for neurons in bundle.neuronsByExpert {
        let own = Array(counts[layer][neurons])
        #expect(own == own.sorted(by: >))
      }
    }
    // Once more, on a store whose neurons were moved.
    let again = try Calibrator(store: calibrated, text: try Self.text(), options: Self.options())
      .run(isInstalled: false)
    #expect(abs(again.certificate.trueActivity - certificate.trueActivity) < 0.02)
    #expect(try WeightStore.open(store.path).manifest == calibrated.manifest)
  }
}
