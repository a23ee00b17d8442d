import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// After warm-up a token allocates nothing in FlashModel and below.
@Suite(.serialized)
struct AllocationTests {
  #if DEBUG
    static let isOptimized = false
  #else
    static let isOptimized = true
  #endif

  /// Whether neurons are resident, windowed or streamed, or experts are windowed, or their neurons.
  enum Shape: CaseIterable {
    case resident, windowed, streamed, predicted, experts, expertNeurons, predictedExpertNeurons
    case thresholdExpertNeurons

    var hasExperts: Bool {
      [.experts, .expertNeurons, .predictedExpertNeurons, .thresholdExpertNeurons].contains(self)
    }
    /// Whether their neurons are never silent.
    var isSmooth: Bool { self == .experts || self == .thresholdExpertNeurons }
    var isPredicted: Bool { self == .predicted || self == .predictedExpertNeurons }
    var sparsity: SparsityChoice {
      isPredicted
        ? .predicted
        : self == .thresholdExpertNeurons
          ? .threshold : [.windowed, .expertNeurons].contains(self) ? .exact : .dense
    }
  }

  @Test
  func theCounterCounts() {
    var kept: [[Int]] = []
    let count = AllocationCounter.count { for n in 0..<10 { kept.append([n, n + 1]) } }
    #expect(count >= 10 && kept.count == 10)
  }

  @Test(
    .enabled(if: isOptimized, "unoptimized code allocates"), arguments: Shape.allCases,
    [ReadEngineSelection.Choice.uring, .pread])
  func aTokenAllocatesNothing(shape: Shape, engine: ReadEngineSelection.Choice) throws {
    guard engine == .pread || UringReadEngine.probe() == nil else { return }
    try measure(shape, engine, isTraced: false)
    try measure(shape, engine, isTraced: true)
  }

  /// Counts what it is given.
  private final class Counter: TraceSink {
    var count = 0

    func write(_ events: UnsafeBufferPointer<TraceEvent>, text: UnsafeBufferPointer<UInt8>) {
      count += events.count
    }
  }

  private static func experts(_ family: TinyModel.Family) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    let model = TinyModel(
      family: family, seed: 3, width: 128, headDimension: 16, feedForwardWidth: 192,
      maximumPositions: 128, expertCount: 16, activeCount: 3)
    try model.write(to: folder.path + "/tiny")
    return try ConvertedStore(folder.path + "/tiny", .q8_0)
  }

  private func measure(
    _ shape: Shape, _ engine: ReadEngineSelection.Choice, isTraced: Bool
  ) throws {
    let converted =
      try shape.hasExperts
      ? Self.experts(shape.isSmooth ? .qwen2MoE : .turboSparseMixtral)
      : ConvertedStore.sample(.q8_0)
    if shape.isPredicted {
      _ = try TestCalibration.install(
        TestCalibration.draft(converted.store, seed: 1, shift: -8), in: converted.store)
    } else if shape.sparsity == .threshold {
      _ = try TestCalibration.install(
        TestCalibration.thresholds(converted.store, 0.2, seed: 1), in: converted.store)
    }
    let store = try WeightStore.open(converted.store.path)
    var options = DecoderOptions()
    options.contextLength = 128
    options.threadCount = 2
    options.storage.engine = engine
    if shape != .resident {
      options.sparsity = shape.sparsity
      options.sliceByteCount = 64 << 10
      options.storage.lookAhead = .on
      // Room for some experts and not for all, however small the model is.
      if shape.hasExperts { options.storage.residency = .window }
      options = try DecoderRuns.limited(options, store, percent: 20)
    }
    let decoder = try Decoder(store: store, options: options)
    var token: Int32 = 1
    func decode(_ count: Int) throws {
      for _ in 0..<count {
        let tokens = [token]
        try unsafe decoder.forward(tokens, logits: .last) { _, logits in
          token = Int32(logits.indices.max { unsafe logits[$0] < logits[$1] } ?? 0)
        }
      }
    }
    let sink = Counter()
    if isTraced {
      decoder.recorder = TraceRecorder(
        sink: sink, readCapacity: decoder.readEngine.capacity,
        strideCapacity: store.manifest.bundles.map(\.strideCount).max() ?? 0)
    }
    try decode(8)
    let before = decoder.statistics
    let tokenCount = 40
    let count = try AllocationCounter.count { try decode(tokenCount) }
    // The array of the token itself is this test's.
    #expect(count <= tokenCount, "\(count) allocations")
    let read = (decoder.statistics - before).reads.readCount
    // This tiny model's window has room for all that passes its thresholds.
    if shape != .thresholdExpertNeurons { #expect(shape == .resident ? read == 0 : read > 0) }
    #expect(isTraced ? sink.count > tokenCount : sink.count == 0)
  }
}
