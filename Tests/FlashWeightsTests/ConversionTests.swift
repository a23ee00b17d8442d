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
    arguments: [
      "llama", "llama3-rope", "llama-relu", "deci", "deci-relu", "opt", "mixtral", "qwen2-moe",
      "qwen3-moe", "olmoe", "gpt-oss",
    ])
  func familyConvertsToTheSameWeights(family: String) throws {
    for format in [RowFormat.f32, .q8_0, .q4_0] {
      try checkIdentity(source: SharedFiles.path("vectors/families/\(family)"), format: format)
    }
  }

  /// Every expert has a scale of its own there.
  @Test(
    .enabled(if: SharedFiles.has("vectors/gguf-models"), "shared/vectors/gguf-models is missing"))
  func expertsOfGGUFFilesConvertToTheSameWeights() throws {
    try checkIdentity(
      source: SharedFiles.path("vectors/gguf-models/qwen3moe-moe.gguf"), format: .f32)
  }

  @Test(arguments: UInt64(0)..<10)
  func randomModelConvertsToTheSameWeights(seed: UInt64) throws {
    let folder = ScratchFolder()
    let model = TinyModel.random(seed: seed)
    try model.write(to: folder / "model")
    // Every other model in slices and column blocks so small that it takes many of each.
    let memory =
      seed % 2 == 0
      ? ConversionMemory() : ConversionMemory(sliceByteCount: 1500, columnByteCount: 700)
    for format in RowFormat.allCases {
      try checkIdentity(source: folder / "model", format: format, memory: memory)
    }
    let converter = try Converter(
      source: folder / "model", target: folder / "x",
      options: ConversionOptions(formats: StoreFormats(.f32)))
    #expect(converter.plan.configuration == model.configuration)
  }

  @Test func bundledModelConvertsToTheSameWeights() throws {
    try checkIdentity(source: SharedFiles.bundledModel, format: .bf16, step: 37)
  }

  private func checkIdentity(
    source: String, format: RowFormat, step: Int = 1, memory: ConversionMemory = ConversionMemory()
  ) throws {
    let folder = ScratchFolder()
    var options = ConversionOptions(formats: StoreFormats(format), threadCount: 2)
    options.memory = memory
    let converter = try Converter(
      source: source, target: folder / "model.flash", options: options)
    let manifest = try converter.run()
    let store = try WeightStore.open(folder / "model.flash")
    #expect(store.manifest == manifest)
    #expect(store.verify() == [])
    try StoreComparison(store: store, converter: converter).run(step: step)
  }
}
