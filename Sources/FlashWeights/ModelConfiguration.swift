package import FlashKernels

/// What a decoder must know about a model beside its weights; every per-layer number is an array.
///
/// `convert` derives it from the checkpoint's `config.json` through a layout; the store's manifest
/// carries it, so that nothing after conversion knows a model family.
package struct ModelConfiguration: Codable, Equatable, Sendable {
  /// `architectures[0]` of the checkpoint, for people.
  package var architecture: String
  /// Width of the residual stream (`hidden_size`).
  package var width: Int
  /// Rows of the embedding and of the output head.
  package var vocabularySize: Int
  /// Values of one attention head.
  package var headDimension: Int
  package var layers: [LayerConfiguration]
  package var normalization: Normalization
  package var activation: Activation
  /// Above which a pre-activation fires, at least 0; nil: 0 (FATReLU has one of its own).
  package var activationThreshold: Double?
  /// Whether the feed-forward part has a gate: `down(activation(gate x) * up x)`, otherwise
  /// `down(activation(up x))`.
  package var isGated: Bool
  package var positions: PositionEncoding
  /// RoPE of the layers that say so.
  package var localRotary: RotaryConfiguration?
  /// Nil: `preNorm`.
  package var order: LayerOrder?
  package var queryKeyNorm: QueryKeyNorm?
  /// Nil: every query's softmax is over keys alone.
  package var hasSinks: Bool?
  /// There where layers have experts.
  package var routing: ExpertRouting?
  package var scales: ModelScales?
  package var caps: ModelCaps?
  /// Positions the model was trained for (`max_position_embeddings`).
  package var maximumPositions: Int
  /// Whether the output head is the token embedding.
  package var hasTiedHead: Bool
  package var beginTokenID: Int32?
  package var endTokenIDs: [Int32]

  package init(
    architecture: String, width: Int, vocabularySize: Int, headDimension: Int,
    layers: [LayerConfiguration], normalization: Normalization, activation: Activation,
    isGated: Bool, positions: PositionEncoding, maximumPositions: Int, hasTiedHead: Bool,
    beginTokenID: Int32?, endTokenIDs: [Int32]
  ) {
    self.architecture = architecture
    self.width = width
    self.vocabularySize = vocabularySize
    self.headDimension = headDimension
    self.layers = layers
    self.normalization = normalization
    self.activation = activation
    self.isGated = isGated
    self.positions = positions
    self.maximumPositions = maximumPositions
    self.hasTiedHead = hasTiedHead
    self.beginTokenID = beginTokenID
    self.endTokenIDs = endTokenIDs
  }
}

/// The shape of one layer; heads and widths may differ from layer to layer (variable GQA). Either
/// part may be missing, or be one square matrix.
package struct LayerConfiguration: Codable, Equatable, Sendable {
  /// 0 where there is no attention.
  package var queryHeads: Int
  package var keyValueHeads: Int
  /// Neurons of the feed-forward part; 0 where there are none.
  package var feedForwardWidth: Int
  /// Positions that a query sees, itself included; nil: all up to it.
  package var window: Int?
  /// Nil: the model's.
  package var rotary: LayerRotary?
  /// Whether a matrix `[width, width]` stands in attention's place (Nemotron-NAS).
  package var hasLinearAttention: Bool?
  /// Whether a matrix `[width, width]` stands in the feed-forward part's place.
  package var hasLinearFeedForward: Bool?
  /// Experts that the neurons belong to, as many to each, one expert after another; a token uses
  /// `ExpertRouting.activeCount` of them. Nil: every token uses all neurons.
  package var expertCount: Int?
  /// Neurons of the expert that every token uses, beside routed ones or alone; nil: none.
  package var sharedWidth: Int?

  package init(queryHeads: Int, keyValueHeads: Int, feedForwardWidth: Int) {
    self.queryHeads = queryHeads
    self.keyValueHeads = keyValueHeads
    self.feedForwardWidth = feedForwardWidth
  }
}

/// The norm before attention, before the feed-forward part and before the output head.
package struct Normalization: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, Sendable {
    /// `x / sqrt(mean(x²) + epsilon) * weight` (Zhang and Sennrich, arXiv 1910.07467).
    case rms
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias`.
    case layer
  }
  package var kind: Kind
  package var epsilon: Double

  package init(kind: Kind, epsilon: Double) {
    self.kind = kind
    self.epsilon = epsilon
  }
}

extension Activation {
  /// Whether a neuron whose pre-activation is not above the threshold contributes exactly zero, so
  /// that it need not be read.
  package var isSparse: Bool {
    switch self {
    case .relu, .reluSquared, .fatReLU, .dReLU: true
    case .silu, .gelu, .geluTanh, .clampedSwiGLU: false
    }
  }
}

extension ModelConfiguration {
  /// Whether runs may leave out neurons that do not fire.
  package var hasSilentNeurons: Bool { activation.isSparse }

  /// A neuron of a sparse activation contributes exactly zero where its pre-activation is not above
  /// this.
  package var firingThreshold: Float { Float(activationThreshold ?? 0) }
}

/// How a position enters the arithmetic.
package enum PositionEncoding: Codable, Equatable, Sendable {
  case rotary(RotaryConfiguration)
  /// A table of learned vectors added to the embedding; position p uses row `p + offset` (OPT: 2).
  case learned(offset: Int)
}

/// Rotate-half RoPE (Su et al., arXiv 2104.09864) and its scalings as transformers defines them.
package struct RotaryConfiguration: Codable, Equatable, Sendable {
  package enum Scaling: Codable, Equatable, Sendable {
    case none
    /// All frequencies divided by `factor`.
    case linear(factor: Double)
    /// Llama 3's by-wavelength interpolation.
    case llama3(
      factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
      originalMaximumPositions: Int)
    /// NTK by current length: unchanged up to `originalMaximumPositions`, beyond it the base grows.
    case dynamic(factor: Double, originalMaximumPositions: Int)
    /// Frequencies that turn at least `fastTurns` times over the original positions are kept, those
    /// that turn at most `slowTurns` times are divided by the factor, and between the two there is
    /// a ramp, with whole ends where `isTruncated` (YaRN: Peng et al., arXiv 2309.00071). Cosines
    /// and sines are multiplied by `magnitude`.
    case yarn(
      factor: Double, magnitude: Double, fastTurns: Double, slowTurns: Double,
      originalMaximumPositions: Int, isTruncated: Bool)
    /// A divisor for each pair: `short` up to `originalMaximumPositions`, `long` beyond (LongRoPE:
    /// Ding et al., arXiv 2402.13753). Cosines and sines are multiplied by `magnitude`.
    case longRope(
      short: [Float], long: [Float], magnitude: Double, originalMaximumPositions: Int)
    /// The frequency of each pair divided by a number of its own (`rope_freqs.weight` of GGUF).
    case divisors([Float])
  }
  package var base: Double
  /// Leading values of a head that are rotated; even, at most the head dimension.
  package var dimension: Int
  package var scaling: Scaling

  package init(base: Double, dimension: Int, scaling: Scaling) {
    self.base = base
    self.dimension = dimension
    self.scaling = scaling
  }
}
