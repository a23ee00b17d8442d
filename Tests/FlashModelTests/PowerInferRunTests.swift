import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

/// Predictors of PowerInfer's files name the neurons that PowerInfer's formula names: those of
/// which `fc2 · max(0, fc1 · z)` is the threshold or more.
struct PowerInferRunTests {
  private static let tokens: [Int32] = [1, 17, 5, 33, 33, 2, 9, 38, 4, 21, 0, 12]

  private static func options(_ sparsity: SparsityChoice) -> DecoderOptions {
    var options = DecoderOptions()
    options.sparsity = sparsity
    options.allowsUnpriced = true
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = 12
    options.keyFormat = .f32
    options.valueFormat = .f32
    return options
  }

  private static func convert(_ file: GGUFBuilder) throws -> (WeightStore, AnyObject) {
    let folder = try ProjectFiles.TemporaryFolder()
    let path = folder.path + "/model.gguf"
    try Data(file.bytes).write(to: URL(filePath: path))
    let converted = try ConvertedStore(path, StoreFormats())
    return (converted.store, converted)
  }

  /// The neurons of a layer that the formula names.
  private static func named(
    _ file: GGUFBuilder, layer: Int, _ state: [Double], threshold: Double
  ) -> [Bool] {
    func product(_ name: String, _ x: [Double]) -> [Double] {
      let matrix = file.values("blk.\(layer).\(name).weight")
      return (0..<matrix.count / x.count).map { row in
        x.indices.reduce(0.0) { $0 + Double(matrix[row * x.count + $1]) * x[$1] }
      }
    }
    return product("fc2", product("fc1", state).map { max(0, $0) }).map { $0 >= threshold }
  }

  @Test(arguments: [TinyModel.Family.llama, .bamboo, .opt])
  func whatTheFormulaNamesIsComputedAndNothingElse(family: TinyModel.Family) throws {
    let threshold: Float = 0.75
    let model = TinyModel(
      family: family, seed: 7, width: 64, headDimension: 16, keyValueHeads: [4, 4, 4],
      feedForwardWidth: 300)
    let file = GGUFBuilder(model).asPowerInfer(rank: 24, threshold: threshold)
    let (store, owner) = try Self.convert(file)
    var plain = PlainDecoder(model)
    plain.predictorSeesStream = true
    var (named, counted) = (0, 0)
    plain.predictor = { layer, state in
      let set = Self.named(file, layer: layer, state, threshold: Double(threshold))
      named += set.count(where: \.self)
      counted += set.count
      return set
    }
    try withExtendedLifetime(owner) {
      let found = try DecoderRuns.logits(store, Self.tokens, options: Self.options(.predicted))
      #expect(DecoderRuns.relativeDifference(found, plain.logits(Self.tokens)) < 1e-5)
      #expect(named * 10 > counted && named * 10 < counted * 9, "\(named) of \(counted)")
      // Limits, chunks and threads change nothing.
      for (percent, chunk) in [(0, 5), (60, 1)] {
        var options = try DecoderRuns.limited(
          Self.options(.predicted), store, percent: percent)
        options.prefillChunk = chunk
        options.threadCount = 1
        let bits = try DecoderRuns.logits(store, Self.tokens, options: options)
        #expect(bits.map(\.bitPattern) == found.map(\.bitPattern))
      }
    }
  }

  /// Falcon's predictors see the layer's input: of the first layer the embedding alone.
  @Test(arguments: [1, 2])
  func falconsPredictorsSeeTheLayersInput(normCount: Int) throws {
    let file = GGUFBuilder.falcon(normCount: normCount).asPowerInfer(rank: 32)
    let (store, owner) = try Self.convert(file)
    #expect(store.configuration.activation == .relu)
    let embeddings = file.values("token_embd.weight").map(Double.init)
    var options = Self.options(.predicted)
    options.measuresActivity = true
    try withExtendedLifetime(owner) {
      let decoder = try Decoder(store: store, options: options)
      let meter = try #require(decoder.meter)
      var expected = 0
      for token in Self.tokens {
        try unsafe decoder.forward([token], logits: .none) { _, _ in }
        meter.endToken()
        let state = Array(embeddings[Int(token) * 64..<(Int(token) + 1) * 64])
        expected += Self.named(file, layer: 0, state, threshold: 0).count(where: \.self)
      }
      let all = Double(Self.tokens.count * 96)
      #expect(abs(meter.activeFraction(layer: 0) - Double(expected) / all) < 1e-9)
      // In one chunk and token by token, all resident and not, the same.
      let whole = try DecoderRuns.logits(
        store, Self.tokens, options: Self.options(.predicted))
      var limited = try DecoderRuns.limited(Self.options(.predicted), store, percent: 0)
      limited.prefillChunk = 1
      let parts = try DecoderRuns.logits(store, Self.tokens, options: limited)
      #expect(whole.map(\.bitPattern) == parts.map(\.bitPattern))
    }
  }
}

extension GGUFBuilder {
  /// A tiny Falcon: one layer of 96 neurons, width 64, one key-value head; with one norm as the 7B
  /// model or two as the 40B.
  fileprivate static func falcon(normCount: Int) -> GGUFBuilder {
    var random = SplitMix(seed: 4)
    var file = GGUFBuilder()
    file.entries = [
      ("general.architecture", .string("falcon")), ("falcon.context_length", .uint32(64)),
      ("falcon.embedding_length", .uint32(64)), ("falcon.block_count", .uint32(1)),
      ("falcon.feed_forward_length", .uint32(96)), ("falcon.attention.head_count", .uint32(4)),
      ("falcon.attention.head_count_kv", .uint32(1)),
      ("falcon.attention.layer_norm_epsilon", .float(1e-5)),
    ]
    func add(_ name: String, _ dimensions: [Int], around center: Float = 0) {
      let count = dimensions.reduce(1, *)
      file.add(name, dimensions, (0..<count).map { _ in center + random.signed() * 0.4 })
    }
    add("token_embd.weight", [64, 40])
    for norm in ["blk.0.attn_norm", "blk.0.attn_norm_2", "output_norm"]
    where normCount == 2 || !norm.hasSuffix("_2") {
      add(norm + ".weight", [64], around: 1)
      add(norm + ".bias", [64])
    }
    add("blk.0.attn_qkv.weight", [64, 96])
    add("blk.0.attn_output.weight", [64, 64])
    add("blk.0.ffn_up.weight", [64, 96])
    add("blk.0.ffn_down.weight", [96, 64])
    return file
  }
}
