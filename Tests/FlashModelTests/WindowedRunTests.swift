import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

/// Runs below all resident really read flash, in the way their plan says, and never change a bit.
struct WindowedRunTests {
  private static let tokens = (0..<32).map { Int32(($0 * 977 + 13) % 4096) }

  private func options(_ sparsity: SparsityChoice) -> DecoderOptions {
    var options = DecoderOptions()
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = 1
    options.sparsity = sparsity
    return options
  }

  private func bits(_ decoder: Decoder) throws -> [UInt32] {
    try DecoderRuns.logits(decoder, Self.tokens).map(\.bitPattern)
  }

  @Test(arguments: [RowFormat.f32, .q8_0])
  func aLargerLimitHitsMoreAndReadsLess(format: RowFormat) throws {
    let converted = try ConvertedStore.sample(format)
    var hitRates: [Double] = []
    var byteCounts: [Int] = []
    for percent in [0, 20, 50, 80] {
      let limited = try DecoderRuns.limited(
        options(.exact), converted.store, percent: percent)
      let decoder = try Decoder(store: converted.store, options: limited)
      let before = decoder.statistics
      _ = try bits(decoder)
      let run = decoder.statistics - before
      #expect(run.windowMisses > 0 && run.reads.byteCount > 0)
      if percent == 20 { #expect(run.windowHits > 0 && run.windowEvictions > 0) }
      hitRates.append(Double(run.windowHits) / Double(run.windowHits + run.windowMisses))
      byteCounts.append(run.reads.byteCount)
    }
    #expect(hitRates.last! < 1)
    for (small, large) in zip(hitRates, hitRates.dropFirst()) { #expect(small < large) }
    for (small, large) in zip(byteCounts, byteCounts.dropFirst()) { #expect(small > large) }
  }

  @Test func aStreamedTokenReadsEverythingThatIsNotResident() throws {
    let converted = try ConvertedStore.sample(.f32)
    let manifest = converted.store.manifest
    var last = Int.max
    for percent in [0, 30, 60, 90] {
      let limited = try DecoderRuns.limited(
        options(.dense), converted.store, percent: percent)
      let decoder = try Decoder(store: converted.store, options: limited)
      guard case .streamed(let resident) = decoder.plan.feedForward else {
        Issue.record("\(percent) % is not streamed")
        continue
      }
      var missing = 0
      for (bundle, strides) in zip(manifest.bundles, resident) {
        missing += bundle.extent.byteCount - strides * bundle.stride
      }
      for (tensor, isResident) in zip(manifest.tensors, decoder.plan.residentTensors)
      where !isResident {
        // Of the embedding one row is read.
        let isLookedUp = tensor.role == .tokenEmbedding
        missing += isLookedUp ? tensor.rowByteCount : tensor.extent.byteCount
      }
      _ = try bits(decoder)
      let tokenCount = 4
      let before = decoder.statistics
      for token in Self.tokens.prefix(tokenCount) {
        try unsafe decoder.forward([token], logits: .last) { _, _ in }
      }
      let read = (decoder.statistics - before).reads.byteCount / tokenCount
      // Pieces are widened to whole units, and the ring is up to four buffers ahead.
      #expect(read >= missing - decoder.plan.ring.byteCount / tokenCount)
      #expect(Double(read) < Double(missing) * 1.02 + Double(decoder.plan.ring.byteCount))
      #expect(read < last)
      last = read
    }
  }

  @Test(arguments: [RowFormat.q4_0, .f32], [SparsityChoice.exact, .dense])
  func anyUnitGivesTheSameBits(format: RowFormat, sparsity: SparsityChoice) throws {
    let converted = try Self.sample(format)
    let expected = try bits(Decoder(store: converted.store, options: options(sparsity)))
    for unit in [512, 4096] {
      for gap in [-1, 0, 12_000] {
        var merging = options(sparsity)
        merging.storage.mergeGapByteCount = gap
        merging = try DecoderRuns.limited(merging, converted.store, percent: 15, unit: unit)
        let (decoder, _) = try DecoderRuns.simulated(
          converted.store, merging, seed: 7, unit: unit)
        #expect(decoder.plan.feedForward != .resident)
        #expect(try bits(decoder) == expected, "unit \(unit), merge gap \(gap)")
      }
    }
    var buffered = try DecoderRuns.limited(options(sparsity), converted.store, percent: 15)
    buffered.storage.direct = .off
    let decoder = try Decoder(store: converted.store, options: buffered)
    #expect(decoder.readEngine.directUnit == nil)
    #expect(try bits(decoder) == expected)
  }

  /// How a store is damaged under a run.
  enum Damage: CaseIterable { case truncated, replaced, overwritten, removed }

  @Test(arguments: Damage.allCases, [SparsityChoice.exact, .dense])
  func aStoreThatChangesUnderARunIsAnError(damage: Damage, sparsity: SparsityChoice) throws {
    let converted = try ConvertedStore.sample(.q8_0)
    let path = converted.store.bundlesPath
    let limited = try DecoderRuns.limited(options(sparsity), converted.store, percent: 10)
    let decoder = try Decoder(store: converted.store, options: limited)
    let expected = try bits(decoder)
    let kept = try Data(contentsOf: URL(filePath: path))
    try self.damage(path, damage)
    do {
      _ = try bits(decoder)
      Issue.record("\(damage) is not noticed")
    } catch let failure as ReadFailure {
      #expect(failure.path == path && failure.context != nil && failure.code == nil)
    } catch let failure as FileFailure {
      #expect(failure.path == path)
    }
    // The engine lives on: a store opened anew at the same place runs.
    try? FileManager.default.removeItem(atPath: path)
    try kept.write(to: URL(filePath: path))
    let again = try Decoder(store: converted.store, options: limited)
    #expect(try bits(again) == expected)
  }

  /// The sample in a format, in memory: its decoder is what is tested, not the disk.
  private static func sample(_ format: RowFormat) throws -> ConvertedStore {
    try ConvertedStore(ProjectFiles.sample, StoreFormats(format), inMemory: true)
  }

  private func damage(_ path: String, _ damage: Damage) throws {
    switch damage {
    case .truncated:
      let handle = try FileHandle(forWritingTo: URL(filePath: path))
      try handle.truncate(atOffset: 8192)
      try handle.close()
    case .replaced:
      let copy = try Data(contentsOf: URL(filePath: path))
      try FileManager.default.removeItem(atPath: path)
      try copy.write(to: URL(filePath: path))
    case .overwritten:
      let handle = try FileHandle(forWritingTo: URL(filePath: path))
      try handle.write(contentsOf: Data(repeating: 1, count: 4096))
      try handle.close()
    case .removed:
      try FileManager.default.removeItem(atPath: path)
    }
  }
}
