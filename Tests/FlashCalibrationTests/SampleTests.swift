import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Foundation
import Testing

@testable import FlashCalibration

struct SampleTests {
  private static let tokens = (0..<30).map { Int32($0 * 7 % 40) }

  private static func store(_ folder: String, _ family: TinyModel.Family) throws -> ConvertedStore {
    let checkpoint = folder + "/checkpoint"
    // Llama has the same number of key-value heads in every layer.
    let heads = family == .llama ? [2, 2, 2] : [4, 2, 1]
    try TinyModel(family: family, seed: 5, keyValueHeads: heads).write(to: checkpoint)
    return try ConvertedStore(checkpoint, .f32)
  }

  /// What a decoder with these options gives to record: all layers, and all experts of each.
  private static func record(
    _ store: WeightStore, _ options: DecoderOptions, stride: Int = 1, capacity: Int = 100
  ) throws -> (layers: [LayerSample], counts: [SampleRecorder.Counts]) {
    let bundles = store.manifest.bundles
    let sample = try ActivationSample(
      bundles: bundles, width: store.configuration.width, capacity: capacity,
      folder: FileManager.default.temporaryDirectory.path, kernels: Kernels(.best))
    let recorder = SampleRecorder(
      sample: sample,
      bounds: bundles.map { _ in FiringBounds(above: store.configuration.firingThreshold) },
      stride: stride)
    let decoder = try Decoder(store: store, options: options)
    decoder.observer = recorder
    for _ in 0..<2 {
      recorder.beginChunk(tokenCount: tokens.count)
      decoder.reset()
      try unsafe decoder.forward(tokens, logits: .none) { _, _ in }
    }
    recorder.finish()
    #expect(recorder.failure == nil)
    return (
      try bundles.indices.flatMap { layer in
        try bundles[layer].experts.enumerated().map { expert, layout in
          try sample.load(
            layer: layer, expert: expert,
            downNorms: Array(repeating: 1, count: layout.neuronCount))
        }
      }, recorder.counts
    )
  }

  @Test(arguments: TinyModel.Family.allCases)
  func everyModeAndResidencyRecordsTheSame(family: TinyModel.Family) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = try Self.store(folder.path, family)
    var options = DecoderOptions()
    options.contextLength = 32
    options.sparsity = .dense
    options.prefillChunk = 30
    let (expected, counts) = try Self.record(store.store, options)
    for sparsity in [SparsityChoice.dense, .exact] {
      for percent in [0, 50, 100] {
        var options = try DecoderRuns.limited(options, store.store, percent: percent)
        options.sparsity = sparsity
        options.prefillChunk = 7
        options.storage.memoryLimit = options.storage.memoryLimit! + (4 << 20)
        let (found, foundCounts) = try Self.record(store.store, options)
        for layer in expected.indices {
          #expect(found[layer].masks == expected[layer].masks)
          #expect(found[layer].contributions == expected[layer].contributions)
          #expect(found[layer].inputs.array == expected[layer].inputs.array)
          #expect(found[layer].chunkStarts == [0, 30])
          #expect(foundCounts[layer].firings == counts[layer].firings)
        }
      }
    }
    for (layer, sample) in expected.enumerated() {
      var firings = [UInt32](repeating: 0, count: sample.neuronCount)
      for position in 0..<60 {
        // A gate of dReLU may fire beside an up part that does not.
        sample.forEachFiring(at: position) {
          firings[$0] += $1 > 0 || family == .bamboo ? 1 : 0
        }
      }
      #expect(firings == counts[layer].firings)
      #expect(sample.activity(0..<60) > 0.1 && sample.activity(0..<60) < 0.9)
    }
  }

  @Test func expertsAreRecordedAtThePositionsThatUsedThem() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let model = TinyModel(
      family: .turboSparseMixtral, seed: 5, keyValueHeads: [2, 2], feedForwardWidth: 70,
      expertCount: 5)
    try model.write(to: folder.path + "/checkpoint")
    let converted = try ConvertedStore(folder.path + "/checkpoint", .f32)
    let store = converted.store
    var options = DecoderOptions()
    options.contextLength = 32
    options.sparsity = .dense
    options.prefillChunk = 30
    let (expected, counts) = try Self.record(store, options)
    let values = model.values()
    for (index, sample) in expected.enumerated() {
      let (layer, expert) = index.quotientAndRemainder(dividingBy: 5)
      let name = "model.layers.\(layer).block_sparse_moe.experts.\(expert).w1.weight"
      let gates = try #require(values[name])
      #expect(sample.places == sample.places.sorted() && sample.placeCount == 60)
      #expect(sample.positionCount == counts[layer].uses[expert])
      var firings = [UInt32](repeating: 0, count: 70)
      for position in 0..<sample.positionCount {
        sample.forEachFiring(at: position) { neuron, _ in firings[neuron] += 1 }
        for neuron in 0..<70 {
          let gate = (0..<32).reduce(Float(0)) {
            $0 + gates[neuron * 32 + $1] * sample.inputs[position, $1]
          }
          let fires = sample.masks[2 * position + neuron / 64] >> UInt64(neuron % 64) & 1 == 1
          // The sample's states are rounded to f16.
          if abs(gate) > 0.01 { #expect(fires == (gate > 0)) }
        }
      }
      #expect(firings == Array(counts[layer].firings[70 * expert..<70 * expert + 70]))
      let rows = sample.chunks.map(\.positions)
      #expect(rows.map(\.count).reduce(0, +) == sample.positionCount)
      #expect(rows[0].allSatisfy { sample.places[$0] < 30 })
    }
    #expect((0..<2).allSatisfy { counts[$0].uses.reduce(0, +) == 120 })
    for chunk in [1, 7] {
      var options = try DecoderRuns.limited(options, store, percent: chunk == 1 ? 0 : 50)
      options.prefillChunk = chunk
      options.storage.memoryLimit = options.storage.memoryLimit! + (4 << 20)
      let (found, foundCounts) = try Self.record(store, options)
      for (a, b) in zip(found, expected) {
        #expect(a.masks == b.masks && a.contributions == b.contributions && a.places == b.places)
        #expect(a.inputs.array == b.inputs.array)
      }
      #expect(foundCounts.map(\.firings) == counts.map(\.firings))
      #expect(foundCounts.map(\.uses) == counts.map(\.uses))
    }
  }

  @Test func positionsAreKeptByStrideUpToTheCapacity() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = try Self.store(folder.path, .deci)
    var options = DecoderOptions()
    options.contextLength = 32
    let (all, counts) = try Self.record(store.store, options)
    let (kept, keptCounts) = try Self.record(store.store, options, stride: 4, capacity: 10)
    #expect(kept[0].positionCount == 10)
    for index in 0..<10 {
      #expect(
        (0..<32).allSatisfy { kept[0].inputs[index, $0] == all[0].inputs[4 * index, $0] })
    }
    #expect(keptCounts[0].firings == counts[0].firings)
    #expect(keptCounts[0].sums == counts[0].sums)
  }

  @Test func neuronsComeHotFirstAndFriendsTogether() throws {
    // 200 neurons in 50 groups of four, scattered, each group firing together now and then; four
    // hot neurons fire nearly always.
    var generator = SplitMix(seed: 3)
    let states = FloatMatrix(512, 32)
    var masks = [UInt64](repeating: 0, count: 512 * 4)
    var contributions: [Float] = []
    var counts = [UInt32](repeating: 0, count: 204)
    for position in 0..<512 {
      var fires = [Bool](repeating: false, count: 204)
      for group in 0..<50 where generator.chance(0.03) {
        for member in 0..<4 { fires[group + 50 * member] = true }
      }
      for hot in 200..<204 { fires[hot] = generator.chance(0.9) }
      for neuron in 0..<204 where fires[neuron] {
        masks[position * 4 + neuron / 64] |= 1 << UInt64(neuron % 64)
        contributions.append(1)
        counts[neuron] += 1
      }
    }
    let sample = LayerSample(
      inputs: states, neuronCount: 204, masks: masks, contributions: contributions,
      chunkStarts: [0])
    let folder = try ProjectFiles.TemporaryFolder()
    var layout = try Self.store(folder.path, .deci).store.bundles(0)
    layout.neuronCount = 204
    layout.neuronsPerStride = 1
    layout.stride = 512
    let order = NeuronOrder(
      sample: sample, layout: layout, counts: counts, countedPositions: 512, seed: 1)
    let found = try #require(order.order().places)
    #expect(found.sorted() == Array(0..<204))
    #expect(Set(found[..<4]) == Set(200..<204))
    #expect(Double(order.readCount(found)) < 0.7 * Double(order.readCount(order.byCount)))
    // Equal neurons side by side: a group's four are neighbours.
    let apart = (5..<204).count { found[$0] % 50 != found[$0 - 1] % 50 }
    #expect(apart < 80)
  }
}
