import FlashIO
import FlashKernels
import FlashTestSupport
import FlashWindow
import Testing

@testable import FlashProfiler
@testable import FlashWeights

/// From what a token moves to tokens a second.
struct SpeedPredictionTests {
  private static let device = DeviceProfile(
    bandwidth: 2e9, readsPerSecond: 100_000, readByteCount: 4608)

  private func prediction(
    arithmetic: Double, covering: Double = 0, memory: Double? = nil, _ reads: TokenReads
  ) -> SpeedPrediction {
    SpeedPrediction(
      arithmeticSeconds: arithmetic, coveringSeconds: covering, memorySeconds: memory,
      reads: reads, device: Self.device)
  }

  @Test func withoutReadsArithmeticIsTheTime() {
    let slow = prediction(arithmetic: 0.1, memory: 0.05, .none)
    #expect(slow.seconds == 0.1 && slow.tokensPerSecond == 10 && slow.bound == .arithmetic)
    #expect(prediction(arithmetic: 0.1, memory: 0.09, .none).bound == .memory)
  }

  @Test func readsInOrderAndArithmeticHideOneAnother() {
    // Beside arithmetic 0.9 of the bandwidth is left.
    let reads = TokenReads(.sequential, count: 1000, byteCount: 0.9e9)
    let flash = prediction(arithmetic: 0.1, reads)
    #expect(abs(flash.seconds - 0.5) < 1e-12 && abs(flash.stallSeconds - 0.4) < 1e-12)
    #expect(flash.bound == .flashBandwidth)
    let arithmetic = prediction(arithmetic: 0.7, reads)
    #expect(arithmetic.seconds == 0.7 && arithmetic.bound == .arithmetic)
  }

  @Test func scatteredReadsAreHiddenByWhatCoversThem() {
    let reads = TokenReads(.scattered, count: 10_000, byteCount: 46_080_000)
    #expect(prediction(arithmetic: 0.2, covering: 0.2, reads).seconds == 0.2)
    let stalled = prediction(arithmetic: 0.08, covering: 0.03, reads)
    #expect(stalled.flashSeconds == 0.1 && abs(stalled.seconds - 0.15) < 1e-12)
    #expect(stalled.bound == .flashReads)
  }

  @Test func bytesBeyondTheMeasuredSizeGoAtTheBandwidth() {
    let seconds = Self.device.seconds(scatteredReads: 100, byteCount: 100 * 4608 + 2e6)
    #expect(abs(seconds - 0.002) < 1e-12)
    #expect(Self.device.seconds(sequentialBytes: 4e9) == 2)
  }
}

/// Stalls of a recorded run's layers.
struct LayerStallsTests {
  @Test func aMissMoreIsWaitedForAsLongAsTheLineThroughStallsRises() throws {
    var stalls = LayerStalls()
    // One miss is hidden, each more takes 2 ms; noise that is no part of the line.
    for layer in 0..<120 {
      let misses = layer % 5
      let noise = layer % 2 == 0 ? 300_000 : -300_000
      stalls.add(
        misses: misses, nanoseconds: max(0, (misses - 1) * 2_000_000) + (misses > 1 ? noise : 0))
    }
    #expect(abs(try #require(stalls.secondsPerMiss) - 2e-3) < 1e-5)
  }

  @Test func fewLayersOrOneNumberOfMissesTellNothing() {
    var few = LayerStalls()
    for misses in 0..<40 { few.add(misses: misses, nanoseconds: misses * 1000) }
    #expect(few.secondsPerMiss == nil)
    var same = LayerStalls()
    for _ in 0..<400 { same.add(misses: 3, nanoseconds: 1000) }
    for _ in 0..<400 { same.add(misses: 1, nanoseconds: 0) }
    #expect(same.secondsPerMiss == nil)
    var falling = LayerStalls()
    for misses in 0..<400 { falling.add(misses: misses % 5, nanoseconds: 5000 - misses % 5 * 1000) }
    #expect(falling.secondsPerMiss == nil)
  }
}

/// Reads of experts, of which a layer lacks now one and now none.
struct MissSpreadTests {
  @Test func aLayerHidesOnlyItsOwnReads() {
    // Of two experts one is missing in half of all tokens, and both in a quarter.
    let spread = MissSpread(layerCount: 1, wanted: 2, misses: 1)
    let stall = spread.stallSeconds(flashSeconds: 1, coveringSeconds: 1)
    #expect(abs(stall - 0.25) < 1e-12)
    #expect(abs(spread.stallSeconds(flashSeconds: 1, coveringSeconds: 0) - 1) < 1e-12)
    #expect(spread.stallSeconds(flashSeconds: 1, coveringSeconds: 2) == 0)
    let covering = spread.coveringSeconds(flashSeconds: 1, stallSeconds: 0.25)
    #expect(abs(covering - 1) < 1e-9)
  }

  @Test func whereAllAreMissingEveryLayerIsAlike() {
    let all = MissSpread(layerCount: 4, wanted: 2, misses: 8)
    #expect(all.stallSeconds(flashSeconds: 3, coveringSeconds: 1) == 2)
    #expect(
      MissSpread(layerCount: 4, wanted: 2, misses: 0)
        .stallSeconds(flashSeconds: 0, coveringSeconds: 1) == 0)
  }

  @Test func moreLayersWaitAsLongInAll() {
    let few = MissSpread(layerCount: 2, wanted: 8, misses: 5)
    let many = MissSpread(layerCount: 20, wanted: 8, misses: 50)
    let stall = few.stallSeconds(flashSeconds: 1, coveringSeconds: 0.7)
    #expect(stall > 0.3)
    #expect(abs(many.stallSeconds(flashSeconds: 10, coveringSeconds: 7) / stall - 10) < 1e-9)
  }
}

/// What reads take of the processor.
struct ReadCostTests {
  @Test func aCallAndAReadAreToldApart() {
    let cost = ReadCost(alone: 18e-6, together: 3e-6, count: 16)
    #expect(abs(cost.secondsPerCall - 16e-6) < 1e-12 && abs(cost.secondsPerRead - 2e-6) < 1e-12)
    #expect(abs(cost.seconds(calls: 1, reads: 16) - 48e-6) < 1e-12)
    #expect(ReadCost(alone: 1e-6, together: 2e-6, count: 16).secondsPerCall == 0)
  }

  @Test func slicesThatLackNothingMakeNoCall() {
    #expect(ReadCost.calls(reads: 0, slices: 12) == 0)
    #expect(ReadCost.calls(reads: 9, slices: 1) == 1)
    #expect(abs(ReadCost.calls(reads: 1, slices: 12) - 1) < 1e-9)
    #expect(abs(ReadCost.calls(reads: 2, slices: 2) - 1.5) < 1e-9)
    #expect(ReadCost.calls(reads: 10_000, slices: 12) > 11.99)
  }

  @Test func aFileIsMeasured() throws {
    let file = try FlashFile(path: ProjectFiles.sample + "/model.safetensors")
    let cost = try #require(ReadCost.measure(file: file, readByteCount: 4096))
    #expect(cost.secondsPerRead >= 0 && cost.secondsPerCall + cost.secondsPerRead > 0)
  }
}

/// How many of a token's neurons are missing.
struct NeuronActivityTests {
  @Test func windowsOfTokensBecomeACurveOverRoom() {
    let activity = NeuronActivity(
      fraction: 0.1, newFractions: [0.5, 0.25], source: .calibration(text: "t"))
    // One token's neurons take a tenth, two tokens' half a tenth more.
    #expect(activity.missRate(room: 0) == 1)
    #expect(abs(activity.missRate(room: 0.05) - 0.75) < 1e-12)
    #expect(abs(activity.missRate(room: 0.1) - 0.5) < 1e-12)
    #expect(abs(activity.missRate(room: 0.15) - 0.25) < 1e-12)
    #expect(activity.missRate(room: 1) == 0 && activity.missRate(room: 2) == 0)
  }

  @Test func missesNeverRiseWithRoom() {
    for activity in [
      NeuronActivity.dense,
      NeuronActivity(fraction: 0.3, newFractions: [0.4, 0.3, 0.3], source: .recorded),
    ] {
      let rates = (0...100).map { activity.missRate(room: Double($0) / 100) }
      #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 >= $1 })
    }
  }

  @Test func aStrideFiresWhereOneOfItsNeuronsDoes() {
    let activity = NeuronActivity(fraction: 0.5, newFractions: [], source: .recorded)
    #expect(activity.strideFraction(neuronsPerStride: 1) == 0.5)
    #expect(activity.strideFraction(neuronsPerStride: 3) == 0.875)
    #expect(NeuronActivity.dense.strideFraction(neuronsPerStride: 4) == 1)
  }
}

/// What a token moves under the plans of a model of three layers.
struct TokenTrafficTests {
  private static let model = TinyModel(
    family: .deci, seed: 1, width: 256, headDimension: 32, queryHeads: 8, keyValueHeads: [4, 2, 1],
    feedForwardWidth: 1024, vocabularySize: 500, maximumPositions: 512)

  private static let manifest: StoreManifest = {
    let plan = StorePlan(configuration: model.configuration, formats: StoreFormats(.f32))
    return StoreManifest(
      formatVersion: 1, generator: "", synthetic: nil, configuration: model.configuration,
      layout: model.layout, tensors: plan.tensors, bundles: plan.bundles,
      source: SourceRecord(name: "", digest: ""), modelDigest: "", parameterCount: 0, notes: [],
      companions: [], checksum: "")
  }()

  private static func plan(
    limit: Int?, exact: MemoryDemand.ExactDemand = .no
  ) throws -> MemoryPlan {
    let demand = MemoryDemand(
      items: { _ in [.init("process", 1 << 20, "")] }, contextLength: 64, maximumContextLength: 64,
      exact: exact, rowsPerChunk: 1)
    var options = StorageOptions()
    options.memoryLimit = limit
    return try MemoryPlanner(
      manifest: manifest, demand: demand, options: options, unit: 512
    ).plan()
  }

  private func traffic(_ plan: MemoryPlan, _ activity: NeuronActivity) -> TokenTraffic {
    TokenTraffic(
      Self.manifest, plan, activity: activity, position: 10, positionByteCount: 100,
      options: StorageOptions())
  }

  /// Bytes of rows of a part, of all layers.
  private static let partByteCount = Double(3 * 1024 * 256 * 4)

  @Test func aResidentModelMovesItsWeightsOnce() throws {
    let manifest = Self.manifest
    let plan = try Self.plan(limit: nil)
    let all = traffic(plan, .dense)
    let embedding = try #require(manifest.tensors.first { $0.role == .tokenEmbedding })
    let whole = manifest.tensors.reduce(0) { $0 + $1.extent.byteCount }
    #expect(
      all.weightByteCount == Double(whole - embedding.extent.byteCount) + 3 * Self.partByteCount)
    #expect(all.reads == .none && all.hitRate == nil && all.keyValueByteCount == 1000)
    // Of neurons that are silent only the gate is multiplied.
    let tenth = traffic(plan, NeuronActivity(fraction: 0.1, newFractions: [], source: .recorded))
    #expect(
      abs(all.weightByteCount - tenth.weightByteCount - 1.8 * Self.partByteCount) < 1)
  }

  @Test func aStreamedModelReadsWhatThePlanSays() throws {
    let plan = try Self.plan(limit: 6 << 20)
    let streamed = traffic(plan, .dense)
    #expect(streamed.reads.order == .sequential)
    #expect(streamed.reads.byteCount == Double(plan.streamedByteCount(Self.manifest)))
    #expect(streamed.reads.byteCount > 0 && streamed.reads.count >= 1)
  }

  @Test func aWindowReadsWhatItLacks() throws {
    let plan = try Self.plan(limit: 12 << 20, exact: .required)
    guard case .windowed(let slots, _) = plan.feedForward else {
      Issue.record("the plan has no window")
      return
    }
    let room = Double(slots.reduce(0, +)) / 3072
    #expect(room > 0.05 && room < 0.95)
    let activity = NeuronActivity(
      fraction: 0.01, curve: [.init(room: 0, missRate: 0.5), .init(room: 1, missRate: 0.5)],
      source: .recorded)
    let windowed = traffic(plan, activity)
    // Half of one in a hundred of 3,072 neurons, few of them neighbours.
    #expect(abs(windowed.lookUpCount - 30.72) < 1e-9)
    #expect(windowed.hitRate == 0.5 && windowed.reads.order == .scattered)
    #expect((13...15.36).contains(windowed.reads.count))
    let least = 15.36 * Double(plan.slotByteCount)
    #expect((least - 1...1.5 * least).contains(windowed.reads.byteCount))
  }

  @Test func neighboursThatAreMissingAreReadTogether() throws {
    let plan = try Self.plan(limit: 12 << 20, exact: .required)
    let activity = NeuronActivity(
      fraction: 1, curve: [.init(room: 0, missRate: 1)], source: .recorded)
    // Everything is missing: each is read with the one before.
    #expect(traffic(plan, activity).reads.count < 1)
  }

  @Test func arithmeticRatesOfFormatsAddUp() throws {
    let rates = HostRates(
      arithmetic: [
        RowWork(.q4_0): 10, RowWork(.q4_0, .accumulate): 5,
        RowWork(.q4_0, .accumulate, isScattered: true): 2,
      ], memory: 20, device: nil)
    var traffic = traffic(try Self.plan(limit: nil), .dense)
    traffic.weightByteCounts = [
      RowWork(.q4_0): 100, RowWork(.q4_0, .accumulate): 100,
      RowWork(.q4_0, .accumulate, isScattered: true): 50, RowWork(.f32): 10,
    ]
    traffic.keyValueByteCount = 20
    // What was not measured goes at the slowest rate.
    traffic.lookUpCount = 1e7
    // 60 s at the kernels' rates, of which whole tokens reach 0.92; 1 s of the KV cache; 1 s of
    // looking up.
    #expect(abs(SpeedPrediction(traffic, rates).arithmeticSeconds - (60 / 0.92 + 2)) < 1e-9)
  }
}

/// How fast rows are multiplied.
struct ArithmeticProbeTests {
  @Test(arguments: [RowFormat.f32, .q4_0], [false, true])
  func everyKindOfArithmeticHasARate(format: RowFormat, isScattered: Bool) {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { unsafe bytes.deallocate() }
    let probe = unsafe ArithmeticProbe(
      kernels: Kernels(.scalar), pool: WorkerPool(threadCount: 2), bytes: bytes)
    for operation in [RowWork.Operation.dot, .accumulate] {
      let rate = probe.rate(
        RowWork(format, operation, isScattered: isScattered), width: 256, duration: .zero)
      #expect(rate > 0 && rate.isFinite)
    }
  }
}
