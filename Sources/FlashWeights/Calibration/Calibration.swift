package import FlashIO
package import FlashKernels

/// The contents of a store's `calibration.json`: what the low-rank predictors of
/// `predictor.safetensors` are, or above which magnitude gates fire, and at what price that works.
///
/// A calibration belongs to one model: `modelDigest` is over the canonical weights, so it holds for
/// a store whose neurons were reordered and for no other model. The manifest names both files
/// with their digests among its companions.
package struct Calibration: Codable, Equatable, Sendable {
  /// The version this program writes and the only one it reads.
  package static let currentVersion = 1

  package var formatVersion: Int
  /// Program and version that calibrated.
  package var generator: String
  /// `StoreManifest.modelDigest` of the model that was calibrated.
  package var modelDigest: String
  /// One per layer, in layer order.
  package var layers: [LayerCalibration]
  /// Tokens over which the firings of `LayerCalibration.counts` were counted; 0: they were not.
  package var countedTokens: Int
  /// Nil while `calibrate` is at work, and where the predictors came with the model until
  /// `calibrate --price-only` has priced them: they do not run before.
  package var certificate: Certificate?
}

/// What a predictor of one layer computes: `scores = W2 · f(W1 · x) + b`; a neuron is expected to
/// fire where its score is above zero, thresholds being part of b
/// (LLM in a Flash, arXiv 2312.11514, section 3.1).
package enum PredictorKind: String, Codable, CaseIterable, Sendable {
  /// f is the identity: the gate (or, ungated, the up projection) at low rank.
  case lowRankGate
  /// f is max(0, ·).
  case perceptron
  /// No predictor: every neuron is computed.
  case all
}

/// What x is: recorded for each predictor.
package enum PredictorInput: String, Codable, Sendable {
  /// The normed input of the feed-forward part, `[width]`.
  case feedForwardNorm = "ffn-norm"
  /// The same before its norm, the residual stream: where the parts of a layer stand side by side,
  /// as it was before attention's answer (PowerInfer's predictors).
  case feedForwardInput = "ffn-input"
}

/// One layer's predictor, and where its tensors lie in `predictor.safetensors`.
///
/// What runs along neurons is in the order in which they lie in `bundles.bin`. Of experts
/// each has a predictor of its own, of the layer's kind, rank and formats: W1's rows lie expert
/// after expert, as neurons do, and a token's scores are of its own experts alone.
package struct LayerCalibration: Codable, Equatable, Sendable {
  package var kind: PredictorKind
  package var input: PredictorInput
  /// Rows of W1, of an expert's where there are experts; a multiple of 32, and 0 for `all`.
  package var rank: Int
  /// The recall that rank and threshold were chosen for; 1 for `all`, 0 where the predictor came
  /// with the model.
  package var targetRecall: Double
  /// W1, `[experts * rank, width]`, `layers.L.reduction`; nil for `all`.
  package var reduction: PredictorTensor?
  /// W2, `[neurons, rank]`, `layers.L.expansion`; nil for `all`.
  package var expansion: PredictorTensor?
  /// b with the threshold in it, f32, `[1, neurons]`, `layers.L.bias`; nil for `all`.
  package var bias: PredictorTensor?
  /// Above which |activation(gate)|, or of an ungated layer |activation(up)|, a neuron is computed
  /// in `threshold`: in every layer that has neurons, of a model where none is ever silent, or in
  /// none. A Float's value; the layer's experts share it.
  package var threshold: Double?
  /// How often each neuron fired over `countedTokens` tokens, `layers.L.counts`, `I32`.
  package var counts: PredictorExtent
  /// For each neuron in the order they lie its index in the checkpoint, `layers.L.order`, `I32`;
  /// nil where they lie as in the checkpoint. A neuron stays in its expert.
  package var order: PredictorExtent?
}

/// Rows of a matrix in `predictor.safetensors`, one after another without gaps.
package struct PredictorTensor: Codable, Equatable, Sendable {
  package var format: RowFormat
  package var rows: Int
  package var width: Int
  /// Where it lies in the file; the offset is a multiple of 4096, and the bytes up to the next
  /// multiple of 4096 belong to nobody else.
  package var extent: FileExtent
  /// SHA-256 of the extent, hexadecimal.
  package var checksum: String

  package var rowByteCount: Int { format.byteCount(width: width) }
}

/// 32-bit integers in `predictor.safetensors`, one for each neuron.
package struct PredictorExtent: Codable, Equatable, Sendable {
  /// As for `PredictorTensor`.
  package var extent: FileExtent
  package var checksum: String
}

extension Calibration {
  /// Whether any layer has a predictor.
  package var predicts: Bool { layers.contains { $0.kind != .all } }

  /// Whether layers have thresholds.
  package var hasThresholds: Bool { layers.contains { $0.threshold != nil } }

  /// Whether there is something whose price can be measured.
  package var isPriceable: Bool { predicts || hasThresholds }

  /// Bytes of all predictors without counts and orders, as they lie in memory.
  package var predictorByteCount: Int {
    layers.reduce(0) { $0 + $1.predictorByteCount }
  }
}

extension LayerCalibration {
  /// Bytes of the predictor without counts and order.
  package var predictorByteCount: Int {
    [reduction, expansion, bias].reduce(0) { $0 + ($1?.extent.byteCount ?? 0) }
  }
}
