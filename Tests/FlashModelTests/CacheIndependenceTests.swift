import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// The law: for one store, mode, KV format and instruction set, logits are a function of the tokens
/// before them, bit for bit.
struct CacheIndependenceTests {
  /// 64 positions of the sample, or as many token IDs as a tiny model knows.
  private static func tokens(_ vocabulary: Int) -> [Int32] {
    (0..<64).map { Int32(($0 * 977 + 13) % vocabulary) }
  }

  private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  private func expectSameBits(
    _ store: WeightStore, _ variants: [(String, DecoderOptions)]
  ) throws {
    let tokens = Self.tokens(store.configuration.vocabularySize)
    var first: [UInt32]?
    for (name, options) in variants {
      let bits = Self.bits(try DecoderRuns.logits(store, tokens, options: options))
      guard let expected = first else {
        first = bits
        continue
      }
      #expect(bits == expected, "\(name)")
    }
  }

  static let stores: [(String, RowFormat)] = [
    (ProjectFiles.sample, .f32), (ProjectFiles.sample, .q8_0), (ProjectFiles.sample, .q4_0),
    (ProjectFiles.fixtures + "/families/deci", .q8_0),
    (ProjectFiles.fixtures + "/families/opt", .f16),
    (ProjectFiles.fixtures + "/families/llama3-rope", .bf16),
  ]

  @Test(arguments: stores)
  func chunksAndThreadsDoNotChangeABit(checkpoint: String, format: RowFormat) throws {
    let converted = try ConvertedStore(checkpoint, format)
    try checkChunksAndThreads(converted.store)
  }

  private func checkChunksAndThreads(_ store: WeightStore) throws {
    var variants: [(String, DecoderOptions)] = []
    for threads in [1, 2, 3] {
      for chunk in [64, 1, 7] {
        var options = DecoderOptions()
        options.threadCount = threads
        options.prefillChunk = chunk
        variants.append(("\(threads) threads, chunks of \(chunk)", options))
      }
    }
    try expectSameBits(store, variants)
  }

  /// Rows whose length is no multiple of a cache line, and parts of groups of 16 blocks.
  @Test(arguments: [RowFormat.mxfp4, .q4_K, .q6_K])
  func rowsOfOtherBlocksDoNotChangeABit(format: RowFormat) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let model = TinyModel(
      family: .deci, seed: 5, width: 768, headDimension: 64, queryHeads: 4, keyValueHeads: [2, 1],
      feedForwardWidth: 80, maximumPositions: 256)
    try model.write(to: folder.path + "/tiny")
    let converted = try ConvertedStore(folder.path + "/tiny", format)
    #expect(converted.store.manifest.bundles.allSatisfy { $0.parts[0].format == format })
    try checkChunksAndThreads(converted.store)
    try checkLimitsAndEngines(converted.store)
  }

  @Test(arguments: stores)
  func memoryLimitsAndEnginesDoNotChangeABit(checkpoint: String, format: RowFormat) throws {
    let converted = try ConvertedStore(checkpoint, format)
    try checkLimitsAndEngines(converted.store)
  }

  private func checkLimitsAndEngines(_ store: WeightStore) throws {
    var base = DecoderOptions()
    base.contextLength = 128
    base.threadCount = 2
    base.prefillChunk = 16
    base.logitsRowCapacity = 16
    let (plan, _) = try Decoder.plan(store: store, options: base)
    var variants = [("all resident", base)]
    for percent in [0, 25, 50, 75] {
      for engine in [ReadEngineSelection.Choice.auto, .pread] {
        var options = base
        options.storage.engine = engine
        options.storage.memoryLimit =
          plan.minimumByteCount
          + (plan.residentByteCount - plan.minimumByteCount) * percent / 100
        options.storage.policy = percent == 50 ? .window(tokens: 1) : .lfru
        variants.append(("\(percent) %, \(engine)", options))
      }
    }
    var dense = base
    dense.sparsity = .dense
    variants.append(("dense", dense))
    var context = base
    context.contextLength = 256
    variants.append(("a longer context", context))
    try expectSameBits(store, variants)
  }

  @Test(arguments: [RowFormat.f32, .q4_0])
  func cachePoliciesDoNotChangeABit(format: RowFormat) throws {
    let converted = try ConvertedStore.sample(format)
    var base = DecoderOptions()
    base.contextLength = 128
    base.sparsity = .exact
    base.prefillChunk = 1
    base.logitsRowCapacity = 1
    var variants = [("all resident", base)]
    for percent in [0, 30] {
      for policy in [.window(tokens: 1), .window(tokens: 8), .lru, .lfu, .lfru]
        as [ReplacementPolicy]
      {
        var options = base
        options.storage.policy = policy
        // A policy's own tables are part of its smallest plan.
        options = try DecoderRuns.limited(options, converted.store, percent: percent)
        variants.append(("\(percent) %, \(policy)", options))
        options.sliceByteCount = 40_000
        options.storage.lookAhead = .on
        variants.append(("\(percent) %, \(policy), slices, look-ahead", options))
      }
    }
    try expectSameBits(converted.store, variants)
  }
}
