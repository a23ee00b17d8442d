import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Convert, then open, is identity: every row of the store decodes to the checkpoint's values,
/// exactly for f32 and within the format's step for the others.
struct ConversionTests {
  @Test(
    .enabled(if: SharedFiles.has("vectors/families"), "shared/vectors/families is missing"),
    arguments: ["llama", "llama3-rope", "llama-relu", "deci", "deci-relu", "opt"])
  func familyConvertsToTheSameWeights(family: String) throws {
    for format in RowFormat.allCases {
      try checkIdentity(source: SharedFiles.path("vectors/families/\(family)"), format: format)
    }
  }

  @Test(arguments: UInt64(0)..<12)
  func randomModelConvertsToTheSameWeights(seed: UInt64) throws {
    let folder = ScratchFolder()
    let model = TinyModel.random(seed: seed)
    try model.write(to: folder / "model")
    for format in RowFormat.allCases {
      try checkIdentity(source: folder / "model", format: format)
    }
    let converter = try Converter(
      source: folder / "model", target: folder / "x",
      options: ConversionOptions(formats: StoreFormats(.f32)))
    #expect(converter.plan.configuration == model.configuration)
  }

  @Test func bundledModelConvertsToTheSameWeights() throws {
    try checkIdentity(source: SharedFiles.bundledModel, format: .bf16, step: 37)
  }

  private func checkIdentity(source: String, format: RowFormat, step: Int = 1) throws {
    let folder = ScratchFolder()
    let converter = try Converter(
      source: source, target: folder / "model.flash",
      options: ConversionOptions(formats: StoreFormats(format), threadCount: 2))
    let manifest = try converter.run()
    let store = try WeightStore.open(folder / "model.flash")
    #expect(store.manifest == manifest)
    #expect(store.verify() == [])
    try StoreComparison(store: store, converter: converter).run(step: step)
  }
}
