import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Mixtures of experts from GGUF files: all experts of a layer in one tensor, or each in its own as
/// files of the first mixtures had them; what contradicts itself is refused by name.
struct ExpertGGUFTests {
  private let folder = ScratchFolder()
  private static let model = TinyModel(
    family: .mixtral, seed: 3, width: 32, keyValueHeads: [2, 2], feedForwardWidth: 20,
    expertCount: 5)
  private static let router = "blk.0.ffn_gate_inp.weight"

  private func convert(
    _ source: String, memory: ConversionMemory = ConversionMemory()
  ) throws -> StoreManifest {
    var options = ConversionOptions(
      formats: StoreFormats(.f32), overwrite: true, threadCount: 2)
    options.memory = memory
    return try Converter(source: source, target: folder / "out.flash", options: options).run()
  }

  private func convert(
    _ file: GGUFBuilder, memory: ConversionMemory = ConversionMemory()
  ) throws -> StoreManifest {
    try Data(file.bytes).write(to: URL(filePath: folder / "model.gguf"))
    return try convert(folder / "model.gguf", memory: memory)
  }

  /// The error that a file of the model leads to after a change.
  private func failure(
    stacks: Bool = true, _ change: (inout GGUFBuilder) throws -> Void
  ) throws -> StoreError {
    var file = GGUFBuilder(Self.model, stacksExperts: stacks)
    try change(&file)
    return try #require(throws: StoreError.self) { try convert(file) }
  }

  @Test(arguments: [true, false])
  func bothSpellingsAreTheCheckpointsModel(stacks: Bool) throws {
    try Self.model.write(to: folder / "checkpoint")
    let expected = try convert(folder / "checkpoint")
    for memory in [
      ConversionMemory(), ConversionMemory(sliceByteCount: 1500, columnByteCount: 700),
    ] {
      let found = try convert(GGUFBuilder(Self.model, stacksExperts: stacks), memory: memory)
      #expect(found.tensors.map(\.checksum) == expected.tensors.map(\.checksum))
      #expect(found.bundles.map(\.checksum) == expected.bundles.map(\.checksum))
      #expect(found.configuration.routing == expected.configuration.routing)
      #expect(found.configuration.layers == expected.configuration.layers)
    }
  }

  @Test(
    arguments: [
      ("expert_count", 4, "\(router): contradicts the configuration"),
      ("expert_count", 6, "\(router): contradicts the configuration"),
      ("expert_count", 0, "expert_count has a wrong value"),
      ("expert_used_count", 6, "the number of a token's experts of layer 0 is out of bounds"),
      ("expert_used_count", 0, "expert_used_count has a wrong value"),
      ("feed_forward_length", 19, "19, 32], found"),
    ], [true, false])
  func countsThatContradictTheTensorsAreRefused(
    wrong: (key: String, count: UInt32, problem: String), stacks: Bool
  ) throws {
    let error = try failure(stacks: stacks) { file in
      let index = try #require(file.entries.firstIndex { $0.key == "llama.\(wrong.key)" })
      file.entries[index].value = .uint32(wrong.count)
    }
    #expect("\(error)".contains(wrong.problem), "\(error)")
  }

  @Test func aFileWithARouterAndNoCountIsAMixtureAllTheSame() throws {
    let error = try failure { $0.entries.removeAll { $0.key == "llama.expert_count" } }
    #expect(error.kind == .configuration && "\(error)".contains("expert_count"), "\(error)")
  }

  @Test func aMissingExpertIsNamed() throws {
    let name = "blk.1.ffn_down.3.weight"
    let error = try failure(stacks: false) { $0.tensors.removeAll { $0.name == name } }
    #expect(error.kind == .missingTensor && error.tensor == name)
    #expect(error.problem.contains("expert 3 of 5"))
    let stacked = try failure { $0.tensors.removeAll { $0.name == "blk.1.ffn_down_exps.weight" } }
    #expect(stacked.kind == .missingTensor)
    #expect(stacked.expected?.contains("blk.1.ffn_down_exps.weight") == true)
  }

  @Test func anExpertTooManyIsNamed() throws {
    let error = try failure(stacks: false) { file in
      var tensor = try #require(file.tensors.first { $0.name == "blk.0.ffn_up.4.weight" })
      tensor.name = "blk.0.ffn_up.5.weight"
      file.tensors.append(tensor)
    }
    #expect(error.kind == .unexpectedTensor && error.tensor == "blk.0.ffn_up.5.weight")
  }

  @Test func stackedAndSeparateExpertsTogetherAreRefused() throws {
    let separate = GGUFBuilder(Self.model, stacksExperts: false)
    let error = try failure { file in
      file.tensors.removeAll { $0.name == "blk.1.ffn_down_exps.weight" }
      file.tensors += separate.tensors.filter { $0.name.hasPrefix("blk.1.ffn_down.") }
    }
    #expect(error.kind == .unexpectedTensor && error.expected == "the one or the other")
  }

  @Test func stackedExpertsOfAnotherCountAreRefused() throws {
    let name = "blk.0.ffn_up_exps.weight"
    let error = try failure { file in
      let index = try #require(file.tensors.firstIndex { $0.name == name })
      file.tensors[index].dimensions[2] = 4
      file.tensors[index].bytes.removeLast(4 * 20 * 32)
    }
    #expect(error.kind == .tensorShape && error.tensor == name)
    #expect(error.expected == "[5, 20, 32]" && error.found == "[4, 20, 32]")
  }

  @Test func aRouterThatIsNoNumberIsRefused() throws {
    let error = try failure { file in
      let index = try #require(file.tensors.firstIndex { $0.name == Self.router })
      file.tensors[index].bytes.replaceSubrange(8..<12, with: [0, 0, 0xC0, 0x7F])
    }
    #expect(error.kind == .routerValues && error.tensor == Self.router)
  }
}
