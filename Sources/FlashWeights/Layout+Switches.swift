package import FlashKernels

/// Where a layout takes the numbers and choices of `ModelConfiguration` from.
extension Layout {
  /// A number or text of the configuration: the value of the first of `cases` that holds, then the
  /// first of `keys` that is there and not null (a key may be a dotted path), then a multiple of
  /// another key, then `absent`; without any of them the checkpoint is refused where the decoder
  /// needs the value.
  package struct Source: Codable, Equatable, Sendable {
    package var keys: [String]
    package var absent: JSONValue?
    package var cases: [Case]?
    package var absentMultiple: Multiple?
  }

  /// A value that counts where all conditions hold.
  package struct Case: Codable, Equatable, Sendable {
    package var when: [Condition]
    package var value: JSONValue
  }

  /// A whole number times the first of `keys` that is there.
  package struct Multiple: Codable, Equatable, Sendable {
    package var keys: [String]
    package var by: Int
  }

  package struct DecoderSwitches: Codable, Equatable, Sendable {
    package var width: Source
    package var vocabularySize: Source
    package var layerCount: Source
    package var maximumPositions: Source
    /// Per layer, as every one of the next three: a list of the layers' numbers, or one for all.
    package var queryHeads: Source
    package var keyValueHeads: Source
    package var feedForwardWidth: Source
    /// Absent: width divided by the query heads.
    package var headDimension: Source?
    /// A list of blocks as Nemotron-NAS has them, which say for each layer what its parts are.
    package var blocks: Source?
    /// Whether a layer with query heads and no key-value heads has a matrix in attention's place.
    package var hasLinearAttentionWithoutKeys: Bool?
    package var normalization: NormalizationSwitch
    package var activation: ActivationSwitch
    package var isGated: Bool
    package var positions: PositionSwitch
    package var windows: WindowSwitch?
    /// A `LayerOrder`.
    package var order: Source?
    /// A `QueryKeyNorm`.
    package var queryKeyNorm: Source?
    package var scales: ScaleSwitch?
    package var caps: CapSwitch?
    /// Whether attention has sinks.
    package var hasSinks: Bool?
    package var experts: ExpertSwitch?
    package var hasTiedHead: Source
    package var beginToken: Source
    package var endTokens: Source
  }

  package struct NormalizationSwitch: Codable, Equatable, Sendable {
    package var kind: Normalization.Kind
    package var epsilon: Source
  }

  package struct ActivationSwitch: Codable, Equatable, Sendable {
    package var source: Source
    /// What the configuration may say, and what is computed then.
    package var allowed: [String: Activation]
    /// Above which a neuron fires (FATReLU).
    package var threshold: Source?
  }

  /// Exactly one of the two is set.
  package struct PositionSwitch: Codable, Equatable, Sendable {
    package var rotary: RotarySwitch?
    package var learned: LearnedSwitch?
  }

  package struct RotarySwitch: Codable, Equatable, Sendable {
    package var base: Source
    /// The part of a head that is rotated, from 0 to 1.
    package var rotatedPart: Source
    /// The rotated dimensions as a number, which wins over the part where it is there.
    package var dimension: Source?
    /// Keys of the object that holds the scaling's type and numbers; the first that is there.
    package var scaling: [String]
    /// Positions of the model before it was stretched, where the scaling does not say them.
    package var originalPositions: Source?
    /// RoPE of the layers that have a window, where it is another.
    package var local: LocalRotarySwitch?
    /// Which layers have RoPE: a list with 0 for those that have none.
    package var layers: Source?
    /// Without that list: each so manieth layer has none.
    package var interval: Source?
  }

  package struct LocalRotarySwitch: Codable, Equatable, Sendable {
    package var base: Source
    package var scaling: [String]
  }

  package struct LearnedSwitch: Codable, Equatable, Sendable {
    package var offset: Int
  }

  /// Which layers see the last positions only. The first of `types`, `interval` and `first` that is
  /// there decides; without any of them all layers do.
  package struct WindowSwitch: Codable, Equatable, Sendable {
    /// Positions; none, 0 or null: no layer has a window.
    package var length: Source
    /// Layers have windows only where this holds.
    package var when: Condition?
    /// A list with `sliding_attention` or `full_attention` for each layer, or 1 or 0.
    package var types: Source?
    /// Each so manieth layer sees all positions.
    package var interval: Source?
    /// The first layer with a window.
    package var first: Source?
  }

  package struct ScaleSwitch: Codable, Equatable, Sendable {
    package var embedding: Source?
    /// The square root of the width scales embeddings, rounded as the type that this names has it.
    package var embeddingRootType: Source?
    package var residual: Source?
    package var attention: Source?
    /// The scale of attention is 1 / √ of this.
    package var attentionNumber: Source?
    package var logits: Source?
    /// Logits are divided by this.
    package var logitDivisor: Source?
  }

  package struct CapSwitch: Codable, Equatable, Sendable {
    package var attention: Source?
    package var logits: Source?
  }

  /// A key that must have one of the allowed values, because another value changes the arithmetic
  /// in a way the decoder does not know.
  package struct Requirement: Codable, Equatable, Sendable {
    package var key: String
    /// Null stands for an absent key. Of a list every element must be allowed.
    package var allowed: [JSONValue]
    /// A key whose value is allowed as well.
    package var orSameAs: String?
    /// The requirement does not hold where this does.
    package var unless: Condition?
    /// What the decoder lacks, for the message.
    package var part: String
  }

  package struct Condition: Codable, Equatable, Sendable {
    package var key: String
    package var equals: JSONValue
    /// Whether it holds as well where the key is absent or null.
    package var orAbsent: Bool?
  }

  /// Which tensor plays a role. `name` may hold `{prefix}`, inside the layers `{layer}`, and, where
  /// every expert has a tensor of its own, `{expert}`.
  package struct TensorPattern: Codable, Equatable, Sendable {
    package var role: TensorRole
    package var isBias: Bool
    package var name: String
    /// Names that count where the checkpoint has no tensor of the first.
    package var orNames: [String]?
    /// Its name in layers without experts, where it is another there.
    package var denseName: String?
    /// The checkpoint has the tensor only where this holds; absent: always.
    package var when: Condition?
    /// A tensor of one value that every value of this one is multiplied with, where it is there.
    package var scale: String?
    /// What is added to every value.
    package var offset: Double?
    /// The tensor holds the rows of several roles.
    package var fused: FusedRows?
    /// How one tensor of this name holds the matrices of all experts, where it is not plainly one
    /// matrix after another.
    package var stack: ExpertStack?
    /// Tensors that hold all experts' where the checkpoint has none of that name.
    package var orStacked: [StackedExperts]?

    package var isPerLayer: Bool { name.contains("{layer}") }
    package var isPerExpert: Bool { name.contains("{expert}") }

    /// The tensor's name in a checkpoint; `isDense`: in a layer without experts.
    package func name(
      prefix: String, layer: Int?, expert: Int? = nil, isDense: Bool = false
    ) -> String {
      let name = Self.fill(isDense ? denseName ?? name : name, prefix: prefix, layer: layer)
      return expert.map { name.replacing("{expert}", with: "\($0)") } ?? name
    }

    /// All names it may have, the likeliest first.
    func names(prefix: String, layer: Int?, isDense: Bool) -> [String] {
      [name(prefix: prefix, layer: layer, isDense: isDense)]
        + (orNames ?? []).map { Self.fill($0, prefix: prefix, layer: layer) }
    }

    /// The tensors that may hold all experts' matrices, the likeliest first.
    func stacks(prefix: String, layer: Int) -> [StackedExperts] {
      let own = isPerExpert ? [] : [StackedExperts(name: name, stack: stack ?? ExpertStack())]
      return (own + (orStacked ?? [])).map { stacked in
        var stacked = stacked
        stacked.name = Self.fill(stacked.name, prefix: prefix, layer: layer)
        stacked.stack.scales = stacked.stack.scales.map {
          Self.fill($0, prefix: prefix, layer: layer)
        }
        return stacked
      }
    }

    /// The name of the tensor that scales it; nil where the pattern names none.
    func scaleName(prefix: String, layer: Int?) -> String? {
      scale.map { Self.fill($0, prefix: prefix, layer: layer) }
    }

    private static func fill(_ pattern: String, prefix: String, layer: Int?) -> String {
      var text = pattern.replacing("{prefix}", with: prefix)
      if let layer { text = text.replacing("{layer}", with: "\(layer)") }
      return text
    }
  }

  /// How the rows of several roles lie in one tensor.
  package struct FusedRows: Codable, Equatable, Sendable {
    /// In the order they lie.
    package var roles: [TensorRole]
    /// Whether they lie so for each key-value head: its queries, its key, its value. Otherwise all
    /// rows of a role lie together.
    package var byKeyValueHead: Bool
  }
}
