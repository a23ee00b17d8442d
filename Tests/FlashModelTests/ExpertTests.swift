import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

/// Routed experts: the law, what is read, and routers that choose nothing.
struct ExpertTests {
  /// Unoptimized, two formats and fewer limits are enough.
  private static let formats: [RowFormat] =
    isOptimizedBuild ? [.f32, .f16, .bf16, .q8_0, .q4_0] : [.f32, .q4_0]

  @Test(arguments: TinyModel.Family.withExperts, formats)
  func whereExpertsAreDoesNotChangeABit(family: TinyModel.Family, format: RowFormat) throws {
    let converted = try ExpertModels.convert(family, format)
    let store = converted.store
    let expected = try DecoderRuns.logits(
      store, ExpertModels.tokens, options: ExpertModels.options())
    func expectSame(_ name: String, _ options: DecoderOptions) throws {
      let found = try DecoderRuns.logits(store, ExpertModels.tokens, options: options)
      #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(name)")
    }
    for chunk in [1, 16, 128] {
      try expectSame("resident, chunks of \(chunk)", ExpertModels.options(chunk: chunk))
      for percent in isOptimizedBuild ? [0, 45, 60, 100] : [0, 60] {
        for lookAhead in [LookAheadChoice.on, .off] {
          var options = try ExpertModels.windowed(store, percent: percent, chunk: chunk)
          options.storage.lookAhead = lookAhead
          options.threadCount = 1 + percent % 2
          options.storage.engine = percent == 60 ? .pread : .auto
          options.storage.policy = percent == 45 ? .lru : .lfru
          options.storage.overlapsReads = percent < 100
          try expectSame("\(percent) %, chunks of \(chunk), look-ahead \(lookAhead)", options)
        }
      }
    }
  }

  @Test(arguments: 1...12 as ClosedRange<UInt64>)
  func wrongGuessesAndLateReadsDoNotChangeABit(seed: UInt64) throws {
    let converted = try ExpertModels.convert(.qwen2MoE, .q8_0)
    let expected = try DecoderRuns.logits(
      converted.store, ExpertModels.tokens, options: ExpertModels.options())
    var options = try ExpertModels.windowed(
      converted.store, percent: [20, 50, 80][Int(seed % 3)], chunk: seed % 4 == 0 ? 7 : 1)
    options.storage.lookAhead = .on
    var faults = SimulatedFaults()
    faults.shortReadChance = 0.2
    faults.interruptionChance = 0.1
    let (decoder, _) = try DecoderRuns.simulated(
      converted.store, options, seed: seed, unit: [512, 4096][Int(seed % 2)], faults: faults)
    #expect(try DecoderRuns.logits(decoder, ExpertModels.tokens) == expected)
    let window = decoder.statistics
    #expect(window.windowHits + window.windowMisses > 0)
  }

  @Test func aFailedReadIsAnErrorAndTheDecoderGoesOn() throws {
    let converted = try ExpertModels.convert(.mixtral, .q8_0)
    let expected = try DecoderRuns.logits(
      converted.store, ExpertModels.tokens, options: ExpertModels.options())
    let options = try ExpertModels.windowed(converted.store, percent: 50, chunk: 8)
    for seed in 1...10 as ClosedRange<UInt64> {
      let (decoder, engine) = try DecoderRuns.simulated(converted.store, options, seed: seed)
      engine.faults.failureChance = 0.05
      do {
        #expect(try DecoderRuns.logits(decoder, ExpertModels.tokens) == expected)
      } catch let error as ReadFailure {
        #expect("\(error)".contains("bundles.bin"))
      }
      engine.faults.failureChance = 0
      #expect(try DecoderRuns.logits(decoder, ExpertModels.tokens) == expected)
    }
  }

  @Test func aPromptReadsEachExpertOnce() throws {
    let converted = try ExpertModels.convert(.mixtral, .q8_0)
    let bundles = converted.store.manifest.bundles
    let expected = try DecoderRuns.logits(
      converted.store, ExpertModels.tokens, options: ExpertModels.options(chunk: 40))
    // Logits come out in parts where there is no room for a chunk's.
    for (percent, rows) in [(0, 40), (60, 40), (60, 7)] {
      var options = try ExpertModels.windowed(converted.store, percent: percent, chunk: 40)
      options.logitsRowCapacity = rows
      let decoder = try Decoder(store: converted.store, options: options)
      #expect(try DecoderRuns.logits(decoder, ExpertModels.tokens) == expected)
      let statistics = decoder.statistics
      let all = bundles.reduce(0) { $0 + $1.extent.byteCount }
      #expect(statistics.windowMisses <= bundles.count * 8 && statistics.windowHits == 0)
      #expect(statistics.windowWantedByteCount <= all)
      #expect(statistics.windowReadByteCount <= all + statistics.windowMisses * 2 * 4096)
    }
  }

  /// What a prompt guesses for the next layer is read early, and nothing is read twice.
  @Test(arguments: [TinyModel.Family.mixtral, .turboSparseMixtral], [0, 60])
  func aPromptReadsAheadAndNothingTwice(family: TinyModel.Family, percent: Int) throws {
    let converted = try ExpertModels.convert(family, .q4_0)
    var options = try ExpertModels.windowed(converted.store, percent: percent, chunk: 24)
    func run(_ choice: LookAheadChoice) throws -> (logits: [Float], counted: DecoderStatistics) {
      options.storage.lookAhead = choice
      let (decoder, _) = try DecoderRuns.simulated(converted.store, options, seed: 7)
      let before = decoder.statistics
      let logits = try DecoderRuns.logits(decoder, ExpertModels.tokens)
      return (logits, decoder.statistics - before)
    }
    let (plain, ahead) = (try run(.off), try run(.on))
    #expect(ahead.logits == plain.logits)
    #expect(plain.counted.lookAhead.issued == 0 && ahead.counted.lookAhead.used > 0)
    let wrong = ahead.counted.lookAhead.issued - ahead.counted.lookAhead.used
    // Two tokens or more agreed on each.
    #expect(wrong <= 1)
    let (plan, _) = try Decoder.plan(store: converted.store, options: options)
    #expect(
      ahead.counted.reads.byteCount
        <= plain.counted.reads.byteCount + wrong * plan.slotByteCount)
  }

  @Test func aModelWithoutRoomForOneTokensExpertsHasNoWindow() throws {
    let converted = try ExpertModels.convert(.mixtral, .f32)
    let options = try ExpertModels.windowed(converted.store, percent: 5)
    let (plan, _) = try Decoder.plan(store: converted.store, options: options)
    #expect(plan.feedForward == .windowed(slotsPerLayer: [0, 0, 0], stagingSlots: 4))
    #expect(plan.notes.contains { $0.contains("one token's experts") })
    let (more, _) = try Decoder.plan(
      store: converted.store, options: ExpertModels.windowed(converted.store, percent: 60))
    guard case .windowed(let slots, _) = more.feedForward else {
      Issue.record("\(more.feedForward)")
      return
    }
    #expect(slots.allSatisfy { (3...8).contains($0) })
  }

  @Test func chunksShrinkWithTheLimitAndTheFloorIsTheSmallestOnes() throws {
    let converted = try ExpertModels.convert(.mixtral, .f32)
    var options = ExpertModels.options()
    options.prefillChunk = nil
    options.storage.memoryLimit = 1
    let error = #expect(throws: MemoryPlanError.self) {
      try Decoder.plan(store: converted.store, options: options)
    }
    let floor = try #require(error?.requiredByteCount)
    options.storage.memoryLimit = floor
    let decoder = try Decoder(store: converted.store, options: options)
    #expect(decoder.prefillChunk == 64 && decoder.plan.minimumByteCount == floor)
    options.storage.memoryLimit = 1 << 30
    let large = try Decoder(store: converted.store, options: options)
    #expect(large.prefillChunk == 512 && large.plan.minimumByteCount == floor)
  }

  /// A router's row in `dense.safetensors` is made infinite behind the converter's back.
  @Test func aRouterThatChoosesNothingIsAnError() throws {
    let converted = try ExpertModels.convert(.mixtral, .f32)
    let store = converted.store
    let router = try #require(
      store.manifest.tensors.first { $0.role == .router && $0.layer == 1 })
    let file = try FileHandle(forUpdating: URL(filePath: store.densePath))
    try file.seek(toOffset: UInt64(router.extent.offset))
    try file.write(contentsOf: Data([0, 0, 0x80, 0x7f]))
    try file.close()
    let decoder = try Decoder(store: store, options: ExpertModels.options())
    let error = #expect(throws: DecoderError.self) {
      try DecoderRuns.logits(decoder, ExpertModels.tokens)
    }
    guard case .noRouting(layer: 1, position: 0)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
