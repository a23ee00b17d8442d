import FlashIO
import FlashKernels
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

@testable import FlashWindow

/// Experts are where they are said to be, whatever was guessed, wherever there was room.
struct ExpertLoaderTests {
  private static let expertCount = 9

  /// Two layers of experts, each filled with a number of its own.
  private final class Fixture {
    let folder: ProjectFiles.TemporaryFolder
    let bundles: [BundleLayout]
    let arena: DirectArena
    let engine: SimulatedReadEngine
    let loader: ExpertLoader

    init(
      slots: [Int], spares: Int, guesses: Int, seed: UInt64,
      expertCount: Int = ExpertLoaderTests.expertCount
    ) throws {
      var layer = LayerConfiguration(
        queryHeads: 1, keyValueHeads: 1, feedForwardWidth: 6 * expertCount)
      layer.expertCount = expertCount
      var configuration = ModelConfiguration(
        architecture: "", width: 64, vocabularySize: 8, headDimension: 64, layers: [layer, layer],
        normalization: Normalization(kind: .rms, epsilon: 1e-5), activation: .silu, isGated: true,
        positions: .learned(offset: 0), maximumPositions: 8, hasTiedHead: true, beginTokenID: nil,
        endTokenIDs: [])
      configuration.routing = ExpertRouting(activeCount: 2, isNormalized: true)
      bundles = StorePlan(configuration: configuration, formats: StoreFormats(.f32)).bundles
      folder = try ProjectFiles.TemporaryFolder()
      let path = folder.path + "/bundles"
      var bytes = [UInt8](repeating: 0, count: bundles[1].extent.end)
      for (layer, bundle) in bundles.enumerated() {
        for expert in 0..<expertCount {
          let extent = bundle.extent(ofExpert: expert)
          for place in extent.offset..<extent.end { bytes[place] = UInt8(50 * layer + expert + 1) }
        }
      }
      try Data(bytes).write(to: URL(filePath: path))
      let files = try (0..<2).map { _ in try FlashFile(path: path, support: .unit(1024)) }
      let byteCount = 6144
      let places = slots.reduce(0, +) + spares + guesses
      arena = try DirectArena(byteCount: places * byteCount)
      engine = SimulatedReadEngine(files: files, seed: seed)
      var start = 0
      let base = unsafe arena.base
      func take(_ count: Int) -> UnsafeMutableRawPointer {
        defer { start += count }
        return unsafe base + start * byteCount
      }
      loader = unsafe ExpertLoader(
        bundles: bundles, slotsPerLayer: slots,
        places: .init(
          byteCount: byteCount, slots: slots.map(take), spare: take(spares), spareCount: spares,
          guess: take(guesses), guessCount: guesses), engine: engine, options: StorageOptions())
    }

    func begin(_ experts: [Int], layer: Int) throws {
      try unsafe experts.map(Int32.init).withUnsafeBufferPointer {
        try unsafe loader.begin(layer: layer, experts: $0)
      }
    }

    func look(_ experts: [Int], layer: Int, isChunk: Bool = false) {
      unsafe experts.map(Int32.init).withUnsafeBufferPointer {
        unsafe loader.look(atLayer: layer, experts: $0, isChunk: isChunk)
      }
    }

    /// Takes a chunk's experts as they come.
    func takeAll(_ experts: [Int], layer: Int, between: () -> Void = {}) throws {
      try begin(experts, layer: layer)
      var taken = Set<Int>()
      while taken.count < experts.count {
        let place = try loader.best()
        #expect(taken.insert(place).inserted, "each is taken once")
        #expect(try isWhole(place, experts[place], layer: layer), "\(experts[place])")
        between()
        try loader.release(place)
      }
      loader.finish(isChunk: true)
    }

    /// Whether the expert at a place of the load is there as a whole.
    func isWhole(_ place: Int, _ expert: Int, layer: Int) throws -> Bool {
      let start = try unsafe loader.take(place)
      let byteCount = bundles[layer].extent(ofExpert: expert).byteCount
      return unsafe UnsafeRawBufferPointer(start: start, count: byteCount)
        .allSatisfy { $0 == UInt8(50 * layer + expert + 1) }
    }
  }

  @Test(arguments: [[0, 0], [2, 3], [9, 4]], [0, 1, 3])
  func expertsAreWholeHoweverTheyCame(slots: [Int], guesses: Int) throws {
    for seed in 1...8 as ClosedRange<UInt64> {
      var random = SplitMix(seed: seed)
      let fixture = try Fixture(slots: slots, spares: 2, guesses: guesses, seed: seed)
      let loader = fixture.loader
      for token in 0..<40 {
        loader.beginForward()
        for layer in 0...1 {
          let isPrompt = token % 7 == 0
          let share: UInt64 = isPrompt ? 2 : 4
          let wanted = (0..<Self.expertCount).filter { _ in random.next() % share == 0 }
          guard !wanted.isEmpty else { continue }
          if isPrompt {
            try fixture.takeAll(wanted, layer: layer)
            guard guesses > 0 else { continue }
            fixture.look(
              (0..<6).map { _ in Int(random.next() % 9) }, layer: 1 - layer, isChunk: true)
            continue
          }
          try fixture.begin(wanted, layer: layer)
          if token % 11 == 10 {
            // Given up in the middle.
            if !loader.isHit(0) { _ = try unsafe loader.take(0) }
            fixture.engine.drain()
            loader.reset()
            continue
          }
          let hits = wanted.indices.filter { loader.isHit($0) }
          for place in hits.reversed() {
            #expect(try fixture.isWhole(place, wanted[place], layer: layer))
            try loader.release(place)
          }
          for place in wanted.indices where !hits.contains(place) {
            if random.next() % 2 == 0 { _ = loader.isReady(place) }
            #expect(try fixture.isWhole(place, wanted[place], layer: layer), "seed \(seed)")
            try loader.release(place)
          }
          loader.finish()
          fixture.look((0..<3).map { _ in Int(random.next() % 9) }, layer: 1 - layer)
        }
      }
      let found = loader.statistics
      #expect((found.hits > 0) == (slots[0] > 0) && found.misses > 0)
      #expect(guesses == 0 ? found.lookAhead.issued == 0 : found.lookAhead.used > 0)
      #expect(found.lookAhead.used <= found.lookAhead.issued)
    }
  }

  /// Places that slots have no use for yet, and those that full layers lend, are read into.
  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func aChunkReadsTheNextLayerIntoPlacesThatHoldNothing(seed: UInt64) throws {
    let experts = Array(0..<40)
    let fixture = try Fixture(
      slots: [16, 16], spares: 2, guesses: 1, seed: seed, expertCount: experts.count)
    let loader = fixture.loader
    for chunk in 0..<4 {
      loader.beginForward()
      for layer in 0...1 {
        let before = loader.lookAhead.issued
        try fixture.takeAll(experts, layer: layer) {
          loader.readGuesses()
          #expect(loader.lookAhead.issued == before, "no guess goes before a demand")
        }
        fixture.look(experts.reversed(), layer: 1 - layer, isChunk: true)
        for _ in 0..<40 {
          for guess in loader.guesses.guesses {
            if let batch = guess.batch { while !fixture.engine.isComplete(batch) {} }
          }
          loader.readGuesses()
        }
        // All places but one: at first the slots of one layer are empty, then each lends one.
        #expect(loader.lookAhead.issued - before == (chunk == 0 && layer == 0 ? 19 : 4))
      }
    }
    #expect(loader.statistics.hits > 0 && loader.cache.filledSlotCount == 30)
    #expect(loader.lookAhead.used == loader.lookAhead.issued - 4)
  }

  /// In a window that is nearly empty there are more places than guesses can be noted.
  @Test func wrongGuessesGiveWayToOthers() throws {
    let fixture = try Fixture(slots: [40, 40], spares: 2, guesses: 4, seed: 1, expertCount: 40)
    let loader = fixture.loader
    for token in 0..<40 {
      loader.beginForward()
      for layer in 0...1 {
        try fixture.takeAll([0], layer: layer)
        fixture.look((0..<4).map { 1 + (4 * token + $0) % 39 }, layer: 1 - layer)
        for guess in loader.guesses.guesses {
          if let batch = guess.batch { while !fixture.engine.isComplete(batch) {} }
        }
      }
    }
    #expect(loader.lookAhead.issued > WeightResidency.chunkGuessLimit)
    #expect(loader.lookAhead.used == 0)
  }

  @Test func anExpertIsReadOnceForALoad() throws {
    let fixture = try Fixture(slots: [3, 3], spares: 2, guesses: 0, seed: 5)
    fixture.loader.beginForward()
    let all = Array(0..<Self.expertCount)
    try fixture.begin(all, layer: 1)
    for place in all {
      #expect(try fixture.isWhole(place, place, layer: 1))
      try fixture.loader.release(place)
    }
    fixture.loader.finish()
    let wanted = fixture.bundles[1].extent.byteCount
    #expect(fixture.loader.statistics.wantedByteCount == wanted)
    #expect(fixture.loader.statistics.readByteCount < wanted + 9 * 2 * 1024)
    // The last read ends with the file, and its unit does not.
    #expect(fixture.engine.statistics.byteCount == fixture.loader.statistics.readByteCount - 512)
  }

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func onlyADemandFails(seed: UInt64) throws {
    let fixture = try Fixture(slots: [4, 4], spares: 3, guesses: 2, seed: seed)
    let loader = fixture.loader
    loader.beginForward()
    fixture.engine.faults.failureChance = 1
    fixture.look([2, 7], layer: 0)
    fixture.engine.faults.failureChance = 0
    try fixture.begin([2, 3], layer: 0)
    for (place, expert) in [2, 3].enumerated() {
      #expect(try fixture.isWhole(place, expert, layer: 0), "a guess that failed is read again")
      try loader.release(place)
    }
    loader.finish()
    fixture.engine.faults.failureChance = 1
    #expect(throws: ReadFailure.self) {
      try fixture.begin([4, 5], layer: 1)
      _ = try unsafe loader.take(0)
    }
    fixture.engine.drain()
    loader.reset()
    fixture.engine.faults.failureChance = 0
    loader.beginForward()
    try fixture.begin([4, 5], layer: 1)
    #expect(!loader.isHit(0), "what failed is not cached")
    for (place, expert) in [4, 5].enumerated() {
      #expect(try fixture.isWhole(place, expert, layer: 1))
      try loader.release(place)
    }
    loader.finish()
  }
}
