import Flashrun
import Foundation
import Testing

/// Text of the bundled sample: golden continuations, and everything that can end one.
@Suite struct EngineTests {
  /// What the reference implementation wrote for one prompt.
  struct Reference: Decodable {
    struct Case: Decodable {
      var prompt: String
      var ids: [Int32]
      var greedyIds: [Int32]
      var greedyText: String
    }
    var cases: [Case]

    static func load() throws -> Reference {
      let path = SampleStore.root + "/Tests/FlashTestSupport/Fixtures/reference.json"
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(
        Reference.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
  }

  /// All events of a generation.
  struct Transcript {
    var text = ""
    var tokens: [Int32] = []
    var prefill: [Int] = []
    var result: GenerationResult?

    init(_ generation: Generation, onToken: (Int) -> Void = { _ in }) async throws {
      for try await event in generation {
        switch event {
        case .prefill(let done, _): prefill.append(done)
        case .token(let token):
          tokens.append(token)
          onToken(tokens.count)
        case .text(let piece): text += piece
        case .finished(let result): self.result = result
        }
      }
    }
  }

  static func engine(
    _ store: Result<String, any Error> = SampleStore.full,
    _ configure: (inout EngineOptions) -> Void = { _ in }
  ) async throws -> Engine {
    var options = EngineOptions()
    configure(&options)
    return try await Engine(opening: store.get(), options: options)
  }

  static func greedy(_ maximumTokens: Int?) -> GenerationOptions {
    var options = GenerationOptions()
    options.sampling = .greedy
    options.maximumTokens = maximumTokens
    return options
  }

  @Test func greedyTextIsTheReferences() async throws {
    let engine = try await Self.engine()
    for expected in try Reference.load().cases {
      let transcript = try await Transcript(
        engine.generate(
          .text(expected.prompt), options: Self.greedy(expected.greedyIds.count)))
      #expect(transcript.tokens == expected.greedyIds)
      #expect(transcript.text == expected.greedyText)
      let result = try #require(transcript.result)
      #expect(result.reason == .maximumTokens)
      #expect(result.promptTokenCount == expected.ids.count)
      #expect(transcript.prefill.last == expected.ids.count)
    }
  }

  @Test func theReadmesExampleTellsAStory() async throws {
    let story = try await continueStory(store: SampleStore.full.get())
    #expect(story.count > 20)
  }

  @Test func tokensGiveTheSameTextAsTheirPrompt() async throws {
    let engine = try await Self.engine()
    let expected = try #require(try Reference.load().cases.first)
    let transcript = try await Transcript(
      engine.generate(.tokens(expected.ids), options: Self.greedy(8)))
    #expect(transcript.tokens == Array(expected.greedyIds.prefix(8)))
  }

  @Test func aSeedRepeatsTheTextAndIsReported() async throws {
    let engine = try await Self.engine()
    var options = GenerationOptions()
    options.maximumTokens = 12
    let first = try await Transcript(engine.generate("The old house", options: options))
    options.sampling.seed = try #require(first.result).seed
    let second = try await Transcript(engine.generate("The old house", options: options))
    #expect(first.text == second.text)
    options.sampling.seed = 1 &+ (options.sampling.seed ?? 0)
    let third = try await Transcript(engine.generate("The old house", options: options))
    #expect(first.text != third.text)
  }

  @Test func aStopTextEndsTheTextAndIsNotPartOfIt() async throws {
    let engine = try await Self.engine()
    let expected = try #require(try Reference.load().cases.first)
    var options = Self.greedy(40)
    options.stopTexts = ["the sun"]
    let transcript = try await Transcript(
      engine.generate(.text(expected.prompt), options: options))
    #expect(transcript.result?.reason == .stopText)
    #expect(transcript.text == " was dark and dark, and ")
  }

  @Test func aFullContextEndsTheText() async throws {
    let engine = try await Self.engine { $0.contextLength = 20 }
    var options = Self.greedy(nil)
    options.ignoreEndTokens = true
    let expected = try #require(try Reference.load().cases.first)
    let transcript = try await Transcript(
      engine.generate(.text(expected.prompt), options: options))
    #expect(transcript.result?.reason == .contextFull)
    #expect(expected.ids.count + transcript.tokens.count == 20)
    #expect(transcript.tokens == Array(expected.greedyIds.prefix(7)))
  }

  @Test func aPromptThatDoesNotFitIsRefusedWithBothNumbers() async throws {
    let engine = try await Self.engine { $0.contextLength = 8 }
    await #expect(throws: EngineError.promptTooLong(tokenCount: 9, contextLength: 8)) {
      _ = try await Transcript(
        engine.generate(.tokens(Array(repeating: 5, count: 9)), options: Self.greedy(1)))
    }
    let transcript = try await Transcript(
      engine.generate(.tokens(Array(repeating: 5, count: 8)), options: Self.greedy(1)))
    #expect(transcript.result?.reason == .contextFull)
    #expect(transcript.tokens.isEmpty)
  }

  @Test func cancellingEndsTheTextWithItsFigures() async throws {
    let engine = try await Self.engine()
    var options = Self.greedy(nil)
    options.ignoreEndTokens = true
    let generation = engine.generate("Once", options: options)
    let transcript = try await Transcript(generation) { if $0 == 3 { generation.cancel() } }
    #expect(transcript.result?.reason == .cancelled)
    #expect((3..<20).contains(transcript.tokens.count))
  }

  @Test func leavingTheSequenceFreesTheEngine() async throws {
    let engine = try await Self.engine()
    var options = Self.greedy(nil)
    options.ignoreEndTokens = true
    do {
      for try await event in engine.generate("Once", options: options) {
        if case .token = event { break }
      }
    }
    let expected = try #require(try Reference.load().cases.first)
    let transcript = try await Transcript(
      engine.generate(.text(expected.prompt), options: Self.greedy(3)))
    #expect(transcript.tokens == Array(expected.greedyIds.prefix(3)))
  }

  @Test func generationsOfOneEngineRunOneAfterAnother() async throws {
    let engine = try await Self.engine()
    let cases = try Reference.load().cases
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for expected in cases {
        group.addTask {
          let transcript = try await Transcript(
            engine.generate(.text(expected.prompt), options: Self.greedy(6)))
          return transcript.tokens == Array(expected.greedyIds.prefix(6))
        }
      }
      for try await isEqual in group { #expect(isEqual) }
    }
  }

  @Test func aStoreWithoutTokenizerTakesTokensAndRefusesText() async throws {
    let engine = try await Self.engine(SampleStore.textless)
    let expected = try #require(try Reference.load().cases.first)
    let transcript = try await Transcript(
      engine.generate(.tokens(expected.ids), options: Self.greedy(3)))
    #expect(transcript.tokens == Array(expected.greedyIds.prefix(3)))
    #expect(transcript.text.isEmpty)
    await #expect(throws: EngineError.noTokenizer(store: try SampleStore.textless.get())) {
      _ = try await Transcript(engine.generate("Once", options: Self.greedy(1)))
    }
  }

  @Test func figuresAddUp() async throws {
    let engine = try await Self.engine()
    let transcript = try await Transcript(engine.generate("Once", options: Self.greedy(5)))
    let statistics = try #require(transcript.result).statistics
    #expect(statistics.prefill.tokenCount == transcript.result?.promptTokenCount)
    #expect(statistics.decode.tokenCount == 4)
    #expect(statistics.tokenDurations.count == 4)
    #expect(statistics.tokenDurations.reduce(.zero, +) <= statistics.decode.duration)
    #expect(statistics.writtenByteCount ?? 0 == 0)
  }

  @Test func aMissingStoreIsReported() async {
    await #expect(throws: (any Error).self) { _ = try await Engine(opening: "/nowhere.flash") }
  }
}
