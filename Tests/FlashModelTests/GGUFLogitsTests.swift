import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

/// Logits of converted GGUF files equal those of llama.cpp.
struct GGUFLogitsTests {
  private static let models = "vectors/gguf-models"
  private static let stories = "models/stories260K"

  private func logits(_ file: String, _ tokens: [Int32]) throws -> [Float] {
    try logits(path: try #require(ProjectFiles.shared(file)), StoreFormats(), tokens)
  }

  private func logits(
    path: String, _ formats: StoreFormats, _ tokens: [Int32]
  ) throws -> [Float] {
    let converted = try ConvertedStore(path, formats)
    return try withExtendedLifetime(converted) {
      try DecoderRuns.logits(converted.store, tokens, options: DecoderOptions())
    }
  }

  private func array<Value: BitwiseCopyable>(_ type: Value.Type, _ path: String) throws -> [Value] {
    try Reference.array(type, try #require(ProjectFiles.shared(path)))
  }

  @Test(.enabled(if: ProjectFiles.shared(models) != nil, "shared folder is missing"))
  func logitsOfVariableGroupedQueriesEqualThoseOfLlamaCpp() throws {
    let path = Self.models + "/decilm-vgqa"
    let found = try logits(path + ".gguf", try array(Int32.self, path + ".tokens.i32"))
    let expected = try array(Float.self, path + ".reference-logits.llamacpp.f32")
    #expect(DecoderRuns.relativeDifference(found, expected) < 1e-4)
  }

  /// With biases and scales on every matrix and divisors of RoPE's frequencies.
  @Test(
    .enabled(if: ProjectFiles.shared(models) != nil, "shared folder is missing"),
    arguments: ["llama-dense", "deci-dense", "qwen3moe-moe"])
  func logitsOfEveryPartEqualThoseOfLlamaCpp(file: String) throws {
    let path = "\(Self.models)/\(file)"
    let found = try logits(path + ".gguf", try array(Int32.self, Self.models + "/tokens.i32"))
    let expected = try array(Float.self, path + ".logits.f32")
    #expect(DecoderRuns.relativeDifference(found, expected) < 1e-4)
  }

  @Test(
    .enabled(if: ProjectFiles.shared(stories) != nil, "shared folder is missing"),
    arguments: [("F32", Float(1e-4)), ("F16", 1e-2), ("Q8_0", 3e-2)])
  func logitsOfStoriesEqualThoseOfLlamaCpp(type: String, tolerance: Float) throws {
    let tokens = try array(Int32.self, Self.stories + "/reference-tokens.i32")
    let path = "\(Self.stories)/gguf/stories260K-"
    let found = try logits("\(path)\(type).gguf", tokens)
    let reference = type == "Q8_0" ? "Q8_0" : "F32"
    let expected = try array(Float.self, "\(path)\(reference).reference-logits.llamacpp.f32")
    #expect(DecoderRuns.relativeDifference(found, expected) < tolerance)
    let full = try array(Float.self, "\(path)F32.reference-logits.llamacpp.f32")
    let ratio = Self.perplexity(found, tokens) / Self.perplexity(full, tokens)
    #expect(abs(ratio - 1) < 5e-3, "perplexity of \(type) over that of F32")
  }

  /// Files that llama.cpp's converter wrote (`make.py` beside them); gpt-oss' experts are MXFP4.
  @Test(arguments: ["mixtral", "qwen2-moe", "olmoe", "gpt-oss", "smallthinker"])
  func logitsOfMixturesEqualThoseOfLlamaCpp(family: String) throws {
    let folder = ProjectFiles.fixtures + "/gguf-mixtures/"
    let tokens = try Reference.array(Int32.self, folder + "tokens.i32")
    let found = try logits(path: folder + family + ".gguf", StoreFormats(.f32), tokens)
    let expected = try Reference.array(Float.self, folder + family + ".logits.f32")
    #expect(DecoderRuns.relativeDifference(found, expected) < 1e-4)
  }

  /// Types from tensor to tensor as llama.cpp's Q4_K_M has them: q6_K for the values and the down
  /// projection of some layers and for the embedding, q4_K for the rest.
  @Test func mixedTypesRunAsTheirValues() throws {
    var file = GGUFBuilder.llama(type: .q4_K)
    let finer = GGUFBuilder.llama(type: .q6_K)
    for (index, tensor) in finer.tensors.enumerated() {
      let name = tensor.name
      if name == "token_embd.weight" || name == "blk.0.attn_v.weight"
        || name == "blk.0.ffn_down.weight"
      {
        file.tensors[index] = tensor
      }
    }
    let folder = try ProjectFiles.TemporaryFolder()
    try Data(file.bytes).write(to: URL(filePath: folder.path + "/mixed.gguf"))
    let kept = try ConvertedStore(folder.path + "/mixed.gguf", StoreFormats())
    let store = kept.store
    #expect(store.tensor(.tokenEmbedding)?.format == .q6_K)
    let formats = [0, 1].map { layer in
      [TensorRole.query, .key, .value, .attentionOutput].map {
        store.tensor($0, layer: layer)?.format
      }
    }
    #expect(formats[0] == [.q4_K, .q4_K, .q6_K, .q4_K])
    #expect(formats[1] == [.q4_K, .q4_K, .q4_K, .q4_K])
    let parts = store.manifest.bundles.map { $0.parts.map(\.format) }
    #expect(parts[0] == [.q4_K, .q6_K, .q4_K] && parts[1] == [.q4_K, .q4_K, .q4_K])
    let tokens = (0..<24).map { Int32($0 * 29 % 96) }
    var options = DecoderOptions()
    options.threadCount = 2
    let found = try DecoderRuns.logits(store, tokens, options: options)
    var limited = try DecoderRuns.limited(options, store, percent: 0)
    // Rows of logits are part of the plan.
    limited.storage.memoryLimit = limited.storage.memoryLimit! + (1 << 20)
    let streamed = try DecoderRuns.logits(store, tokens, options: limited)
    #expect(streamed.map(\.bitPattern) == found.map(\.bitPattern))
    // The same values in f32: what is left is the rounding of activations and of down.
    let full = try ConvertedStore(folder.path + "/mixed.gguf", .f32)
    let expected = try DecoderRuns.logits(full.store, tokens, options: options)
    #expect(DecoderRuns.relativeDifference(found, expected) < 0.15)
  }

  /// Perplexity of each token after those before it, from logits `[tokens, vocabulary]`.
  private static func perplexity(_ logits: [Float], _ tokens: [Int32]) -> Double {
    let vocabulary = logits.count / tokens.count
    var loss = 0.0
    for position in 0..<tokens.count - 1 {
      let row = logits[position * vocabulary..<(position + 1) * vocabulary].map(Double.init)
      let most = row.max() ?? 0
      let sum = row.reduce(0) { $0 + exp($1 - most) }
      loss += log(sum) + most - row[Int(tokens[position + 1])]
    }
    return exp(loss / Double(tokens.count - 1))
  }
}
