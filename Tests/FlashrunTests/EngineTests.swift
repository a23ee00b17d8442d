import FlashKernels
import FlashTestSupport
import FlashWeights
import Flashrun
import Testing

/// Text of the bundled sample: golden continuations, and everything that can end one.
@Suite(.enabled(if: isOptimizedBuild, "needs an optimized build"))
struct EngineTests {
  let sample: ConvertedStore
  let reference: NovelsReference

  init() throws {
    sample = try .sample(.f32)
    reference = try .load()
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

  func engine(contextLength: Int? = nil) async throws -> Engine {
    var options = EngineOptions()
    options.contextLength = contextLength
    return try await Engine(opening: sample.store.path, options: options)
  }

  func greedy(_ maximumTokens: Int?, ignoringEndTokens: Bool = false) -> GenerationOptions {
    var options = GenerationOptions()
    options.sampling = .greedy
    options.maximumTokens = maximumTokens
    options.ignoreEndTokens = ignoringEndTokens
    return options
  }

  @Test func greedyTextIsTheReferences() async throws {
    let engine = try await engine()
    for expected in reference.cases {
      let transcript = try await Transcript(
        engine.generate(.text(expected.prompt), options: greedy(expected.greedyIDs.count)))
      #expect(transcript.tokens == expected.greedyIDs)
      #expect(transcript.text == expected.greedyText)
      let result = try #require(transcript.result)
      #expect(result.reason == .maximumTokens)
      #expect(result.promptTokenCount == expected.ids.count)
      #expect(transcript.prefill.last == expected.ids.count)
    }
  }

  @Test func theReadmesExampleRunsToItsEnd() async throws {
    try await writeStory(from: sample.store.path)
  }

  @Test func tokensGiveTheSameTextAsTheirPrompt() async throws {
    let engine = try await engine()
    let expected = reference.cases[0]
    let transcript = try await Transcript(
      engine.generate(.tokens(expected.ids), options: greedy(8)))
    #expect(transcript.tokens == Array(expected.greedyIDs.prefix(8)))
  }

  @Test func aSeedRepeatsTheTextAndIsReported() async throws {
    let engine = try await engine()
    var options = GenerationOptions()
    options.maximumTokens = 12
    let first = try await Transcript(engine.generate("The old house", options: options))
    let seed = try #require(first.result).seed
    options.sampling.seed = seed
    let second = try await Transcript(engine.generate("The old house", options: options))
    #expect(first.text == second.text)
    options.sampling.seed = seed &+ 1
    let third = try await Transcript(engine.generate("The old house", options: options))
    #expect(first.text != third.text)
  }

  @Test func aStopTextEndsTheTextAndIsNotPartOfIt() async throws {
    let engine = try await engine()
    var options = greedy(40)
    options.stopTexts = ["the sun"]
    let transcript = try await Transcript(
      engine.generate(.text(reference.cases[0].prompt), options: options))
    #expect(transcript.result?.reason == .stopText)
    #expect(transcript.text == " was dark and dark, and ")
  }

  @Test func aFullContextEndsTheText() async throws {
    let engine = try await engine(contextLength: 20)
    let expected = reference.cases[0]
    let transcript = try await Transcript(
      engine.generate(.text(expected.prompt), options: greedy(nil, ignoringEndTokens: true)))
    #expect(transcript.result?.reason == .contextFull)
    #expect(transcript.tokens == Array(expected.greedyIDs.prefix(20 - expected.ids.count)))
  }

  @Test func aPromptThatDoesNotFitIsRefusedWithBothNumbers() async throws {
    let engine = try await engine(contextLength: 8)
    await #expect(throws: EngineError.promptTooLong(tokenCount: 9, contextLength: 8)) {
      _ = try await Transcript(
        engine.generate(.tokens(Array(repeating: 5, count: 9)), options: greedy(1)))
    }
    let transcript = try await Transcript(
      engine.generate(.tokens(Array(repeating: 5, count: 8)), options: greedy(1)))
    #expect(transcript.result?.reason == .contextFull)
    #expect(transcript.tokens.isEmpty)
  }

  @Test func cancellingEndsTheTextWithItsFigures() async throws {
    let engine = try await engine()
    let generation = engine.generate("Once", options: greedy(nil, ignoringEndTokens: true))
    generation.cancel()
    let transcript = try await Transcript(generation)
    #expect(transcript.result?.reason == .cancelled)
    #expect(transcript.tokens.isEmpty)
    let prefill = try #require(transcript.result).statistics.prefill
    #expect(prefill.tokenCount == 0)
  }

  @Test func leavingTheSequenceFreesTheEngine() async throws {
    let engine = try await engine()
    for try await event in engine.generate("Once", options: greedy(nil, ignoringEndTokens: true)) {
      if case .token = event { break }
    }
    let expected = reference.cases[0]
    let transcript = try await Transcript(
      engine.generate(.text(expected.prompt), options: greedy(3)))
    #expect(transcript.tokens == Array(expected.greedyIDs.prefix(3)))
  }

  @Test func generationsOfOneEngineRunOneAfterAnother() async throws {
    let engine = try await engine()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for expected in reference.cases {
        group.addTask {
          let transcript = try await Transcript(
            engine.generate(.text(expected.prompt), options: greedy(6)))
          return transcript.tokens == Array(expected.greedyIDs.prefix(6))
        }
      }
      for try await isEqual in group { #expect(isEqual) }
    }
  }

  @Test func figuresAddUp() async throws {
    let engine = try await engine()
    let transcript = try await Transcript(engine.generate("Once", options: greedy(5)))
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
