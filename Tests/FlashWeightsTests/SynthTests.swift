import FlashIO
import FlashKernels
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

/// Stores of random weights: real shapes, the same bytes from the same seed, whole or absent.
struct SynthTests {
  static let deci = """
    {
      "architectures": ["DeciLMForCausalLM"], "hidden_size": 96, "num_hidden_layers": 3,
      "num_attention_heads": 6, "intermediate_size": 112, "vocab_size": 70,
      "max_position_embeddings": 64, "hidden_act": "silu", "rms_norm_eps": 1e-5,
      "tie_word_embeddings": false, "num_key_value_heads_per_layer": [6, 2, 1]
    }
    """
  static let opt = """
    {
      "architectures": ["OPTForCausalLM"], "hidden_size": 768, "num_hidden_layers": 2,
      "num_attention_heads": 12, "ffn_dim": 200, "vocab_size": 90,
      "max_position_embeddings": 64, "activation_function": "relu",
      "do_layer_norm_before": true, "tie_word_embeddings": true
    }
    """

  private static func shape(_ configuration: String) throws -> SynthShape {
    let folder = try ProjectFiles.TemporaryFolder()
    let path = folder.path + "/config.json"
    try Data(configuration.utf8).write(to: URL(filePath: path))
    return try SynthShape(contentsOf: path)
  }

  /// The bytes of every file of a store, by name.
  private static func files(_ store: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: store) {
      files[name] = try Data(contentsOf: URL(filePath: store + "/" + name))
    }
    return files
  }

  static let qwen = """
    {
      "architectures": ["Qwen2MoeForCausalLM"], "hidden_size": 768, "num_hidden_layers": 3,
      "num_attention_heads": 12, "num_key_value_heads": 4, "intermediate_size": 96,
      "moe_intermediate_size": 40, "shared_expert_intermediate_size": 64, "num_experts": 6,
      "num_experts_per_tok": 2, "mlp_only_layers": [1], "vocab_size": 90,
      "max_position_embeddings": 64, "tie_word_embeddings": false
    }
    """

  static let cases: [(String, Double?)] = [(deci, nil), (deci, 0.2), (opt, nil), (opt, 0.1)]

  @Test(arguments: [0, 1.0])
  func expertsOfAnySkewAreTheSameBytesOnAnyThreads(skew: Double) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let shape = try Self.shape(Self.qwen)
    func write(threads: Int) throws -> [String: Data] {
      let path = folder.path + "/\(threads).flash"
      let manifest = try Synthesizer(shape: shape, type: .q4_0, routingSkew: skew).write(
        to: path, tokenizer: nil, threadCount: threads)
      #expect(manifest.synthetic?.routingSkew == skew)
      let store = try WeightStore.open(path)
      #expect(store.verify() == [])
      let biases = manifest.tensors.filter { $0.role == .router && $0.isBias }
      #expect(biases.count == (skew > 0 ? 2 : 0))
      return try Self.files(path)
    }
    #expect(try write(threads: 1) == write(threads: 3))
  }

  @Test(arguments: RowFormat.allCases, cases)
  func theSameSeedGivesTheSameBytesOnAnyThreads(
    format: RowFormat, model: (configuration: String, activity: Double?)
  ) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let shape = try Self.shape(model.configuration)
    func write(_ seed: UInt64, threads: Int) throws -> [String: Data] {
      let path = folder.path + "/\(seed)-\(threads).flash"
      _ = try Synthesizer(shape: shape, type: format, activity: model.activity, seed: seed).write(
        to: path, tokenizer: Array("{}".utf8), threadCount: threads)
      return try Self.files(path)
    }
    let first = try write(7, threads: 1)
    #expect(first.count == 4)
    #expect(try write(7, threads: 2) == first)
    #expect(try write(7, threads: 3) == first)
    let other = try write(8, threads: 1)
    #expect(other["dense.safetensors"] != first["dense.safetensors"])
    #expect(other["bundles.bin"] != first["bundles.bin"])
  }

  @Test(arguments: RowFormat.allCases, cases)
  func aSyntheticStoreIsWholeAndSaysWhatItIs(
    format: RowFormat, model: (configuration: String, activity: Double?)
  ) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let path = folder.path + "/model.flash"
    let synthesizer = Synthesizer(
      shape: try Self.shape(model.configuration), type: format, activity: model.activity, seed: 3)
    var last = (done: 0, total: -1)
    _ = try synthesizer.write(to: path, tokenizer: Array("{}".utf8)) { done, total in
      #expect(done > last.done)
      last = (done, total)
    }
    #expect(last.total == synthesizer.requiredByteCount)
    let store = try WeightStore.open(path)
    #expect(store.verify() == [])
    let synthetic = store.manifest.synthetic
    #expect(synthetic?.shape == "config.json")
    #expect(synthetic?.seed == 3)
    #expect(synthetic?.targetActivity == model.activity)
    let expected = format.fitting(width: store.configuration.width)
    #expect(store.manifest.tensors.contains { $0.format == expected })
    let isSilu = model.configuration == Self.deci && model.activity == nil
    #expect(store.configuration.activation == (isSilu ? .silu : .relu))
    #expect(store.configuration.endTokenIDs == [])
    #expect(store.companionPath("tokenizer.json") != nil)
    #expect(store.manifest.layout.name == (store.configuration.isGated ? "deci" : "opt"))
  }

  /// Parameters as the models' pages and cards give them.
  @Test func namedShapesHaveThePublishedParameters() {
    let expected = [
      "decilm-6b": 5_717_102_592, "decilm-7b": 7_043_551_232, "decicoder-6b": 5_866_000_384,
      "llama-2-7b": 6_738_415_616, "llama-3-8b": 8_030_261_248, "opt-6.7b": 6_658_473_984,
      "qwen3-8b": 8_190_735_360, "nemotron-49b": 49_816_821_760,
      "qwen3-30b-a3b": 30_532_122_624, "mixtral-8x7b": 46_702_792_704,
      "gpt-oss-20b": 20_914_757_184, "olmoe-1b-7b": 6_919_161_856,
      "smallthinker-4b": 4_268_459_520,
    ]
    #expect(SynthShape.names == expected.keys.sorted())
    for (name, count) in expected {
      let shape = SynthShape(named: name)
      #expect(
        shape.map { Synthesizer(shape: $0, type: .q4_0).plan.parameterCount } == count, "\(name)")
    }
    #expect(SynthShape(named: "decilm-8b") == nil)
  }

  @Test func namedShapesHaveThePublishedKeyValueHeads() {
    func sum(_ name: String) -> Int? {
      SynthShape(named: name)?.configuration.layers.reduce(0) { $0 + $1.keyValueHeads }
    }
    #expect(sum("decilm-6b") == 50)
    #expect(sum("decilm-7b") == 67)
    #expect(sum("decicoder-6b") == 42)
    #expect(sum("llama-2-7b") == 1024)
    #expect(sum("llama-3-8b") == 256)
    #expect(sum("opt-6.7b") == 1024)
    #expect(sum("qwen3-8b") == 288)
    #expect(sum("nemotron-49b") == 400)
  }

  /// Every row has the size it should have, in every format, so that none is left unwritten.
  @Test(arguments: RowFormat.allCases)
  func randomRowsHaveTheirDeviation(format: RowFormat) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let path = folder.path + "/model.flash"
    _ = try Synthesizer(shape: try Self.shape(Self.opt), type: format, seed: 3).write(
      to: path, tokenizer: nil)
    let store = try WeightStore.open(path)
    let dense = try Data(contentsOf: URL(filePath: store.densePath))
    for role in [TensorRole.tokenEmbedding, .query, .key, .value] {
      let tensor = try #require(store.tensor(role, layer: role.isPerLayer ? 1 : nil))
      let deviation = role.isPerLayer ? 1 / Float(tensor.width).squareRoot() : 1
      for row in 0..<tensor.rows {
        let start = tensor.extent.offset + row * tensor.rowByteCount
        let values = Self.decode(dense[start..<start + tensor.rowByteCount], tensor)
        let count = Float(values.count)
        let meanSquare = values.reduce(0) { $0 + $1 * $1 } / count
        #expect(abs(meanSquare.squareRoot() / deviation - 1) < 0.15, "\(role) row \(row)")
        #expect(abs(values.reduce(0, +) / count) < 0.25 * deviation, "\(role) row \(row)")
      }
    }
  }

  private static func decode(_ row: Data, _ tensor: StoredTensor) -> [Float] {
    var values = [Float](repeating: 0, count: tensor.width)
    unsafe row.withUnsafeBytes { row in
      unsafe values.withUnsafeMutableBufferPointer {
        unsafe Kernels(.best).decodeRow(
          tensor.format, width: tensor.width, row: row.baseAddress!, into: $0.baseAddress!)
      }
    }
    return values
  }

  @Test func aWriterThatWasStoppedIsTakenUp() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let synthesizer = Synthesizer(
      shape: try Self.shape(Self.deci), type: .q4_0, activity: 0.2, seed: 1)
    let whole = folder.path + "/whole.flash"
    var steps = 0
    _ = try synthesizer.write(to: whole, tokenizer: nil, progress: { _, _ in steps += 1 })
    #expect(steps == synthesizer.plan.tensors.count + synthesizer.plan.bundles.count)
    let path = folder.path + "/model.flash"
    for stop in ["write layers.0.query", "write layers.1.bundles", "rename"] {
      #expect(throws: StoreError.self) {
        _ = try synthesizer.write(
          to: path, tokenizer: nil,
          fault: { _, name in name == stop ? StoreError(.interrupted, "stopped") : nil })
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
    _ = try synthesizer.write(to: path, tokenizer: nil)
    #expect(try Self.files(path) == Self.files(whole))
  }

  @Test func aStoreThatIsThereIsRefused() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let path = folder.path + "/model.flash"
    let shape = try Self.shape(Self.deci)
    let old = try Synthesizer(shape: shape, type: .q8_0, seed: 1).write(to: path, tokenizer: nil)
    let new = Synthesizer(shape: shape, type: .q8_0, seed: 2)
    let error = #expect(throws: StoreError.self) { try new.write(to: path, tokenizer: nil) }
    #expect(error?.kind == .targetExists)
    #expect(try WeightStore.open(path).manifest == old)
    let manifest = try new.write(to: path, tokenizer: nil, overwrite: true)
    #expect(manifest.modelDigest != old.modelDigest)
    #expect(try WeightStore.open(path).manifest == manifest)
  }

  @Test func aConfigurationThatTheDecoderCannotRunIsRefused() throws {
    let gelu = Self.deci.replacingOccurrences(of: "silu", with: "gelu")
    let error = #expect(throws: StoreError.self) { try Self.shape(gelu) }
    #expect(error?.kind == .unsupportedModel)
    let missing = #expect(throws: StoreError.self) {
      try SynthShape(contentsOf: "/nowhere/config.json")
    }
    #expect(missing?.kind == .noSuchFile)
  }
}
