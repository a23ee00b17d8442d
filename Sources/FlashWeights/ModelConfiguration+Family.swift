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

extension LayerConfiguration {
  /// Whether there is a part in attention's place.
  package var mixes: Bool { queryHeads > 0 || hasLinearAttention == true }
  /// Whether there is a part in the feed-forward part's place.
  package var feeds: Bool { feedForwardWidth > 0 || hasLinearFeedForward == true }
}

/// Which tensors the layers have.
extension ModelConfiguration {
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
    }
  }
}
