import FlashKernels
import FlashTestSupport
import FlashWeights
import Flashrun
import Testing

/// A tiny model of random weights that came without a tokenizer: tokens in, tokens out.
struct TextlessStoreTests {
  let folder: ProjectFiles.TemporaryFolder
  let converted: ConvertedStore

  init() throws {
    folder = try ProjectFiles.TemporaryFolder()
    var model = TinyModel.random(seed: 3)
    model.hasTokenizer = false
    try model.write(to: folder.path + "/checkpoint")
    converted = try ConvertedStore(folder.path + "/checkpoint", .f32)
  }

  func tokens(_ generation: Generation) async throws -> [Int32] {
    var tokens: [Int32] = []
    for try await event in generation {
      if case .token(let token) = event { tokens.append(token) }
      if case .text(let text) = event { Issue.record("there is no text: \(text)") }
    }
    return tokens
  }

  @Test func tokensAreContinuedTheSameWayEachTime() async throws {
    let engine = try await Engine(opening: converted.store.path)
    var options = GenerationOptions()
    options.maximumTokens = 6
    options.ignoreEndTokens = true
    options.sampling.seed = 1
    let first = try await tokens(engine.generate(.tokens([1, 2, 3]), options: options))
    #expect(first.count == 6)
    #expect(try await tokens(engine.generate(.tokens([1, 2, 3]), options: options)) == first)
  }

  @Test func textIsRefusedAndTheEngineStaysUsable() async throws {
    let path = converted.store.path
    let engine = try await Engine(opening: path)
    var options = GenerationOptions()
    options.maximumTokens = 2
    for prompt in [Prompt.text("Once"), .userText("Once"), ""] {
      await #expect(throws: EngineError.noTokenizer(store: path)) {
        _ = try await tokens(engine.generate(prompt, options: options))
      }
    }
    #expect(try await !tokens(engine.generate(.tokens([1]), options: options)).isEmpty)
  }

  @Test func unknownTokensAreRefusedAndTheEngineStaysUsable() async throws {
    let engine = try await Engine(opening: converted.store.path)
    var options = GenerationOptions()
    options.maximumTokens = 2
    for token in [Int32(-1), Int32.max] {
      await #expect(throws: (any Error).self) {
        _ = try await tokens(engine.generate(.tokens([token]), options: options))
      }
    }
    #expect(try await !tokens(engine.generate(.tokens([1]), options: options)).isEmpty)
  }
}
