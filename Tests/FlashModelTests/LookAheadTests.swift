import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// Guesses of what the next layer wants are read early, taken where they are wanted, and change
/// nothing else.
struct LookAheadTests {
  private static let tokens = (0..<24).map { Int32(($0 * 977 + 13) % 4096) }

  private func options(_ choice: LookAheadChoice) -> DecoderOptions {
    var options = DecoderOptions()
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = 1
    options.sparsity = .exact
    options.sliceByteCount = 64 << 10
    options.storage.lookAhead = choice
    return options
  }

  private func sample(_ format: RowFormat) throws -> ConvertedStore {
    try ConvertedStore(ProjectFiles.sample, StoreFormats(format), inMemory: true)
  }

  private func bits(_ decoder: Decoder) throws -> [UInt32] {
    try DecoderRuns.logits(decoder, Self.tokens).map(\.bitPattern)
  }

  @Test(arguments: [RowFormat.f32, .q4_0], [512, 4096])
  func guessesAreUsedAndChangeNoBit(format: RowFormat, unit: Int) throws {
    let converted = try sample(format)
    let expected = try bits(Decoder(store: converted.store, options: options(.off)))
    var used = 0
    for percent in [0, 10, 40] {
      for window in [1, nil] {
        var options = options(.on)
        options.storage.policy = window.map { .window(tokens: $0) } ?? .lfru
        options = try DecoderRuns.limited(options, converted.store, percent: percent, unit: unit)
        let (decoder, engine) = try DecoderRuns.simulated(
          converted.store, options, seed: 5, unit: unit)
        let before = decoder.statistics
        #expect(try bits(decoder) == expected, "\(percent) %, window \(window ?? 0)")
        let run = decoder.statistics - before
        #expect(run.lookAhead.used <= run.lookAhead.issued)
        #expect(run.lookAhead.usedByteCount <= run.lookAhead.readByteCount)
        #expect(engine.statistics.maximumInFlight <= options.storage.queueDepth)
        used += run.lookAhead.used
      }
    }
    #expect(used > 0)
  }

  @Test(arguments: [ReadEngineSelection.Choice.auto, .pread])
  func everyEngineLooksAheadToTheSameBits(engine: ReadEngineSelection.Choice) throws {
    let converted = try ConvertedStore.sample(.q8_0)
    let expected = try bits(Decoder(store: converted.store, options: options(.off)))
    var options = options(.on)
    options.storage.engine = engine
    options = try DecoderRuns.limited(options, converted.store, percent: 10)
    #expect(try bits(Decoder(store: converted.store, options: options)) == expected)
  }

  @Test func withoutItNothingIsReadOnAGuess() throws {
    let converted = try sample(.f32)
    for choice in LookAheadChoice.allCases {
      let limited = try DecoderRuns.limited(options(choice), converted.store, percent: 10)
      let decoder = try Decoder(store: converted.store, options: limited)
      let isOn = choice != .off
      #expect(decoder.plan.items.contains { $0.name == "look-ahead" } == isOn)
      guard !isOn else { continue }
      _ = try bits(decoder)
      #expect(decoder.statistics.lookAhead == LookAheadStatistics())
    }
  }
}
