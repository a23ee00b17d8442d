import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Predictors of PowerInfer's files come into the store as they are, unpriced.
struct PowerInferTests {
  let folder = ScratchFolder()

  private func converter(
    _ file: GGUFBuilder, _ formats: StoreFormats = StoreFormats()
  ) throws -> Converter {
    let path = folder / "model.powerinfer.gguf"
    try Data(file.bytes).write(to: URL(filePath: path))
    return try Converter(
      source: path, target: folder / "model.flash",
      options: ConversionOptions(formats: formats, overwrite: true, threadCount: 2))
  }

  private func convert(
    _ file: GGUFBuilder, _ formats: StoreFormats = StoreFormats()
  ) throws -> WeightStore {
    _ = try converter(file, formats).run()
    return try WeightStore.open(folder / "model.flash")
  }

  /// Ranks of 8 and of 40, padded to 32 and 64 with zeros.
  @Test(arguments: [8, 40])
  func rowsAreThoseOfTheFile(rank: Int) throws {
    let file = GGUFBuilder.llama().asPowerInfer(rank: rank)
    let store = try convert(file)
    let calibration = try #require(store.calibration)
    #expect(calibration.certificate == nil && calibration.modelDigest == store.manifest.modelDigest)
    #expect(try store.firingCounts() == nil)
    #expect(store.verify() == [])
    #expect(store.manifest.notes.contains { $0.contains("of rank \(rank), come along") })
    let padded = (rank + 31) / 32 * 32
    for layer in 0..<2 {
      let described = calibration.layers[layer]
      #expect(described.kind == .perceptron && described.input == .feedForwardInput)
      #expect(described.rank == padded && described.order == nil)
      let predictor = try #require(try store.predictor(layer: layer))
      let reduction = file.values("blk.\(layer).fc1.weight")
      #expect(
        predictor.reduction.floats == reduction + Array(repeating: 0, count: (padded - rank) * 64))
      let expansion = file.values("blk.\(layer).fc2.weight")
      let expected = (0..<64).flatMap { row in
        expansion[row * rank..<(row + 1) * rank] + Array(repeating: 0, count: padded - rank)
      }
      #expect(predictor.expansion.floats == expected)
    }
  }

  /// A score that equals the threshold names its neuron, and the next one below it does not.
  @Test(arguments: [nil, Float(0.5), -0.25, 0, .leastNonzeroMagnitude])
  func thresholdIsReached(threshold: Float?) throws {
    let store = try convert(GGUFBuilder.llama().asPowerInfer(rank: 8, threshold: threshold))
    let bias = try #require(try store.predictor(layer: 0)).bias
    let least = threshold ?? 0
    #expect(bias.count == 64 && Set(bias).count == 1)
    #expect(least + bias[0] > 0 && !(least.nextDown + bias[0] > 0))
    #expect(!store.manifest.notes.contains { $0.contains("sparse_threshold") })
  }

  @Test func typeAppliesToPredictorsAsFarAsTheirRowsAllow() throws {
    let file = GGUFBuilder.llama().asPowerInfer(rank: 8)
    let cases: [(RowFormat, RowFormat)] = [
      (.q8_0, .q8_0), (.q4_0, .q4_0), (.q4_K, .q4_0), (.q6_K, .q8_0), (.bf16, .bf16),
    ]
    for (format, expected) in cases {
      let store = try convert(file, StoreFormats(format))
      let layer = try #require(store.calibration).layers[1]
      #expect(layer.reduction?.format == expected && layer.expansion?.format == expected)
      let note = "predictors: F32 became \(expected), relative RMS error"
      #expect(store.manifest.notes.contains { $0.hasPrefix(note) })
      #expect(store.verify() == [])
    }
  }

  /// Slices so small that a small predictor takes many.
  @Test func memoryDoesNotChangeThePredictors() throws {
    let file = GGUFBuilder.llama().asPowerInfer(rank: 40)
    let whole = try #require(try convert(file).calibration)
    let path = folder / "model.powerinfer.gguf"
    var options = ConversionOptions(
      formats: StoreFormats(), overwrite: true, threadCount: 2)
    options.memory = ConversionMemory(sliceByteCount: 1000, columnByteCount: 700)
    _ = try Converter(source: path, target: folder / "model.flash", options: options).run()
    #expect(try WeightStore.open(folder / "model.flash").calibration == whole)
  }

  @Test func whatIsWrongWithAPredictorIsSaid() throws {
    let good = GGUFBuilder.llama().asPowerInfer(rank: 8)
    func refusal(_ change: (inout GGUFBuilder) throws -> Void) throws -> StoreError {
      var file = good
      try change(&file)
      return try #require(throws: StoreError.self) { try converter(file) }
    }
    func place(_ name: String) throws -> Int {
      try #require(good.tensors.firstIndex { $0.name == name })
    }
    let missing = try refusal { $0.tensors.remove(at: try place("blk.1.fc2.weight")) }
    #expect(missing.kind == .missingTensor && missing.tensor == "blk.1.fc2.weight")
    let narrow = try refusal {
      let index = try place("blk.0.fc1.weight")
      $0.tensors[index].dimensions = [32, 16]
    }
    #expect(narrow.kind == .tensorShape && narrow.tensor == "blk.0.fc1.weight")
    let short = try refusal {
      let index = try place("blk.1.fc2.weight")
      $0.tensors[index].dimensions = [16, 32]
    }
    #expect(short.kind == .tensorShape && short.tensor == "blk.1.fc2.weight")
    let foreign = try refusal {
      $0.add("blk.7.fc1.weight", [64, 8], Array(repeating: 1, count: 512))
    }
    #expect(foreign.kind == .unexpectedTensor && foreign.tensor == "blk.7.fc1.weight")
    let twice = try refusal { $0.tensors.append($0.tensors[try place("blk.0.fc1.weight")]) }
    #expect(twice.kind == .gguf)
    let whole = try refusal {
      let index = try place("blk.0.fc1.weight")
      $0.tensors[index].type = .i32
    }
    #expect(whole.kind == .unknownDataType && whole.tensor == "blk.0.fc1.weight")
    for value in [GGUFBuilder.Value.string("much"), .float(.nan), .float(.infinity)] {
      let threshold = try refusal { $0.entries.append(("powerinfer.sparse_threshold", value)) }
      #expect(threshold.kind == .gguf && "\(threshold)".contains("sparse_threshold"))
    }
    let other = try refusal { $0 = GGUFBuilder.llama(architecture: "qwen2").asPowerInfer(rank: 8) }
    #expect(other.kind == .unsupportedModel && other.expected?.contains("bamboo") == true)
  }

  /// Without predictors such a file is a ReLU model like another.
  @Test func fileWithoutPredictorsGivesAStoreWithoutCalibration() throws {
    var file = GGUFBuilder.llama().asPowerInfer(rank: 8)
    file.tensors.removeAll { $0.name.contains(".fc") }
    let store = try convert(file)
    #expect(store.calibration == nil && store.configuration.activation == .relu)
  }

  /// The neurons of every architecture are those of its checkpoint.
  @Test(arguments: [TinyModel.Family.llama, .bamboo, .opt])
  func architecturesGiveTheStoreOfTheirCheckpoint(family: TinyModel.Family) throws {
    var model = TinyModel(family: family, seed: 3, keyValueHeads: [4, 4])
    model.hasTokenizer = false
    try model.write(to: folder / "checkpoint")
    let checkpoint = try Converter(
      source: folder / "checkpoint", target: folder / "checkpoint.flash",
      options: ConversionOptions(formats: StoreFormats(.f32)))
    let expected = try checkpoint.run()
    let store = try convert(GGUFBuilder(model).asPowerInfer(rank: 32), StoreFormats(.f32))
    #expect(store.manifest.tensors.map(\.checksum) == expected.tensors.map(\.checksum))
    #expect(store.manifest.bundles.map(\.checksum) == expected.bundles.map(\.checksum))
    let (found, wanted) = (store.configuration, expected.configuration)
    #expect(found.layers.map(\.feedForwardWidth) == wanted.layers.map(\.feedForwardWidth))
    #expect(found.activation == wanted.activation && found.positions == wanted.positions)
    #expect(found.maximumPositions == wanted.maximumPositions)
    #expect(found.normalization.kind == wanted.normalization.kind)
  }

  @Test func stoppedWhilePredictorsAreWrittenConvertsAgain() throws {
    let file = GGUFBuilder.llama().asPowerInfer(rank: 8)
    let expected = try convert(file).manifest
    let path = folder / "model.powerinfer.gguf"
    let target = folder / "stopped.flash"
    func run(_ fault: StoreFault?) throws {
      let options = ConversionOptions(formats: StoreFormats(), threadCount: 2, fault: fault)
      _ = try Converter(source: path, target: target, options: options).run()
    }
    for name in ["write predictor.safetensors", "write calibration.json", "write manifest.json"] {
      #expect(throws: StoreError.self) {
        try run { _, step in
          step == name ? StoreError(.interrupted, "stopped", file: target) : nil
        }
      }
      #expect(!FileManager.default.fileExists(atPath: target))
    }
    try run(nil)
    let manifest = try WeightStore.open(target).manifest
    #expect(manifest.companions == expected.companions && manifest.bundles == expected.bundles)
  }
}
