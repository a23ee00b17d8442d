import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Checkpoints that are broken, hostile or of another kind, and what their refusal says.
struct CheckpointTests {
  private let folder = ScratchFolder()

  private func convert(_ options: ConversionOptions? = nil) throws(StoreError) -> StoreManifest {
    try Converter(
      source: folder / "model", target: folder / "out.flash",
      options: options ?? ConversionOptions(formats: StoreFormats(.f32))
    ).run()
  }

  /// The error of converting, after which neither a store nor a leftover may be there.
  private func refusal(sourceLocation: SourceLocation = #_sourceLocation) throws -> StoreError {
    let error = #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try convert() }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names == ["model"], sourceLocation: sourceLocation)
    return try #require(error, sourceLocation: sourceLocation)
  }

  private func edit(_ file: String, _ change: (String) -> String) throws {
    let path = folder / "model/\(file)"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let changed = change(text)
    #expect(changed != text)
    try changed.write(toFile: path, atomically: false, encoding: .utf8)
  }

  private func writeModel(
    _ family: TinyModel.Family = .llama, _ change: (inout TinyModel) -> Void = { _ in }
  ) throws {
    var model = TinyModel(family: family, seed: 1, keyValueHeads: [2, 2])
    change(&model)
    try model.write(to: folder / "model")
  }

  /// Chat models name what ends a turn where they say how to generate.
  @Test func endTokensOfGenerationCount() throws {
    try writeModel()
    func convert(_ generation: String) throws -> [Int32] {
      try generation.write(
        toFile: folder / "model/generation_config.json", atomically: false, encoding: .utf8)
      let options = ConversionOptions(formats: StoreFormats(.f32), overwrite: true)
      return try self.convert(options).configuration.endTokenIDs
    }
    #expect(try convert(#"{"eos_token_id": [7, 2, 9], "temperature": 0.6}"#) == [2, 7, 9])
    #expect(try convert(#"{"eos_token_id": 11}"#) == [2, 11])
    #expect(try convert(#"{"eos_token_id": null}"#) == [2])
    #expect(throws: StoreError.self) { try convert("{") }
  }

  @Test func missingFolderIsNoInput() throws {
    let error = #expect(throws: StoreError.self) { try convert() }
    #expect(error?.category == .noInput)
  }

  @Test func folderWithoutWeightsIsNoInput() throws {
    try writeModel()
    try FileManager.default.removeItem(atPath: folder / "model/model.safetensors")
    #expect(try refusal().category == .noInput)
  }

  @Test func folderWithoutConfigurationIsNoInput() throws {
    try writeModel()
    try FileManager.default.removeItem(atPath: folder / "model/config.json")
    #expect(try refusal().category == .noInput)
  }

  @Test func pickledWeightsAreRefusedWithTheWayOut() throws {
    try writeModel()
    try FileManager.default.moveItem(
      atPath: folder / "model/model.safetensors", toPath: folder / "model/pytorch_model.bin")
    let error = try refusal()
    #expect(error.kind == .pickledWeights && error.category == .badData)
    #expect(error.description.contains("save_pretrained"))
  }

  @Test func cutGGUFIsBadData() throws {
    try Data("GGUF\u{3}\0\0\0".utf8).write(to: URL(filePath: folder / "model"))
    #expect(try refusal().kind == .gguf)
  }

  @Test func shardsConvertAsOne() throws {
    try writeModel { $0.shardCount = 3 }
    let manifest = try convert()
    try FileManager.default.removeItem(atPath: folder / "model")
    try writeModel()
    _ = try FileManager.default.removeItem(atPath: folder / "out.flash")
    #expect(try convert().modelDigest == manifest.modelDigest)
  }

  @Test(arguments: [
    "../model-1-of-2.safetensors", "/etc/x.safetensors", "..", "", "a/b.safetensors",
  ])
  func shardNamesThatLeaveTheFolderAreRefused(name: String) throws {
    try writeModel { $0.shardCount = 2 }
    try edit("model.safetensors.index.json") {
      $0.replacingOccurrences(of: "model-1-of-2.safetensors", with: name)
    }
    #expect(try refusal().kind == .unsafeShardName)
  }

  @Test func missingShardIsNamed() throws {
    try writeModel { $0.shardCount = 2 }
    try FileManager.default.removeItem(atPath: folder / "model/model-2-of-2.safetensors")
    let error = try refusal()
    #expect(error.kind == .missingShard && error.found == "model-2-of-2.safetensors")
  }

  @Test func indexAndShardsMustAgree() throws {
    try writeModel { $0.shardCount = 2 }
    let index = "model.safetensors.index.json"
    let good = try String(contentsOfFile: folder / "model/\(index)", encoding: .utf8)
    // A tensor that no shard holds.
    try edit(index) {
      $0.replacingOccurrences(
        of: "{\"weight_map\":{", with: "{\"weight_map\":{\"x\":\"model-1-of-2.safetensors\",")
    }
    #expect(try refusal().tensor == "x")
    // A tensor in the other shard.
    try good.write(toFile: folder / "model/\(index)", atomically: false, encoding: .utf8)
    try edit(index) {
      $0.replacingOccurrences(
        of: "\"lm_head.weight\":\"model-1", with: "\"lm_head.weight\":\"model-2")
    }
    #expect(try refusal().kind == .shardIndex)
    // A tensor the index does not name.
    try good.write(toFile: folder / "model/\(index)", atomically: false, encoding: .utf8)
    try edit(index) {
      $0.replacingOccurrences(of: "\"model.norm.weight\":\"model-1-of-2.safetensors\"", with: "")
        .replacingOccurrences(of: "\"model.norm.weight\":\"model-2-of-2.safetensors\"", with: "")
        .replacingOccurrences(of: ",,", with: ",").replacingOccurrences(of: ",}", with: "}")
    }
    #expect(try refusal().tensor == "model.norm.weight")
  }

  @Test func shapesMustAgreeWithTheConfiguration() throws {
    try writeModel()
    try edit("config.json") {
      $0.replacingOccurrences(of: "\"vocab_size\":40", with: "\"vocab_size\":41")
    }
    let error = try refusal()
    #expect(error.kind == .tensorShape && error.expected == "[41, 32]" && error.found == "[40, 32]")
    #expect(error.tensor != nil && error.offset != nil && error.file != nil)
  }

  @Test func missingAndUnexpectedTensorsAreNamed() throws {
    try writeModel()
    try edit("config.json") {
      $0.replacingOccurrences(of: "\"attention_bias\":false", with: "\"attention_bias\":true")
    }
    #expect(try refusal().kind == .missingTensor)
    try FileManager.default.removeItem(atPath: folder / "model")
    try writeModel { $0.hasAttentionBias = true }
    try edit("config.json") {
      $0.replacingOccurrences(of: "\"attention_bias\":true", with: "\"attention_bias\":false")
    }
    let error = try refusal()
    #expect(error.kind == .unexpectedTensor)
    #expect(error.tensor?.hasSuffix("proj.bias") == true)
  }

  @Test func oldNamesOfOPTAreRead() throws {
    try writeModel(.opt)
    let digest = try convert().modelDigest
    try FileManager.default.removeItem(atPath: folder / "out.flash")
    // The same bytes under names without the leading "model.", the header's length kept by blanks.
    let url = URL(filePath: folder / "model/model.safetensors")
    var file = try Data(contentsOf: url)
    let count = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    var json = String(decoding: file[8..<8 + count], as: UTF8.self)
      .replacingOccurrences(of: "\"model.decoder", with: "\"decoder")
    json += String(repeating: " ", count: count - json.utf8.count)
    file.replaceSubrange(8..<8 + count, with: Data(json.utf8))
    try file.write(to: url)
    #expect(try convert().modelDigest == digest)
  }

  @Test func elementTypesOtherThanFloatsAreRefused() throws {
    try writeModel()
    let url = URL(filePath: folder / "model/model.safetensors")
    let data = try Data(contentsOf: url)
    let range = try #require(data.range(of: Data("\"dtype\":\"F32\"".utf8)))
    var changed = data
    changed.replaceSubrange(range, with: Data("\"dtype\":\"I32\"".utf8))
    try changed.write(to: url)
    let error = try refusal()
    #expect(error.kind == .unknownDataType && error.found == "I32")
  }

  @Test func tiedHeadIsIgnoredWhereEqualAndRefusedWhereNot() throws {
    try writeModel()
    try edit("config.json") {
      $0.replacingOccurrences(
        of: "\"tie_word_embeddings\":false", with: "\"tie_word_embeddings\":true")
    }
    #expect(try refusal().kind == .tiedHead)
    // Make the head's bytes those of the embedding.
    let url = URL(filePath: folder / "model/model.safetensors")
    let header = try SafetensorsFile(path: url.path(percentEncoded: false)).header
    var file = try Data(contentsOf: url)
    let head = try #require(header.tensors.first { $0.name == "lm_head.weight" }).extent
    let embedding = try #require(header.tensors.first { $0.name.contains("embed") }).extent
    file.replaceSubrange(
      head.offset..<head.end, with: file[embedding.offset..<embedding.end])
    try file.write(to: url)
    let manifest = try convert()
    #expect(!manifest.tensors.contains { $0.role == .outputHead })
    #expect(manifest.notes.contains { $0.contains("lm_head.weight is not stored") })
  }

  @Test func tokenizerComesAlongAndMayBeMissing() throws {
    try writeModel()
    #expect(try convert().companions.map(\.name) == ["tokenizer.json"])
    let store = try WeightStore.open(folder / "out.flash")
    #expect(store.companionPath("tokenizer.json") != nil)
    #expect(store.companionPath("chat_template.jinja") == nil)
    try FileManager.default.removeItem(atPath: folder / "model/tokenizer.json")
    let notes = try convert(
      ConversionOptions(formats: StoreFormats(.f32), overwrite: true)
    ).notes
    #expect(notes.contains { $0.contains("no tokenizer.json") })
  }

  @Test(arguments: ["{\"version\": \"1.0\"", "[]", "", "\"text\"", "{} {}", "\u{0}"])
  func companionThatIsNoJSONObjectIsRefused(text: String) throws {
    try writeModel()
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      let path = folder / "model/\(name)"
      try text.write(toFile: path, atomically: false, encoding: .utf8)
      let error = try refusal()
      #expect(error.kind == .companion && error.category == .badData)
      #expect(error.file == path)
      try "{\"a\": [1]}".write(toFile: path, atomically: false, encoding: .utf8)
    }
    #expect(try convert().companions.count == 2)
  }

  @Test func rowsThatDoNotFillBlocksStayF16() throws {
    try writeModel(.llama) {
      $0.configuration.width = 24
      $0.configuration.headDimension = 8
    }
    let manifest = try convert(
      ConversionOptions(formats: StoreFormats(.q4_0, head: .q8_0)))
    #expect(manifest.bundles.allSatisfy { $0.parts.allSatisfy { $0.format == .f16 } })
    #expect(manifest.notes.contains { $0.hasPrefix("outputHead stays f16") })
    // Four heads of eight values fill a block.
    #expect(manifest.tensors.first { $0.role == .attentionOutput }?.format == .q4_0)
  }
}
