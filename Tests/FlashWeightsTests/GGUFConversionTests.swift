import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// A GGUF file becomes the store that its checkpoint would become, and says what that cost.
struct GGUFConversionTests {
  let folder = ScratchFolder()

  private func write(_ file: GGUFBuilder, _ name: String = "model.gguf") throws -> String {
    try Data(file.bytes).write(to: URL(filePath: folder / name))
    return folder / name
  }

  private func convert(
    _ file: GGUFBuilder, _ format: RowFormat? = nil,
    change: (inout ConversionOptions) -> Void = { _ in }
  ) throws -> (store: WeightStore, manifest: StoreManifest) {
    var options = ConversionOptions(
      formats: format.map { StoreFormats($0) } ?? StoreFormats(), overwrite: true,
      threadCount: 2)
    change(&options)
    let converter = try Converter(
      source: try write(file), target: folder / "model.flash", options: options)
    let manifest = try converter.run()
    return (try WeightStore.open(folder / "model.flash"), manifest)
  }

  private func refusal(_ file: GGUFBuilder) throws -> StoreError {
    let path = try write(file)
    return try #require(throws: StoreError.self) {
      try Converter(readingOnly: path, options: ConversionOptions(formats: StoreFormats()))
    }
  }

  /// The bytes of a tensor's rows in the store.
  private func stored(_ store: WeightStore, _ tensor: StoredTensor) throws -> [UInt8] {
    let file = try File.reading(store.densePath)
    return try file.bytes(at: tensor.extent.offset, byteCount: tensor.extent.byteCount)
  }

  @Test(arguments: [
    (GGUFType.q8_0, RowFormat.q8_0), (.q4_0, .q4_0), (.mxfp4, .mxfp4), (.q4_K, .q4_K),
    (.q6_K, .q6_K),
  ])
  func blocksThatTheStoreHasAreNotRounded(type: GGUFType, format: RowFormat) throws {
    let file = GGUFBuilder.llama(type: type)
    let (store, manifest) = try convert(file)
    let embedding = try #require(store.tensor(.tokenEmbedding))
    #expect(embedding.format == format)
    let rows = try stored(store, embedding)
    var blocks = rows
    for row in 0..<embedding.rows {
      let place = row * embedding.rowByteCount
      unsafe rows.withUnsafeBytes { rows in
        unsafe blocks.withUnsafeMutableBytes { blocks in
          unsafe LanePacking.unpack(
            format, width: embedding.width, row: rows.baseAddress! + place,
            into: blocks.baseAddress! + place)
        }
      }
    }
    #expect(blocks == file.tensors[0].bytes)
    #expect(store.verify() == [])
    // Only down is quantized again, and the loss is said.
    let losses = manifest.notes.filter { $0.contains("relative RMS error") }
    #expect(losses.count == 1 && losses[0].hasPrefix("down: \(type.name) became"))
  }

  @Test(arguments: [GGUFType.q4_1, .q5_0, .q5_1, .iq4_NL, .iq4_XS])
  func otherBlocksBecomeTheNearestFormat(type: GGUFType) throws {
    let (store, manifest) = try convert(.llama(type: type))
    #expect(manifest.tensors.allSatisfy { $0.format == ($0.rows == 1 ? .f32 : .q8_0) })
    #expect(manifest.notes.contains { $0.hasPrefix("query: \(type.name) became q8_0") })
    #expect(store.verify() == [])
  }

  @Test(arguments: RowFormat.allCases)
  func typeAppliesToAll(format: RowFormat) throws {
    let (store, _) = try convert(.llama(), format)
    let expected = format.fitting(width: store.configuration.width)
    #expect(store.manifest.bundles.allSatisfy { $0.parts.allSatisfy { $0.format == expected } })
  }

  /// Slices and column blocks so small that a small model takes many of each.
  @Test(arguments: [GGUFType.f32, .q8_0, .q5_1])
  func memoryDoesNotChangeTheStore(type: GGUFType) throws {
    let whole = try convert(.llama(type: type)).manifest
    let parts = try convert(.llama(type: type)) {
      $0.memory = ConversionMemory(sliceByteCount: 1500, columnByteCount: 700)
    }.manifest
    #expect(whole.tensors == parts.tensors && whole.bundles == parts.bundles)
  }

  /// Query and key rows in the order of checkpoints: a file with the same weights gives the same
  /// digest as the checkpoint.
  @Test(arguments: ["llama", "deci"])
  func storeEqualsThatOfTheCheckpoint(family: String) throws {
    let source = ProjectFiles.fixtures + "/families/" + family
    let checkpoint = try Converter(
      source: source, target: folder / "checkpoint.flash",
      options: ConversionOptions(formats: StoreFormats(.f32)))
    let expected = try checkpoint.run()
    let file = try GGUFBuilder(checkpoint: checkpoint)
    let (store, _) = try convert(file, .f32)
    #expect(store.manifest.tensors.map(\.checksum) == expected.tensors.map(\.checksum))
    #expect(store.manifest.bundles.map(\.checksum) == expected.bundles.map(\.checksum))
    var configuration = store.configuration
    configuration.architecture = expected.configuration.architecture
    configuration.normalization.epsilon = expected.configuration.normalization.epsilon
    #expect(configuration.layers == expected.configuration.layers)
    #expect(configuration.positions == expected.configuration.positions)
  }

  @Test func divisorsOfLlama3BecomeItsNumbers() throws {
    let (factor, low, high, original) = (32.0, 1.0, 4.0, 8192)
    func divisors(_ base: Double, _ low: Double, _ high: Double, _ original: Double) -> [Float] {
      (0..<64).map { index in
        let turns = original * pow(base, -Double(index) / 64) / (2 * .pi)
        let s = min(max((turns - low) / (high - low), 0), 1)
        return Float(1 / ((1 - s) / factor + s))
      }
    }
    let usual = try #require(
      Llama3Fit(divisors: divisors(500_000, low, high, Double(original)), base: 500_000))
    #expect(usual.json[path: "factor"]?.number == factor)
    #expect(usual.json[path: "high_freq_factor"]?.number == high)
    #expect(Llama3Fit(divisors: divisors(500_000, 2, 6, 4096), base: 500_000) != nil)
    #expect(Llama3Fit(divisors: divisors(500_000, low, high, 8192), base: 10_000) == nil)
    #expect(Llama3Fit(divisors: [1, 2, 3, 2], base: 10_000) == nil)
  }

  @Test func otherDivisorsAreKept() throws {
    var file = GGUFBuilder.llama()
    file.add("rope_freqs.weight", [8], [1, 0.5, 2, 1, 1, 1, 1, 1])
    let positions = try convert(file).store.configuration.positions
    #expect(
      positions
        == .rotary(
          RotaryConfiguration(
            base: 10000, dimension: 16, scaling: .divisors([1, 0.5, 2, 1, 1, 1, 1, 1]))))
  }

  @Test func divisorsOfZeroAreRefusedByName() throws {
    var file = GGUFBuilder.llama()
    file.add("rope_freqs.weight", [8], [1, 0, 2, 1, 1, 1, 1, 1])
    let error = try refusal(file)
    #expect(error.kind == .unsupportedModel && error.tensor == "rope_freqs.weight")
  }

  @Test func architectureThatNobodyKnowsIsNamed() throws {
    let error = try refusal(.llama(architecture: "qwen9"))
    #expect(error.kind == .unsupportedModel && error.found == "qwen9")
    #expect(error.expected?.contains("deci") == true)
  }

  @Test func faultsOfTensorsAreNamed() throws {
    var missing = GGUFBuilder.llama()
    missing.tensors.removeAll { $0.name == "blk.1.attn_k.weight" }
    #expect(try refusal(missing).tensor == "blk.1.attn_k.weight")
    var extra = GGUFBuilder.llama()
    extra.add("blk.0.attn_q_norm.weight", [16], Array(repeating: 1, count: 16))
    #expect(try refusal(extra).kind == .unexpectedTensor)
    var shape = GGUFBuilder.llama()
    shape.tensors[1].dimensions = [32, 2]
    #expect(try refusal(shape).kind == .tensorShape)
    var type = GGUFBuilder.llama()
    let index = try #require(type.tensors.firstIndex { $0.name == "blk.0.attn_q.weight" })
    type.tensors[index].type = .i32
    #expect(try refusal(type).found == "I32")
    var vocabulary = GGUFBuilder.llama()
    vocabulary.addTokenizer("llama", count: 95)
    #expect(try refusal(vocabulary).tensor == "token_embd.weight")
    var layers = GGUFBuilder.llama()
    layers.entries[3].value = .uint64(1 << 40)
    #expect(try refusal(layers).kind == .configuration)
  }

  @Test func scalesAndBiasesAreTaken() throws {
    var file = GGUFBuilder.llama()
    for layer in 0..<2 {
      file.add("blk.\(layer).attn_v.scale", [1], [2])
      file.add(
        "blk.\(layer).attn_v.bias", [layer == 0 ? 32 : 16],
        Array(repeating: 0.25, count: layer == 0 ? 32 : 16))
    }
    let (store, _) = try convert(file)
    let plain = try convert(.llama()).store
    #expect(store.tensor(.value, layer: 1, isBias: true) != nil)
    #expect(plain.tensor(.value, layer: 1, isBias: true) == nil)
    func first(_ store: WeightStore) throws -> Float {
      let tensor = try #require(store.tensor(.value, layer: 0))
      let row = try stored(store, tensor)
      return unsafe row.withUnsafeBytes { unsafe $0.loadUnaligned(as: Float.self) }
    }
    let (scaled, unscaled) = try (first(convert(file).store), first(convert(.llama()).store))
    #expect(scaled == 2 * unscaled)
  }

  @Test(
    arguments: [
      ("llama", nil, true), ("gpt2", "llama-bpe", true), ("gpt2", "nobody", false),
      ("gpt2", nil, true), ("bert", nil, false), ("no_vocab", nil, false),
    ] as [(String, String?, Bool)])
  func tokenizerIsCarriedOrItsAbsenceIsSaid(kind: String, pre: String?, isThere: Bool) throws {
    var file = GGUFBuilder.llama()
    file.addTokenizer(kind, pre: pre)
    let (store, manifest) = try convert(file)
    #expect((store.companionPath("tokenizer.json") != nil) == isThere)
    #expect(store.companionPath("chat_template.jinja") != nil)
    #expect(isThere || manifest.notes.contains { $0.contains("tokenizer") })
    if kind == "llama" {
      #expect(store.configuration.beginTokenID == 1 && store.configuration.endTokenIDs == [2])
    }
    guard pre == "nobody" else { return }
    let named = try convert(file) { $0.preTokenizer = "qwen2" }.store
    #expect(named.companionPath("tokenizer.json") != nil)
  }
}

extension GGUFConversionTests {
  /// Down projections column by column, and a ReLU.
  @Test(arguments: [nil, RowFormat.q8_0])
  func powerInferFilesGiveTheSameNeurons(format: RowFormat?) throws {
    let usual = GGUFBuilder.llama()
    let expected = try convert(usual, format).manifest
    let (store, manifest) = try convert(usual.asPowerInfer(rank: 8), format)
    #expect(manifest.bundles.map(\.checksum) == expected.bundles.map(\.checksum))
    #expect(store.configuration.activation == .relu && expected.configuration.activation == .silu)
    #expect(manifest.notes.contains { $0.contains("--price-only") })
    #expect(store.verify() == [])
    var other = usual.asPowerInfer(rank: 8)
    other.magic = "GGUF"
    #expect(try refusal(other).tensor == "blk.0.ffn_down.weight")
  }

  @Test func tokensWithoutTextGetNamesAndTwinsLeaveTheTokenizerOut() throws {
    var file = GGUFBuilder.llama()
    file.addTokenizer("gpt2", pre: "gpt-2")
    let place = try #require(file.entries.firstIndex { $0.key == "tokenizer.ggml.tokens" })
    var tokens = (0..<96).map { "t\($0)" }
    tokens[7] = ""
    tokens[9] = ""
    file.entries[place].value = .strings(tokens)
    let path = try #require(try convert(file).store.companionPath("tokenizer.json"))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains("\"[EMPTY_7]\":7") && text.contains("\"[EMPTY_9]\":9"))
    tokens[8] = "t3"
    file.entries[place].value = .strings(tokens)
    let (store, manifest) = try convert(file)
    #expect(store.companionPath("tokenizer.json") == nil)
    #expect(manifest.notes.contains { $0.contains("tokens 3 and 8 are both \"t3\"") })
  }

  @Test func tokensThatEndATurnAreFoundByTheirNames() throws {
    var file = GGUFBuilder.llama()
    file.addTokenizer("gpt2", pre: "qwen2")
    func change(_ key: String, _ value: GGUFBuilder.Value) throws {
      let place = try #require(file.entries.firstIndex { $0.key == "tokenizer.ggml.\(key)" })
      file.entries[place].value = value
    }
    var tokens = (0..<96).map { "t\($0)" }
    (tokens[40], tokens[50], tokens[60]) = ("<|im_end|>", "<|endoftext|>", "<end_of_turn>")
    try change("tokens", .strings(tokens))
    try change("token_type", .int32s(tokens.indices.map { $0 == 40 || $0 == 50 ? 3 : 1 }))
    #expect(try convert(file).store.configuration.endTokenIDs == [2, 40, 50, 60])
    tokens[60] = "<|end|>"
    try change("tokens", .strings(tokens))
    #expect(try convert(file).store.configuration.endTokenIDs == [2, 40, 50, 60])
    (tokens[61], tokens[62]) = ("<|call|>", "<|return|>")
    try change("tokens", .strings(tokens))
    #expect(try convert(file).store.configuration.endTokenIDs == [2, 40, 50, 61, 62])
  }

  /// Files of the kind llama that leave the special tokens out have SentencePiece's.
  @Test func specialTokensOfSentencePieceAreTaken() throws {
    var file = GGUFBuilder.llama()
    file.addTokenizer("llama")
    file.entries.removeAll { $0.key.hasSuffix("_token_id") }
    let (store, _) = try convert(file)
    #expect(store.configuration.beginTokenID == 1 && store.configuration.endTokenIDs == [2])
    let path = try #require(store.companionPath("tokenizer_config.json"))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains("\"bos_token\":\"<s>\"") && text.contains("\"add_bos_token\":true"))
  }
}

extension GGUFBuilder {
  /// The weights of a checkpoint as llama.cpp's converter writes them: query and key rows as pairs
  /// of neighbours.
  init(checkpoint: Converter) throws {
    self.init()
    let configuration = checkpoint.plan.configuration
    let architecture = checkpoint.layout.name
    func key(_ name: String, _ value: Value) { entries.append(("\(architecture).\(name)", value)) }
    entries = [("general.architecture", .string(architecture))]
    key("context_length", .uint32(UInt32(configuration.maximumPositions)))
    key("embedding_length", .uint32(UInt32(configuration.width)))
    key("block_count", .uint32(UInt32(configuration.layers.count)))
    key("attention.key_length", .uint32(UInt32(configuration.headDimension)))
    key("attention.value_length", .uint32(UInt32(configuration.headDimension)))
    key("attention.layer_norm_rms_epsilon", .float(Float(configuration.normalization.epsilon)))
    func list(_ name: String, _ value: (LayerConfiguration) -> Int) {
      key(name, .int32s(configuration.layers.map { Int32(value($0)) }))
    }
    list("attention.head_count") { $0.queryHeads }
    list("attention.head_count_kv") { $0.keyValueHeads }
    list("feed_forward_length") { $0.feedForwardWidth }
    if case .rotary(let rotary) = configuration.positions {
      key("rope.freq_base", .float(Float(rotary.base)))
      key("rope.dimension_count", .uint32(UInt32(rotary.dimension)))
    }
    let spelled = try #require(checkpoint.layout.spelled(.gguf))
    for pattern in spelled.tensors where !pattern.isBias {
      if pattern.role == .outputHead, configuration.hasTiedHead { continue }
      let layers =
        pattern.isPerLayer
        ? configuration.layers.indices.filter { configuration.has(pattern.role, layer: $0) }
          .map { $0 as Int? } : [nil]
      for layer in layers {
        let tensor = checkpoint.map.source(pattern.role, layer: layer)
        #expect(tensor.encoding == .plain(.f32))
        let source = checkpoint.source.files[tensor.fileIndex]
        var bytes = try source.file.bytes(
          at: tensor.extent.offset, byteCount: tensor.extent.byteCount)
        if [.query, .key].contains(pattern.role) {
          let order = RowOrder.neighbours(
            headDimension: configuration.headDimension, rotated: configuration.headDimension)
          let size = bytes.count / tensor.shape[0]
          let rows = bytes
          for row in 0..<tensor.shape[0] {
            let place = order.source(of: row) * size
            bytes.replaceSubrange(place..<place + size, with: rows[row * size..<(row + 1) * size])
          }
        }
        tensors.append(
          (pattern.name(prefix: "", layer: layer), tensor.shape.reversed(), .f32, bytes))
      }
    }
  }
}
