import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Glibc
import Testing

/// Seeded faults on the simulated device: a run ends in the right logits or in a named failure, and
/// the decoder lives on.
struct FaultTests {
  /// How neurons come from flash.
  enum Shape: CaseIterable { case windowed, streamed }

  #if DEBUG
    static let seedCount: UInt64 = 60
  #else
    static let seedCount: UInt64 = 500
  #endif

  /// Small, but larger than the buffers of a run below all resident.
  private static func store() throws -> ConvertedStore {
    let model = TinyModel(
      family: .deci, seed: 3, width: 128, headDimension: 16, queryHeads: 8,
      keyValueHeads: [4, 2], feedForwardWidth: 1024, vocabularySize: 320)
    let folder = try ProjectFiles.TemporaryFolder()
    try model.write(to: folder.path)
    return try ConvertedStore(folder.path, StoreFormats(.f32), inMemory: true)
  }

  private static let tokens = (0..<9).map { Int32(($0 * 97 + 13) % 320) }

  @Test(arguments: Shape.allCases)
  func everyRunEndsInTheRightLogitsOrANamedFailure(shape: Shape) throws {
    let converted = try Self.store()
    let options = try [512, 4096].map { try self.options(shape, converted.store, unit: $0) }
    let expected = try DecoderRuns.logits(
      converted.store, Self.tokens, options: DecoderOptions()
    ).map(\.bitPattern)
    var failed = 0
    for seed in 0..<Self.seedCount {
      let (decoder, engine) = try DecoderRuns.simulated(
        converted.store, options[Int(seed % 2)], seed: seed, unit: seed % 2 == 0 ? 512 : 4096)
      engine.faults = faults(seed, shape, after: engine.takenCount)
      do {
        let logits = try DecoderRuns.logits(decoder, Self.tokens)
        try #require(logits.map(\.bitPattern) == expected, "seed \(seed)")
      } catch let failure as ReadFailure {
        failed += 1
        try #require(isNamed(failure, converted.store) && engine.faultCount > 0, "\(failure)")
      }
      engine.faults = SimulatedFaults()
      // What was read ahead keeps its fate: it may fail one more run.
      var retried = try? DecoderRuns.logits(decoder, Self.tokens)
      if retried == nil { retried = try DecoderRuns.logits(decoder, Self.tokens) }
      try #require(retried?.map(\.bitPattern) == expected, "seed \(seed), after the faults")
    }
    #expect(failed > Int(Self.seedCount) / 10 && failed < Int(Self.seedCount) * 9 / 10)
  }

  @Test(arguments: Shape.allCases)
  func aDeviceThatFailsWhileTheStoreIsOpenedIsNamed(shape: Shape) throws {
    let converted = try Self.store()
    let options = try options(shape, converted.store, unit: 512)
    for reads in 0..<10 {
      var faults = SimulatedFaults()
      faults.deviceGoneAfter = reads
      let failure = try #require(throws: ReadFailure.self) {
        _ = try DecoderRuns.simulated(converted.store, options, seed: 1, unit: 512, faults: faults)
      }
      #expect(isNamed(failure, converted.store) && failure.code == ENODEV)
    }
  }

  private func options(
    _ shape: Shape, _ store: WeightStore, unit: Int
  ) throws -> DecoderOptions {
    var options = DecoderOptions()
    options.threadCount = 1
    options.logitsRowCapacity = 4
    options.contextLength = 16
    options.sparsity = shape == .windowed ? .exact : .dense
    options.storage.queueDepth = 8
    options.prefillChunk = 4
    options.sliceByteCount = 64 << 10
    options = try DecoderRuns.limited(options, store, percent: 10, unit: unit)
    let (decoder, _) = try DecoderRuns.simulated(store, options, seed: 0, unit: unit)
    let isWindowed = if case .windowed = decoder.plan.feedForward { true } else { false }
    #expect(decoder.plan.feedForward != .resident && isWindowed == (shape == .windowed))
    return options
  }

  private func isNamed(_ failure: ReadFailure, _ store: WeightStore) -> Bool {
    let text = failure.description
    return [store.densePath, store.bundlesPath].contains(failure.path)
      && failure.context != nil && text.contains("offset \(failure.extent.offset)")
      && (failure.code == nil || [EIO, ENODEV, EINTR].contains(failure.code!))
  }

  /// A windowed run makes some 600 reads, a streamed one some 60.
  private func faults(_ seed: UInt64, _ shape: Shape, after reads: Int) -> SimulatedFaults {
    let readCount = shape == .windowed ? 600 : 60
    let chance = 1 / Double(readCount)
    var faults = SimulatedFaults()
    switch seed / 2 % 5 {
    case 0: faults.shortReadChance = 0.4
    case 1: faults.failureChance = 2 * chance
    case 2: faults.interruptionChance = 0.3
    case 3: faults.deviceGoneAfter = reads + Int(seed * 7) % readCount
    default: (faults.shortReadChance, faults.failureChance) = (0.2, chance)
    }
    return faults
  }
}
