import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// The decoder on every family and format against a plain dense decoder in double precision.
struct PlainDecoderTests {
  /// Rounding of the weights and of the activations, as a share of the largest logit.
  private static func tolerance(_ format: RowFormat) -> Float {
    switch format {
    case .f32: 1e-5
    case .f16: 3e-3
    case .bf16: 3e-2
    case .q8_0: 6e-2
    case .q4_0, .q4_K: 0.6
    // Its steps at the top of a block are twice as wide.
    case .mxfp4: 0.9
    case .q6_K: 0.2
    }
  }

  @Test(
    arguments: TinyModel.Family.allCases,
    isOptimizedBuild ? RowFormat.allCases : [RowFormat.f32, .bf16, .q8_0])
  func logitsEqualThoseOfThePlainDecoder(family: TinyModel.Family, format: RowFormat) throws {
    let activations: [Activation] =
      switch family {
      case .llama, .deci, .nemotronNAS: [.relu, .silu]
      case .opt: [.relu]
      case .prosparse: [.fatReLU]
      case .bamboo, .turboSparseMixtral: [.dReLU]
      case .mixtral, .qwen2MoE: [.silu]
      }
    for activation in activations {
      let heads =
        switch family {
        case .llama, .prosparse, .bamboo, .mixtral, .qwen2MoE, .turboSparseMixtral: [2, 2, 2]
        case .deci, .nemotronNAS: [4, 2, 1]
        case .opt: [4, 4, 4]
        }
      var model = TinyModel(
        family: family, seed: 7, width: max(64, format.valuesPerBlock),
        headDimension: max(64, format.valuesPerBlock) / 4, keyValueHeads: heads)
      model.configuration.activation = activation
      model.hasAttentionBias = family == .llama
      try expectPlainLogits(model, format)
    }
  }

  @Test(arguments: [Activation.relu, .silu], [RowFormat.f32, .q8_0])
  func layersThatLackPartsEqualThePlainDecoderAtEveryLimit(
    activation: Activation, format: RowFormat
  ) throws {
    var model = TinyModel(family: .nemotronNAS, seed: 3, width: 64, headDimension: 16)
    model.configuration.activation = activation
    try expectPlainLogits(model, format) { converted, tokens, options, found in
      for percent in [0, 50] {
        var limited = try DecoderRuns.limited(options, converted.store, percent: percent)
        limited.storage.memoryLimit = limited.storage.memoryLimit! + (4 << 20)
        limited.prefillChunk = 5
        let again = try DecoderRuns.logits(converted.store, tokens, options: limited)
        #expect(again.map(\.bitPattern) == found.map(\.bitPattern), "\(percent) %")
      }
    }
  }

  /// Expects the logits of a model's store to be the plain decoder's, and hands them on.
  private func expectPlainLogits(
    _ model: TinyModel, _ format: RowFormat,
    then body: (ConvertedStore, [Int32], DecoderOptions, [Float]) throws -> Void = { _, _, _, _ in }
  ) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    try model.write(to: folder.path + "/tiny")
    let converted = try ConvertedStore(folder.path + "/tiny", format)
    let tokens: [Int32] = [1, 17, 5, 33, 33, 2, 9, 38, 4, 21, 0, 12]
    var options = DecoderOptions()
    options.keyFormat = .f32
    options.valueFormat = .f32
    options.contextLength = 32
    let found = try DecoderRuns.logits(converted.store, tokens, options: options)
    var plain = PlainDecoder(model)
    let difference = DecoderRuns.relativeDifference(found, plain.logits(tokens))
    #expect(difference < Self.tolerance(format))
    try body(converted, tokens, options, found)
  }

  @Test func randomVariableGQAModelsEqualThePlainDecoder() throws {
    for seed in UInt64(1)...20 {
      let model = TinyModel.random(seed: seed)
      let folder = try ProjectFiles.TemporaryFolder()
      try model.write(to: folder.path + "/tiny")
      let converted = try ConvertedStore(folder.path + "/tiny", .f32)
      let vocabulary = model.configuration.vocabularySize
      let tokens = (0..<10).map { Int32(($0 * 7 + Int(seed)) % vocabulary) }
      let found = try DecoderRuns.logits(converted.store, tokens, options: DecoderOptions())
      var plain = PlainDecoder(model)
      #expect(
        DecoderRuns.relativeDifference(found, plain.logits(tokens)) < 2e-5, "seed \(seed)")
    }
  }
}
