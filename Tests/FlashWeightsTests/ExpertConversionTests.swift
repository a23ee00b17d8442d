import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Mixtures of experts become stores whose neurons are the experts' one after another, however the
/// source spells them; what contradicts itself is refused by name.
struct ExpertConversionTests {
  private static let width = 32
  private static let experts = "model.layers.0.block_sparse_moe.experts"
  private static let stack = "model.layers.0.mlp.experts"

  private let folder = ScratchFolder()

  /// A tiny checkpoint that can be changed before it is converted.
  private func checkpoint(
    _ family: TinyModel.Family = .mixtral, feedForwardWidth: Int = 20, seed: UInt64 = 3
  ) throws -> EditedCheckpoint {
    let model = TinyModel(
      family: family, seed: seed, width: Self.width, keyValueHeads: [2, 2],
      feedForwardWidth: feedForwardWidth, expertCount: 5)
    try model.write(to: folder / "source")
    return try EditedCheckpoint(folder / "source")
  }

  private func convert(
    _ format: RowFormat? = .f32, memory: ConversionMemory = ConversionMemory()
  ) throws -> WeightStore {
    var options = ConversionOptions(
      formats: format.map { StoreFormats($0) } ?? StoreFormats(), overwrite: true, threadCount: 2)
    options.memory = memory
    var last = (0, 1)
    let target = folder / "out.flash"
    _ = try Converter(source: folder / "source", target: target, options: options)
      .run { last = ($0, $1) }
    #expect(last.0 == last.1)
    let store = try WeightStore.open(target)
    #expect(store.verify() == [])
    return store
  }

  private func failure() -> StoreError? {
    #expect(throws: StoreError.self) { try convert() }
  }

  /// Small enough that an expert takes several blocks of columns, or that a block takes several
  /// experts but not all.
  private static let memories = [
    ConversionMemory(), ConversionMemory(sliceByteCount: 1500, columnByteCount: 700),
    ConversionMemory(sliceByteCount: 9000, columnByteCount: 6000),
  ]

  @Test(arguments: TinyModel.Family.withExperts, 0..<3)
  func expertsConvertToTheSameWeights(family: TinyModel.Family, memory: Int) throws {
    let model = TinyModel(
      family: family, seed: UInt64(memory), width: Self.width, keyValueHeads: [2, 2, 2],
      feedForwardWidth: [20, 48, 17][memory], expertCount: [5, 4, 7][memory])
    try model.write(to: folder / "source")
    for format in [RowFormat.f32, .f16, .q8_0] {
      let store = try convert(format, memory: Self.memories[memory])
      let converter = try Converter(
        readingOnly: folder / "source", options: ConversionOptions(formats: StoreFormats(format)))
      #expect(converter.plan.configuration == model.configuration)
      try StoreComparison(store: store, converter: converter).run()
    }
  }

  /// What transformers writes where it does not take experts apart.
  private func stackExperts(of source: EditedCheckpoint, layers: Range<Int> = 0..<2) {
    for layer in layers {
      let old = "model.layers.\(layer).block_sparse_moe"
      let new = "model.layers.\(layer).mlp"
      var (gateUp, down) = (Data(), Data())
      for expert in 0..<5 {
        let name = "\(old).experts.\(expert)"
        gateUp += source.remove("\(name).w1.weight").data
        gateUp += source.remove("\(name).w3.weight").data
        down += source.remove("\(name).w2.weight").data
      }
      source.set("\(new).experts.gate_up_proj", [5, 40, Self.width], gateUp)
      source.set("\(new).experts.down_proj", [5, Self.width, 20], down)
      source.tensors["\(new).gate.weight"] = source.remove("\(old).gate.weight")
    }
  }

  @Test(arguments: 0..<3)
  func stackedExpertsAreTheSameModel(memory: Int) throws {
    let source = try checkpoint()
    let digest = try convert().manifest.modelDigest
    stackExperts(of: source)
    try source.write()
    #expect(try convert(memory: Self.memories[memory]).manifest.modelDigest == digest)
  }

  @Test func stackedAndSeparateExpertsInOneModelAreRefused() throws {
    let source = try checkpoint()
    stackExperts(of: source, layers: 1..<2)
    try source.write()
    let error = failure()
    #expect(error?.kind == .unexpectedTensor)
    #expect(error?.tensor == "model.layers.1.mlp.experts.gate_up_proj")
    #expect(error?.found == "\(Self.experts).0.w1.weight")
  }

  @Test func aMissingExpertIsNamed() throws {
    let source = try checkpoint()
    _ = source.remove("\(Self.experts).3.w2.weight")
    try source.write()
    let error = failure()
    #expect(error?.kind == .missingTensor && error?.tensor == "\(Self.experts).3.w2.weight")
    #expect(error?.problem.contains("expert 3 of 5") == true)
  }

  @Test(arguments: [
    ("num_local_experts", 4, StoreError.Kind.tensorShape),
    ("num_local_experts", 6, .tensorShape),
    ("num_local_experts", 0, .configuration),
    ("num_experts_per_tok", 6, .configuration),
    ("num_experts_per_tok", 0, .configuration),
  ])
  func countsThatContradictTheTensorsAreRefused(
    key: String, count: Int, kind: StoreError.Kind
  ) throws {
    let source = try checkpoint()
    try source.configure(key, count)
    #expect(failure()?.kind == kind)
  }

  @Test func anExpertTooManyIsNamed() throws {
    let source = try checkpoint()
    let tensor = try #require(source.tensors["\(Self.experts).4.w1.weight"])
    source.tensors["\(Self.experts).5.w1.weight"] = tensor
    try source.write()
    let error = failure()
    #expect(error?.kind == .unexpectedTensor && error?.tensor == "\(Self.experts).5.w1.weight")
    #expect(error?.expected == "5 experts")
  }

  @Test func stackedExpertsOfAnotherCountAreRefused() throws {
    let source = try checkpoint()
    stackExperts(of: source)
    var tensor = source.remove("\(Self.stack).down_proj")
    tensor.data.removeLast(4 * 20 * Self.width)
    source.set("\(Self.stack).down_proj", [4, Self.width, 20], tensor.data)
    try source.write()
    let error = failure()
    #expect(error?.kind == .tensorShape && error?.tensor == "\(Self.stack).down_proj")
    #expect(error?.expected == "[5, 32, 20]" && error?.found == "[4, 32, 20]")
  }

  @Test(arguments: [
    "model.layers.0.mlp.gate.weight", "model.layers.0.mlp.shared_expert_gate.weight",
  ])
  func aRouterThatIsNoNumberIsRefused(name: String) throws {
    let source = try checkpoint(.qwen2MoE)
    var tensor = source.remove(name)
    tensor.data.replaceSubrange(8..<12, with: [0, 0, 0xC0, 0x7F])
    source.set(name, tensor.shape, tensor.data)
    try source.write()
    let error = failure()
    #expect(error?.kind == .routerValues && error?.tensor == name)
  }

  /// A matrix `[rows, width]` of random MXFP4 blocks for each of 4 experts, and what it is as plain
  /// values, `[width, rows]`.
  private func microscaled(
    rows: Int, width: Int, _ random: inout SplitMix
  ) -> (codes: Data, scales: Data, plain: Data) {
    let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    var (codes, scales, plain) = (Data(), Data(), Data())
    for _ in 0..<4 {
      var matrix = [Float](repeating: 0, count: rows * width)
      for block in 0..<rows * width / 32 {
        let scale = UInt8(118 + random.below(6))
        scales.append(scale)
        for pair in 0..<16 {
          let byte = UInt8(random.below(256))
          codes.append(byte)
          for (half, code) in [byte & 15, byte >> 4].enumerated() {
            let place = 32 * block + 2 * pair + half
            let value =
              values[Int(code & 7)] * Float(sign: .plus, exponent: Int(scale) - 127, significand: 1)
            // ggml has no negative zero.
            matrix[place % width * rows + place / width] = code > 8 ? -value : value
          }
        }
      }
      for value in matrix {
        plain += (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
      }
    }
    return (codes, scales, plain)
  }

  /// The tiny gpt-oss with experts of plain values, and the same with MXFP4 blocks.
  private func microscaledCheckpoints() throws -> (
    plain: EditedCheckpoint, blocks: EditedCheckpoint
  ) {
    let gptOSS = SharedFiles.path("vectors/families/gpt-oss")
    try FileManager.default.copyItem(atPath: gptOSS, toPath: folder / "source")
    let plain = try EditedCheckpoint(folder / "source")
    let blocks = try EditedCheckpoint(folder / "source")
    var random = SplitMix(seed: 5)
    for layer in 0..<4 {
      for (part, rows, width) in [("gate_up_proj", 320, 64), ("down_proj", 64, 160)] {
        let name = "model.layers.\(layer).mlp.experts.\(part)"
        let made = microscaled(rows: rows, width: width, &random)
        plain.set(name, [4, width, rows], made.plain)
        _ = blocks.remove(name)
        blocks.set("\(name)_blocks", [4, rows, width / 32, 16], made.codes, type: "U8")
        blocks.set("\(name)_scales", [4, rows, width / 32], made.scales, type: "U8")
      }
    }
    return (plain, blocks)
  }

  @Test(
    .enabled(if: SharedFiles.has("vectors/families"), "shared/vectors/families is missing"),
    arguments: 0..<3)
  func microscaledExpertsAreWhatTheirBlocksSay(memory: Int) throws {
    let (plain, blocks) = try microscaledCheckpoints()
    try plain.write()
    let digest = try convert(memory: Self.memories[memory]).manifest.modelDigest
    try blocks.write()
    #expect(try convert(memory: Self.memories[memory]).manifest.modelDigest == digest)
    let scales = "model.layers.2.mlp.experts.down_proj_scales"
    var tensor = blocks.remove(scales)
    try blocks.write()
    #expect(failure()?.tensor == scales)
    tensor.data.removeLast(4 * 64)
    blocks.set(scales, [4, 64, 4], tensor.data, type: "U8")
    try blocks.write()
    #expect(failure()?.kind == .tensorShape)
  }

  /// Gate and up rows, which take turns in the file, are kept bit for bit; down is quantized again.
  @Test(
    .enabled(if: SharedFiles.has("vectors/families"), "shared/vectors/families is missing"),
    arguments: 0..<3)
  func microscaledRowsAreKept(memory: Int) throws {
    let blocks = try microscaledCheckpoints().blocks
    try blocks.write()
    let store = try convert(nil, memory: Self.memories[memory])
    let losses = store.manifest.notes.filter { $0.contains("relative RMS error") }
    #expect(losses.count == 1 && losses[0].hasPrefix("down: MXFP4 became mxfp4"))
    let bundles = [UInt8](try Data(contentsOf: URL(filePath: store.bundlesPath)))
    for (layer, layout) in store.manifest.bundles.enumerated() {
      let name = "model.layers.\(layer).mlp.experts.gate_up_proj"
      let codes = [UInt8](try #require(blocks.tensors["\(name)_blocks"]).data)
      let scales = [UInt8](try #require(blocks.tensors["\(name)_scales"]).data)
      for (part, description) in layout.parts.enumerated() where description.role != .down {
        #expect(description.format == .mxfp4)
        for neuron in stride(from: layer, to: layout.neuronCount, by: 7) {
          let place =
            layout.extent.offset + neuron / layout.neuronsPerStride * layout.stride
            + layout.offset(ofPart: part, neuron: neuron % layout.neuronsPerStride)
          var found = [UInt8](repeating: 0, count: 34)
          unsafe Array(bundles[place..<place + 34]).withUnsafeBytes {
            unsafe LanePacking.unpack(
              .mxfp4, width: 64, row: $0.baseAddress!, into: &found)
          }
          let first = 2 * (2 * neuron + (description.role == .up ? 1 : 0))
          let expected = (first..<first + 2).flatMap { block -> [UInt8] in
            let code = { codes[16 * block + $0 / 2] >> UInt8(4 * ($0 % 2)) & 15 }
            return [scales[block]] + (0..<16).map { code($0) | code($0 + 16) << 4 }
          }
          #expect(found == expected, "layer \(layer), \(description.role), neuron \(neuron)")
        }
      }
    }
  }

  @Test func valuesOfAnExpertThatAreNoNumbersAreNamed() throws {
    let source = try checkpoint()
    stackExperts(of: source)
    var tensor = source.remove("\(Self.stack).down_proj")
    let place = 4 * (2 * 20 * Self.width + 7)
    tensor.data.replaceSubrange(place..<place + 4, with: [0, 0, 0xC0, 0x7F])
    source.set("\(Self.stack).down_proj", tensor.shape, tensor.data)
    try source.write()
    let notes = try convert(.f16).manifest.notes
    #expect(notes.contains { $0.contains("\(Self.stack).down_proj[2] holds 1 NaN") })
  }
}

/// A checkpoint of one safetensors file as tensors in memory.
final class EditedCheckpoint {
  struct Tensor {
    var type = "F32"
    var shape: [Int]
    var data: Data
  }

  let folder: String
  var tensors: [String: Tensor] = [:]

  init(_ folder: String) throws {
    self.folder = folder
    let path = folder + "/model.safetensors"
    let file = try Data(contentsOf: URL(filePath: path))
    for tensor in try SafetensorsFile(path: path).header.tensors {
      tensors[tensor.name] = Tensor(
        type: tensor.type.rawValue, shape: tensor.shape,
        data: Data(file[tensor.extent.offset..<tensor.extent.end]))
    }
  }

  func set(_ name: String, _ shape: [Int], _ data: Data, type: String = "F32") {
    tensors[name] = Tensor(type: type, shape: shape, data: data)
  }

  /// Traps where there is none.
  func remove(_ name: String) -> Tensor { tensors.removeValue(forKey: name)! }

  /// Writes the tensors in the order of their names.
  func write() throws {
    var header: [String: Any] = [:]
    var data = Data()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      header[name] = [
        "dtype": tensor.type, "shape": tensor.shape,
        "data_offsets": [data.count, data.count + tensor.data.count],
      ]
      data += tensor.data
    }
    let text = try JSONSerialization.data(withJSONObject: header)
    let length = Data((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) })
    try (length + text + data).write(to: URL(filePath: folder + "/model.safetensors"))
  }

  /// Changes a key of `config.json`.
  func configure(_ key: String, _ value: Any) throws {
    let url = URL(filePath: folder + "/config.json")
    var json =
      try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
    json[key] = value
    try JSONSerialization.data(withJSONObject: json).write(to: url)
  }
}
