import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Values that are no finite numbers, in the checkpoint or only in the store: converted, and named.
struct ValueFaultTests {
  private static let down = "model.layers.1.mlp.down_proj.weight"
  private static let up = "model.layers.0.mlp.up_proj.weight"
  private static let embedding = "model.embed_tokens.weight"

  private let folder = ScratchFolder()

  init() throws {
    try TinyModel(family: .llama, seed: 1, keyValueHeads: [2, 2]).write(to: folder / "model")
  }

  /// Replaces values of the checkpoint's F32 tensors.
  private func write(_ values: [(name: String, index: Int, value: Float)]) throws {
    let url = URL(filePath: folder / "model/model.safetensors")
    let header = try SafetensorsFile(path: url.path(percentEncoded: false)).header
    var file = try Data(contentsOf: url)
    for (name, index, value) in values {
      let tensor = try #require(header.tensors.first { $0.name == name })
      let start = tensor.extent.offset + 4 * index
      file.replaceSubrange(
        start..<start + 4,
        with: (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) })
    }
    try file.write(to: url)
  }

  /// The remarks of a conversion on faults, after which the store is whole.
  private func notes(_ format: RowFormat) throws -> [String] {
    let manifest = try Converter(
      source: folder / "model", target: folder / "out.flash",
      options: ConversionOptions(formats: StoreFormats(format), overwrite: true)
    ).run()
    #expect(try WeightStore.open(folder / "out.flash").verify() == [])
    return manifest.notes.filter { $0.contains("NaN") }
  }

  @Test(arguments: RowFormat.allCases)
  func nanAndInfinityAreConvertedAndNamed(format: RowFormat) throws {
    try write([
      (Self.down, 50, .nan), (Self.down, 7, .infinity), (Self.embedding, 0, .nan),
    ])
    let notes = try notes(format)
    #expect(notes.contains { $0.contains("\(Self.down) holds 2 NaN or infinite values") })
    #expect(notes.contains { $0.contains("\(Self.embedding) holds 1 NaN") })
  }

  /// A scale too large for f16 takes a whole block of 32 values of q8_0 along.
  @Test(arguments: [
    (RowFormat.f32, Float(3e38), 0), (.bf16, 3e38, 0), (.bf16, 3.4e38, 1), (.f16, 65504, 0),
    (.f16, 65520, 1), (.q8_0, 65520, 0), (.q8_0, 1e7, 32), (.q4_0, 65520, 0), (.q4_0, 520_000, 0),
    (.q4_0, 1e7, 1), (.mxfp4, 3.4e38, 0),
  ])
  func overflowIsNamedWithTensorAndFormat(format: RowFormat, value: Float, count: Int) throws {
    try write([(Self.down, 50, value), (Self.up, 3, -value), (Self.embedding, 0, value)])
    let text = "is too large for \(format): \(count) finite values became NaN, infinite or zero"
    let expected = count == 0 ? [] : [Self.embedding, Self.up, Self.down].map { "\($0) \(text)" }
    let path = folder / "model/model.safetensors"
    #expect(try notes(format) == expected.map { "\($0) (\(path))" })
  }

  @Test func finiteModelHasNoRemarks() throws {
    for format in RowFormat.allCases { #expect(try notes(format) == []) }
  }
}
