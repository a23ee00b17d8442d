package import FlashKernels
package import FlashWeights
internal import Foundation

/// A random model by seed, written as a Hugging Face checkpoint: small ones for the tests of the
/// decoder, large ones, streamed, to measure `convert`. Equal seeds give equal bytes.
package struct TinyModel: Sendable {
  package enum Family: String, CaseIterable, Sendable {
    case llama, deci, opt, prosparse, bamboo
    /// Layers that lack a part, or have a matrix in its place.
    case nemotronNAS = "nemotron-nas"
    /// Experts; a shared one beside them and, in the second layer, alone.
    case mixtral
    case qwen2MoE = "qwen2-moe"
    /// Experts whose neurons are silent at times.
    case turboSparseMixtral = "turbosparse-mixtral"

    /// Those whose layers are all whole and have no experts.
    package static let allCases: [Family] = [.llama, .deci, .opt, .prosparse, .bamboo]
    package static let withExperts: [Family] = [.mixtral, .qwen2MoE, .turboSparseMixtral]

    /// Whether its tensors have Mixtral's names.
    var isMixtral: Bool { self == .mixtral || self == .turboSparseMixtral }

    /// `architectures[0]` of its checkpoints.
    var architecture: String {
      switch self {
      case .llama: "LlamaForCausalLM"
      case .deci, .nemotronNAS: "DeciLMForCausalLM"
      case .opt: "OPTForCausalLM"
      case .prosparse: "SparseLlamaForCausalLM"
      case .bamboo: "BambooForCausalLM"
      case .mixtral: "MixtralForCausalLM"
      case .qwen2MoE: "Qwen2MoeForCausalLM"
      case .turboSparseMixtral: "TurboSparseMixtralForCausalLM"
      }
    }
  }

  package var family: Family
  package var configuration: ModelConfiguration
  /// F32, F16 or BF16.
  package var type = SafetensorsType.f32
  package var shardCount = 1
  /// Biases on query, key, value and output (`attention_bias`; OPT always has them).
  package var hasAttentionBias = false
  package var hasTokenizer = true
  /// Of the predictors that come with the model, in families that may have them; nil: none do.
  package var predictorRank: Int?
  package var seed: UInt64

  /// - Parameters:
  ///   - feedForwardWidth: of an expert where there are experts.
  ///   - expertCount: experts of a layer, in families that have them.
  ///   - activeCount: experts of a token.
  package init(
    family: Family, seed: UInt64, width: Int = 32, headDimension: Int = 8, queryHeads: Int = 4,
    keyValueHeads: [Int] = [4, 2, 1], feedForwardWidth: Int = 48, vocabularySize: Int = 40,
    maximumPositions: Int = 64, activation: Activation = .relu, hasTiedHead: Bool = false,
    expertCount: Int = 6, activeCount: Int = 2
  ) {
    self.family = family
    self.seed = seed
    let isOPT = family == .opt
    configuration = ModelConfiguration(
      architecture: family.architecture,
      width: width, vocabularySize: vocabularySize, headDimension: headDimension,
      layers: keyValueHeads.map {
        LayerConfiguration(
          queryHeads: queryHeads,
          keyValueHeads: isOPT ? queryHeads : family == .deci ? $0 : keyValueHeads[0],
          feedForwardWidth: feedForwardWidth)
      },
      normalization: Normalization(kind: isOPT ? .layer : .rms, epsilon: 1e-5),
      activation: activation, isGated: !isOPT,
      positions: isOPT
        ? .learned(offset: 2)
        : .rotary(RotaryConfiguration(base: 10000, dimension: headDimension, scaling: .none)),
      maximumPositions: maximumPositions, hasTiedHead: hasTiedHead, beginTokenID: 1,
      endTokenIDs: [2])
    if family == .nemotronNAS { configuration.layers = Self.blocks(feedForwardWidth) }
    if Family.withExperts.contains(family) {
      addExperts(count: expertCount, width: feedForwardWidth, activeCount: activeCount)
    }
    if family == .bamboo { configuration.activation = .dReLU }
    if family == .prosparse {
      configuration.activation = .fatReLU
      configuration.activationThreshold = 0.05
    }
  }

  /// Every kind of layer that Nemotron-NAS has, for 4 query heads.
  private static func blocks(_ neurons: Int) -> [LayerConfiguration] {
    let shapes = [(4, 2, neurons), (0, 0, 2 * neurons), (4, 1, 0), (0, 0, 0), (4, 4, 0)]
    var layers = shapes.map {
      LayerConfiguration(queryHeads: $0.0, keyValueHeads: $0.1, feedForwardWidth: $0.2)
    }
    layers.append(LayerConfiguration(queryHeads: 0, keyValueHeads: 0, feedForwardWidth: neurons))
    layers[1].hasLinearAttention = true
    layers[4].hasLinearFeedForward = true
    return layers
  }

  private mutating func addExperts(count: Int, width: Int, activeCount: Int) {
    configuration.activation = family == .turboSparseMixtral ? .dReLU : .silu
    let isShared = family == .qwen2MoE
    for index in configuration.layers.indices {
      let isDense = isShared && index == 1
      configuration.layers[index].feedForwardWidth = isDense ? 0 : count * width
      configuration.layers[index].expertCount = isDense ? nil : count
      configuration.layers[index].sharedWidth = isDense ? 3 * width : isShared ? 2 * width : nil
    }
    configuration.routing = ExpertRouting(
      activeCount: activeCount, isNormalized: !isShared, weighsShared: isShared ? true : nil)
  }

  /// A model whose family, shapes, key-value heads and type follow from the seed.
  package static func random(seed: UInt64) -> TinyModel {
    var generator = SplitMix(seed: seed)
    let family = [Family.llama, .deci, .opt][generator.below(3)]
    let headDimension = [4, 8, 16][generator.below(3)]
    let width = headDimension * 4
    let layerCount = 1 + generator.below(4)
    let uniform = [1, 2, 4][generator.below(3)]
    let keyValueHeads = (0..<layerCount).map { _ in
      family == .deci ? [1, 2, 4][generator.below(3)] : uniform
    }
    var model = TinyModel(
      family: family, seed: seed, width: width, headDimension: headDimension,
      keyValueHeads: keyValueHeads, feedForwardWidth: 1 + generator.below(70),
      vocabularySize: 5 + generator.below(60),
      activation: family == .opt || generator.below(2) == 0 ? .relu : .silu,
      hasTiedHead: generator.below(2) == 0)
    model.type = [.f32, .f16, .bf16][generator.below(3)]
    model.shardCount = 1 + generator.below(3)
    model.hasAttentionBias = family != .opt && generator.below(3) == 0
    return model
  }

  /// A checkpoint of about 2 GB in BF16 whose largest tensors are larger than any buffer of
  /// `convert`.
  package static let twoGigabytes: TinyModel = {
    var model = TinyModel(
      family: .deci, seed: 1, width: 4096, headDimension: 128, queryHeads: 32,
      keyValueHeads: [4, 2, 1], feedForwardWidth: 16384, vocabularySize: 32000,
      maximumPositions: 2048)
    model.type = .bf16
    return model
  }()

  package var layout: Layout { Layout.builtIn.first { $0.name == family.rawValue }! }

  /// The tensors of the checkpoint by name, with the shape the file gives them.
  package var tensors: [(name: String, shape: TensorShape)] {
    var tensors: [(String, TensorShape)] = []
    for pattern in layout.tensors {
      if pattern.role == .outputHead, configuration.hasTiedHead { continue }
      if pattern.when != nil, !hasAttentionBias { continue }
      let layers =
        pattern.isPerLayer
        ? configuration.layers.indices.filter { configuration.has(pattern.role, layer: $0) }
          .map { $0 as Int? } : [nil]
      for layer in layers {
        let weight = TensorShape(pattern.role, layer: layer, in: configuration)
        let experts = layer.flatMap { configuration.layers[$0].expertCount }
        for expert in 0..<(pattern.isPerExpert ? experts ?? 1 : 1) {
          let name = pattern.name(
            prefix: layout.prefixes[0], layer: layer, expert: expert, isDense: experts == nil)
          tensors.append((name, pattern.isPerExpert ? weight.part(experts ?? 1) : weight))
          if pattern.isBias { tensors[tensors.count - 1].1 = weight.bias() }
        }
      }
    }
    return tensors + predictors
  }

  private var predictors: [(name: String, shape: TensorShape)] {
    guard let rank = predictorRank, let names = layout.predictors else { return [] }
    return configuration.layers.enumerated().flatMap { layer, shape in
      (0..<(shape.expertCount ?? 1)).flatMap { expert in
        [(names.reduction, rank, configuration.width), (names.expansion, shape.expertWidth, rank)]
          .map { name, rows, width in
            (
              name.replacing("{prefix}", with: layout.prefixes[0])
                .replacing("{layer}", with: "\(layer)").replacing("{expert}", with: "\(expert)"),
              TensorShape(role: .gate, isBias: false, layer: layer, rows: rows, width: width)
            )
          }
      }
    }
  }
}

extension TensorShape {
  /// One of several experts' part of a weight.
  func part(_ experts: Int) -> TensorShape {
    var part = self
    if role == .down { part.width /= experts } else { part.rows /= experts }
    return part
  }
}
