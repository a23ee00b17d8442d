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
  private static let tokens = (0..<24).map { Int32($0 * 977 % 37) }
  /// Unoptimized, two formats and fewer limits are enough.
  private static let formats: [RowFormat] =
    isOptimizedBuild ? [.f32, .f16, .bf16, .q8_0, .q4_0] : [.f32, .q4_0]

  private static func convert(
    _ family: TinyModel.Family, _ format: RowFormat
  ) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    let model = TinyModel(
      family: family, seed: 3, width: 128, headDimension: 16, keyValueHeads: [4, 2, 1],
      feedForwardWidth: 96, expertCount: 8, activeCount: 3)
    try model.write(to: folder.path + "/tiny")
    return try ConvertedStore(folder.path + "/tiny", format)
  }

  private static func base(chunk: Int = 16) -> DecoderOptions {
    var options = DecoderOptions()
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = chunk
    options.logitsRowCapacity = chunk
    return options
  }

  /// A run that keeps less than all experts: `percent` of the way from no window to room for all.
  private static func windowed(
    _ store: WeightStore, percent: Int, chunk: Int = 16
  ) throws -> DecoderOptions {
    var options = base(chunk: chunk)
    options.storage.residency = .window
    let (plan, _) = try Decoder.plan(store: store, options: options)
    options.storage.memoryLimit =
      plan.minimumByteCount + (plan.byteCount - plan.minimumByteCount) * percent / 100
    return options
  }

  @Test(arguments: TinyModel.Family.withExperts, formats)
  func whereExpertsAreDoesNotChangeABit(family: TinyModel.Family, format: RowFormat) throws {
    let converted = try Self.convert(family, format)
    let store = converted.store
    let expected = try DecoderRuns.logits(store, Self.tokens, options: Self.base())
    func expectSame(_ name: String, _ options: DecoderOptions) throws {
      let found = try DecoderRuns.logits(store, Self.tokens, options: options)
      #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(name)")
    }
    for chunk in [1, 16, 128] {
      try expectSame("resident, chunks of \(chunk)", Self.base(chunk: chunk))
      for percent in isOptimizedBuild ? [0, 45, 60, 100] : [0, 60] {
        for lookAhead in [LookAheadChoice.on, .off] {
          var options = try Self.windowed(store, percent: percent, chunk: chunk)
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
    let converted = try Self.convert(.qwen2MoE, .q8_0)
    let expected = try DecoderRuns.logits(
      converted.store, Self.tokens, options: Self.base())
    var options = try Self.windowed(
      converted.store, percent: [20, 50, 80][Int(seed % 3)], chunk: seed % 4 == 0 ? 7 : 1)
    options.storage.lookAhead = .on
    var faults = SimulatedFaults()
    faults.shortReadChance = 0.2
    faults.interruptionChance = 0.1
    let (decoder, _) = try DecoderRuns.simulated(
      converted.store, options, seed: seed, unit: [512, 4096][Int(seed % 2)], faults: faults)
    #expect(try DecoderRuns.logits(decoder, Self.tokens) == expected)
    let window = decoder.statistics
    #expect(window.windowHits + window.windowMisses > 0)
  }

  @Test func aFailedReadIsAnErrorAndTheDecoderGoesOn() throws {
    let converted = try Self.convert(.mixtral, .q8_0)
    let expected = try DecoderRuns.logits(converted.store, Self.tokens, options: Self.base())
    let options = try Self.windowed(converted.store, percent: 50, chunk: 8)
    for seed in 1...10 as ClosedRange<UInt64> {
      let (decoder, engine) = try DecoderRuns.simulated(converted.store, options, seed: seed)
      engine.faults.failureChance = 0.05
      do {
        #expect(try DecoderRuns.logits(decoder, Self.tokens) == expected)
      } catch let error as ReadFailure {
        #expect("\(error)".contains("bundles.bin"))
      }
      engine.faults.failureChance = 0
      #expect(try DecoderRuns.logits(decoder, Self.tokens) == expected)
    }
  }

  @Test func aPromptReadsEachExpertOnce() throws {
    let converted = try Self.convert(.mixtral, .q8_0)
    let bundles = converted.store.manifest.bundles
    for percent in [0, 60] {
      let options = try Self.windowed(converted.store, percent: percent, chunk: 40)
      let decoder = try Decoder(store: converted.store, options: options)
      _ = try DecoderRuns.logits(decoder, Self.tokens)
      let statistics = decoder.statistics
      let all = bundles.reduce(0) { $0 + $1.extent.byteCount }
      #expect(statistics.windowMisses <= bundles.count * 8 && statistics.windowHits == 0)
      #expect(statistics.windowWantedByteCount <= all)
      #expect(statistics.windowReadByteCount <= all + statistics.windowMisses * 2 * 4096)
    }
  }

  @Test func aModelWithoutRoomForOneTokensExpertsHasNoWindow() throws {
    let converted = try Self.convert(.mixtral, .f32)
    let options = try Self.windowed(converted.store, percent: 5)
    let (plan, _) = try Decoder.plan(store: converted.store, options: options)
    #expect(plan.feedForward == .windowed(slotsPerLayer: [0, 0, 0], stagingSlots: 4))
    #expect(plan.notes.contains { $0.contains("one token's experts") })
    let (more, _) = try Decoder.plan(
      store: converted.store, options: Self.windowed(converted.store, percent: 60))
    guard case .windowed(let slots, _) = more.feedForward else {
      Issue.record("\(more.feedForward)")
      return
    }
    #expect(slots.allSatisfy { (3...8).contains($0) })
  }

  @Test func chunksShrinkWithTheLimitAndTheFloorIsTheSmallestOnes() throws {
    let converted = try Self.convert(.mixtral, .f32)
    var options = Self.base()
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

  @Test func neuronsInsideExpertsAreNotLeftOut() throws {
    let converted = try Self.convert(.mixtral, .f32)
    for sparsity in [SparsityChoice.exact, .predicted] {
      var options = Self.base()
      options.sparsity = sparsity
      #expect(throws: DecoderError.self) {
        try Decoder(store: converted.store, options: options)
      }
    }
  }

  /// A router's row in `dense.safetensors` is made infinite behind the converter's back.
  @Test func aRouterThatChoosesNothingIsAnError() throws {
    let converted = try Self.convert(.mixtral, .f32)
    let store = converted.store
    let router = try #require(
      store.manifest.tensors.first { $0.role == .router && $0.layer == 1 })
    let file = try FileHandle(forUpdating: URL(filePath: store.densePath))
    try file.seek(toOffset: UInt64(router.extent.offset))
    try file.write(contentsOf: Data([0, 0, 0x80, 0x7f]))
    try file.close()
    let decoder = try Decoder(store: store, options: Self.base())
    let error = #expect(throws: DecoderError.self) {
      try DecoderRuns.logits(decoder, Self.tokens)
    }
    guard case .noRouting(layer: 1, position: 0)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
