import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Predictors that lie in a checkpoint, for each layer or for each expert, come into the store as
/// they are, unpriced.
struct BroughtPredictorTests {
  private let folder = ScratchFolder()
  private static let experts = "model.layers.0.block_sparse_moe.experts"

  private func write(_ family: TinyModel.Family, rank: Int) throws -> TinyModel {
    var model = TinyModel(
      family: family, seed: 3, keyValueHeads: [2, 2], feedForwardWidth: 20, expertCount: 5)
    model.predictorRank = rank
    try model.write(to: folder / "source")
    return model
  }

  private func convert() throws -> WeightStore {
    let target = folder / "out.flash"
    _ = try Converter(
      source: folder / "source", target: target,
      options: ConversionOptions(formats: StoreFormats(.f32), overwrite: true)
    ).run()
    return try WeightStore.open(target)
  }

  /// A matrix of so many columns padded with zeros.
  private func padded(_ values: [Float], columns: Int, to width: Int, rows: Int) -> [Float] {
    let zeros = Array(repeating: Float(0), count: width - columns)
    let present = stride(from: 0, to: values.count, by: columns)
      .flatMap { values[$0..<$0 + columns] + zeros }
    return present + Array(repeating: 0, count: rows * width - present.count)
  }

  @Test(arguments: [TinyModel.Family.turboSparseMixtral, .bamboo], [8, 40])
  func rowsAreThoseOfTheCheckpoint(family: TinyModel.Family, rank: Int) throws {
    let values = try write(family, rank: rank).values()
    let store = try convert()
    #expect(store.verify() == [] && store.calibration?.certificate == nil)
    #expect(store.manifest.notes.contains { $0.contains("of rank \(rank), come along") })
    let (experts, padding) = (family == .bamboo ? 1 : 5, (rank + 31) / 32 * 32)
    for layer in 0..<2 {
      let described = try #require(store.calibration?.layers[layer])
      #expect(described.kind == .perceptron && described.input == .feedForwardInput)
      #expect(described.rank == padding && described.reduction?.rows == experts * padding)
      let predictor = try #require(try store.predictor(layer: layer))
      for expert in 0..<experts {
        let name =
          family == .bamboo
          ? "model.layers.\(layer).mlp.predictor"
          : "model.layers.\(layer).block_sparse_moe.experts.\(expert).predictor"
        let part = predictor.expert(expert, of: experts)
        let reduction = try #require(values["\(name).fc1.weight"])
        #expect(
          part.reduction.floats == padded(reduction, columns: 32, to: 32, rows: padding))
        let expansion = try #require(values["\(name).fc2.weight"])
        #expect(
          part.expansion.floats == padded(expansion, columns: rank, to: padding, rows: 20))
        #expect(part.bias == Array(repeating: .leastNonzeroMagnitude, count: 20))
      }
    }
  }

  @Test func expertsOfALayerGetTheLargestRank() throws {
    let values = try write(.turboSparseMixtral, rank: 8).values()
    let source = try EditedCheckpoint(folder / "source")
    let name = "\(Self.experts).3.predictor"
    source.set("\(name).fc1.weight", [33, 32], Data(count: 4 * 33 * 32))
    source.set("\(name).fc2.weight", [20, 33], Data(count: 4 * 33 * 20))
    try source.write()
    let store = try convert()
    #expect(store.calibration?.layers.map(\.rank) == [64, 32])
    #expect(store.manifest.notes.contains { $0.contains("of rank 8 to 33, come along") })
    let predictor = try #require(try store.predictor(layer: 0))
    let expected = try #require(values["\(Self.experts).4.predictor.fc2.weight"])
    #expect(
      predictor.expert(4, of: 5).expansion.floats
        == padded(expected, columns: 8, to: 64, rows: 20))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    _ = try write(.turboSparseMixtral, rank: 8)
    func refusal(_ change: (EditedCheckpoint) -> Void) throws -> StoreError {
      let source = try EditedCheckpoint(folder / "source")
      let whole = source.tensors
      change(source)
      try source.write()
      let error = try #require(throws: StoreError.self) { try convert() }
      source.tensors = whole
      try source.write()
      return error
    }
    let name = "\(Self.experts).4.predictor.fc2.weight"
    let missing = try refusal { _ = $0.remove(name) }
    #expect(missing.kind == .missingTensor && missing.tensor == name)
    let narrow = try refusal { $0.set(name, [19, 8], Data(count: 4 * 19 * 8)) }
    #expect(narrow.kind == .tensorShape && narrow.tensor == name)
    #expect(narrow.expected == "[20, 8]" && narrow.found == "[19, 8]")
    let whole = try refusal { $0.set(name, [20, 8], Data(count: 8 * 160), type: "I64") }
    #expect(whole.kind == .unknownDataType && whole.tensor == name)
    let surplus = "\(Self.experts).5.predictor.fc2.weight"
    let more = try refusal { $0.set(surplus, [20, 8], Data(count: 4 * 160)) }
    #expect(more.kind == .unexpectedTensor && more.tensor == surplus)
  }

  @Test func aLayoutWhosePredictorsShareNamesIsRefused() throws {
    let text = """
      {"name": "odd", "like": "turbosparse-mixtral", "predictors": {"expansion": "{layer}"}}
      """
    let error = #expect(throws: StoreError.self) {
      try Layout(text: Array(text.utf8), file: "odd.json")
    }
    #expect(error?.kind == .layout && error?.problem.contains("{expert}") == true)
  }
}

extension PackedRows {
  /// The values of rows in f32.
  var floats: [Float] {
    (0..<bytes.count / 4).map { index in
      let value = bytes[4 * index..<4 * index + 4]
      return Float(bitPattern: value.reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}
