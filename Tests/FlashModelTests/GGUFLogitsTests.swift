import FlashModel
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

/// Logits of converted GGUF files equal those of llama.cpp.
struct GGUFLogitsTests {
  private static let models = "vectors/gguf-models"
  private static let stories = "models/stories260K"

  private func logits(_ file: String, _ tokens: [Int32]) throws -> [Float] {
    let converted = try ConvertedStore(
      try #require(ProjectFiles.shared(file)), StoreFormats())
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
    arguments: ["llama", "deci"])
  func logitsOfEveryPartEqualThoseOfLlamaCpp(architecture: String) throws {
    let path = "\(Self.models)/\(architecture)-dense"
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
