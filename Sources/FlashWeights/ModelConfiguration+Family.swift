/// What families compute beside the arithmetic of a plain pre-norm decoder. In a configuration each
/// of these is nil where the model has nothing of the kind, so that a manifest says only what is
/// special about its model.

/// How the two parts of a layer are joined to the residual stream `x`.
package enum LayerOrder: String, Codable, CaseIterable, Sendable {
  /// `x += attention(norm x)`, then `x += feedForward(norm' x)`: what nil stands for.
  case preNorm
  /// `x += norm(attention x)`, then `x += norm'(feedForward x)` (OLMo 2).
  case postNorm
  /// `x += norm₂(attention(norm₁ x))`, then the same of the feed-forward part (Gemma 2 and 3).
  case bothNorms
  /// `n = norm x; x += attention n + feedForward n` (Falcon 7B, Phi-2).
  case parallel
  /// `x += attention(norm x) + feedForward(norm' x)` (GPT-NeoX, Falcon 40B).
  case parallelNorms

  package var isParallel: Bool { self == .parallel || self == .parallelNorms }
  var normsInputs: Bool { self != .postNorm }
  var normsOutputs: Bool { self == .postNorm || self == .bothNorms }
}

/// A norm of queries and keys before RoPE, of the kind that the model's other norms are.
package enum QueryKeyNorm: String, Codable, CaseIterable, Sendable {
  /// One of `[headDimension]` for each head alike (Qwen3, Gemma 3).
  case eachHead
  /// One over all heads together (OLMo 2).
  case allHeads
}

/// Which RoPE a layer has, where it is not the model's.
package enum LayerRotary: String, Codable, Sendable {
  /// None: the layer does not know positions (SmolLM3).
  case none
  /// `ModelConfiguration.localRotary` (Gemma 3's windowed layers).
  case local
}

/// Factors; nil where there is none.
package struct ModelScales: Codable, Equatable, Sendable {
  /// Of token embeddings.
  package var embedding: Double?
  /// Of what a part of a layer adds to the residual stream.
  package var residual: Double?
  /// Of query times key; nil: 1 / √(head dimension).
  package var attention: Double?
  package var logits: Double?

  package init(
    embedding: Double? = nil, residual: Double? = nil, attention: Double? = nil,
    logits: Double? = nil
  ) {
    self.embedding = embedding
    self.residual = residual
    self.attention = attention
    self.logits = logits
  }

  var isEmpty: Bool { self == ModelScales() }
}

/// Soft limits: `limit · tanh(x / limit)`; nil where there is none.
package struct ModelCaps: Codable, Equatable, Sendable {
  /// Of query times key, scaled.
  package var attention: Double?
  package var logits: Double?

  package init(attention: Double? = nil, logits: Double? = nil) {
    self.attention = attention
    self.logits = logits
  }

  var isEmpty: Bool { self == ModelCaps() }
}

/// How a token's experts are chosen and weighed (mixture of experts: Shazeer et al., arXiv
/// 1701.06538): those whose router logits are largest, of equals the first; what they answer is
/// added in ascending order, each times its score.
package struct ExpertRouting: Codable, Equatable, Sendable {
  /// What a logit becomes.
  package enum Scoring: String, Codable, CaseIterable, Sendable {
    /// Its part of the softmax over all experts.
    case softmax
    case sigmoid
  }
  /// Experts of a token.
  package var activeCount: Int
  package var scoring: Scoring
  /// Whether the scores of a token's experts are divided by their sum.
  package var isNormalized: Bool
  /// Whether the router reads the layer's input, before attention and any norm (SmallThinker).
  package var readsLayerInput: Bool?
  /// Whether the sigmoid of `sharedRouter` weighs the shared expert (Qwen2-MoE).
  package var weighsShared: Bool?

  package init(
    activeCount: Int, scoring: Scoring = .softmax, isNormalized: Bool,
    readsLayerInput: Bool? = nil, weighsShared: Bool? = nil
  ) {
    self.activeCount = activeCount
    self.scoring = scoring
    self.isNormalized = isNormalized
    self.readsLayerInput = readsLayerInput
    self.weighsShared = weighsShared
  }
}

extension LayerConfiguration {
  /// Whether there is a part in attention's place.
  package var mixes: Bool { queryHeads > 0 || hasLinearAttention == true }
  /// Whether there is a part in the feed-forward part's place.
  package var feeds: Bool {
    feedForwardWidth > 0 || hasLinearFeedForward == true || shared > 0
  }
  /// Neurons of the shared expert.
  package var shared: Int { sharedWidth ?? 0 }
  /// Neurons of a routed expert; all of the layer's where there are none.
  package var expertWidth: Int { feedForwardWidth / (expertCount ?? 1) }
}

/// Which tensors the layers have.
extension ModelConfiguration {
  /// Neurons of a layer that a token may want: all, or those of its experts.
  package func neuronsPerToken(layer: Int) -> Int {
    let layer = layers[layer]
    return layer.expertCount == nil
      ? layer.feedForwardWidth : (routing?.activeCount ?? 0) * layer.expertWidth
  }

  package var layerOrder: LayerOrder { order ?? .preNorm }

  /// Whether a layer has a tensor of this role; roles outside the layers are in none.
  package func has(_ role: TensorRole, layer: Int) -> Bool {
    let shape = layers[layer]
    return switch role {
    case .tokenEmbedding, .positionEmbedding, .outputNorm, .outputHead: false
    case .attentionNorm: shape.mixes && layerOrder.normsInputs
    case .query, .key, .value, .attentionOutput: shape.queryHeads > 0
    case .queryNorm, .keyNorm: shape.queryHeads > 0 && queryKeyNorm != nil
    case .linearAttention: shape.hasLinearAttention == true
    case .attentionOutputNorm: shape.mixes && layerOrder.normsOutputs
    case .feedForwardNorm: shape.feeds && layerOrder.normsInputs && layerOrder != .parallel
    case .up, .down: shape.feedForwardWidth > 0
    case .gate: shape.feedForwardWidth > 0 && isGated
    case .linearFeedForward: shape.hasLinearFeedForward == true
    case .feedForwardOutputNorm: shape.feeds && layerOrder.normsOutputs
    case .sinks: shape.queryHeads > 0 && hasSinks == true
    case .router: shape.expertCount != nil
    case .sharedGate: shape.shared > 0 && isGated
    case .sharedUp, .sharedDown: shape.shared > 0
    case .sharedRouter:
      shape.shared > 0 && shape.expertCount != nil && routing?.weighsShared == true
    }
  }
}
