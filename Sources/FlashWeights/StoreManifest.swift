package import FlashIO
package import FlashKernels

/// The contents of a store's `manifest.json` (design: one folder `NAME.flash/`).
///
/// It names every extent of `dense.safetensors` and `bundles.bin` with its format, shape and
/// checksum, so that the reader verifies what the writer promised.
package struct StoreManifest: Codable, Equatable, Sendable {
  /// The version this program writes and the only one it reads.
  package static let currentVersion = 1

  package var formatVersion: Int
  /// Program and version that wrote the store.
  package var generator: String
  /// Set when the weights are random (`synth`); every report then says "synthetic".
  package var synthetic: SyntheticOrigin?
  package var configuration: ModelConfiguration
  /// The layout that was used, whole, so that a store explains itself.
  package var layout: Layout
  package var tensors: [StoredTensor]
  /// One per layer, in layer order.
  package var bundles: [BundleLayout]
  package var source: SourceRecord
  /// SHA-256 over the canonical weights: independent of the order of neurons on flash.
  package var modelDigest: String
  /// Parameters of the model, for reports.
  package var parameterCount: Int
  /// Remarks of the converter: rows kept in f16, NaN found, and the like.
  package var notes: [String]
  /// Files beside the weights: tokenizer and chat template as the model came, and what `calibrate`
  /// made (`Calibration`).
  package var companions: [CompanionFile]
  /// SHA-256 over the manifest with this field empty, so that a changed manifest is noticed.
  package var checksum: String
}

/// What a tensor is for.
package enum TensorRole: String, Codable, CaseIterable, Sendable {
  case tokenEmbedding, positionEmbedding, outputNorm, outputHead
  case attentionNorm, query, key, value, queryNorm, keyNorm, attentionOutput, linearAttention
  case attentionOutputNorm
  case feedForwardNorm, gate, up, down, linearFeedForward, feedForwardOutputNorm
  /// Learned logits, one a query head, that take part in attention's softmax beside the keys'.
  case sinks
  /// What chooses a token's experts, `[experts, width]`.
  case router
  /// The expert that every token uses, and the row that weighs it.
  case sharedGate, sharedUp, sharedDown, sharedRouter
}

/// One tensor of `dense.safetensors`: `[rows, width]`, rows one after another without gaps.
///
/// Norm weights and biases are f32 with one row. A bias has `isBias` set and its weight's role.
package struct StoredTensor: Codable, Equatable, Sendable {
  package var role: TensorRole
  package var isBias: Bool
  /// Nil for tensors outside the layers.
  package var layer: Int?
  package var format: RowFormat
  package var rows: Int
  package var width: Int
  /// Where the tensor lies in `dense.safetensors`; the offset is a multiple of 4096, and the bytes
  /// up to the next multiple of 4096 belong to nobody else.
  package var extent: FileExtent
  /// SHA-256 over the SHA-256s of the rows in the order they lie, hexadecimal (`RowHashes`).
  package var checksum: String

  /// The tensor's name in `dense.safetensors`, `layers.3.query.bias` for example.
  package var name: String {
    (layer.map { "layers.\($0)." } ?? "") + role.rawValue + (isBias ? ".bias" : "")
  }

  package var rowByteCount: Int { format.byteCount(width: width) }
}

/// How one layer's neurons lie in `bundles.bin`.
///
/// Neurons are grouped `neuronsPerStride` to a stride (one, unless padding a single neuron to the
/// direct-I/O unit would waste over 10 %). A stride holds first the *front*: for each of its
/// neurons all parts but the last, side by side; then the last part of each of its neurons; then
/// padding. The last part is the one that decides whether the neuron fires (gate, or up where
/// there is no gate), so that a mode in which it is resident reads the front only.
package struct BundleLayout: Codable, Equatable, Sendable {
  package struct Part: Codable, Equatable, Sendable {
    package var role: TensorRole
    package var format: RowFormat
  }
  package var neuronCount: Int
  /// Experts that the neurons belong to, as many to each, one expert after another; no stride has
  /// neurons of two. Nil: the neurons belong to none.
  package var expertCount: Int?
  package var neuronsPerStride: Int
  /// Bytes from one stride to the next, a multiple of 512.
  package var stride: Int
  /// Width of every part's row: the model's width (a neuron's down column is stored as a row).
  package var width: Int
  /// In the order they lie: up, down, gate; without a gate down, up.
  package var parts: [Part]
  /// Where the layer lies in `bundles.bin`; the offset is a multiple of 4096.
  package var extent: FileExtent
  /// SHA-256 over the SHA-256s of the neurons in the order they lie, each over its parts in order,
  /// hexadecimal (`RowHashes`).
  package var checksum: String

  package var strideCount: Int {
    (neuronCount + neuronsPerStride - 1) / neuronsPerStride
  }

  /// Neurons of an expert; all of them where there are none.
  package var neuronsPerExpert: Int { neuronCount / (expertCount ?? 1) }

  /// Each expert's neurons; all of them at once where there are none.
  package var neuronsByExpert: [Range<Int>] {
    (0..<(expertCount ?? 1)).map { $0 * neuronsPerExpert..<($0 + 1) * neuronsPerExpert }
  }

  /// Each expert as if it were a layer; the layer itself where there are none.
  package var experts: [BundleLayout] {
    guard let expertCount else { return [self] }
    return (0..<expertCount).map { expert in
      var layout = self
      layout.neuronCount = neuronsPerExpert
      layout.expertCount = nil
      layout.extent = extent(ofExpert: expert)
      return layout
    }
  }

  /// Where an expert lies in `bundles.bin`.
  package func extent(ofExpert expert: Int) -> FileExtent {
    let byteCount = neuronsPerExpert / neuronsPerStride * stride
    return FileExtent(offset: extent.offset + expert * byteCount, byteCount: byteCount)
  }

  /// Strides after which a stride and a group of neurons whose down rows are added as one end
  /// together: those between two multiples of it are computed together.
  package var stridesPerGroup: Int {
    let group = parts.first { $0.role == .down }?.format.neuronsPerGroup ?? 1
    var (divisor, rest) = (group, neuronsPerStride)
    while rest != 0 { (divisor, rest) = (rest, divisor % rest) }
    return group / divisor
  }

  /// Bytes of one neuron's parts before the last.
  package var frontBytesPerNeuron: Int {
    parts.dropLast().reduce(0) { $0 + $1.format.byteCount(width: width) }
  }

  /// Bytes of one neuron's deciding part.
  package var lastPartByteCount: Int {
    parts[parts.count - 1].format.byteCount(width: width)
  }

  /// Bytes of the front of a stride.
  package var frontByteCount: Int { frontBytesPerNeuron * neuronsPerStride }

  /// The place of a part of a neuron in bytes from the start of its stride; `neuron` counts within
  /// the stride.
  package func offset(ofPart part: Int, neuron: Int) -> Int {
    guard part < parts.count - 1 else {
      return frontByteCount + neuron * lastPartByteCount
    }
    let before = parts[..<part].reduce(0) { $0 + $1.format.byteCount(width: width) }
    return neuron * frontBytesPerNeuron + before
  }

  /// The place of a part of a neuron in bytes from the layer's start where each part of all neurons
  /// lies in a run of its own, without padding.
  package func offsetApart(ofPart part: Int, neuron: Int) -> Int {
    neuronCount * (0..<part).reduce(0) { $0 + rowByteCount(ofPart: $1) }
      + neuron * rowByteCount(ofPart: part)
  }

  /// Bytes of one neuron's row of a part.
  package func rowByteCount(ofPart part: Int) -> Int {
    parts[part].format.byteCount(width: width)
  }

  /// The neurons of a stride; the last one may have fewer.
  package func neurons(ofStride stride: Int) -> Range<Int> {
    let first = stride * neuronsPerStride
    return first..<min(neuronCount, first + neuronsPerStride)
  }
}

/// A small file of the store that is not weights.
package struct CompanionFile: Codable, Equatable, Sendable {
  package var name: String
  package var byteCount: Int
  /// SHA-256 of the file, hexadecimal.
  package var checksum: String
}

/// Where the weights came from.
package struct SourceRecord: Codable, Equatable, Sendable {
  /// Name of the folder or file, without its path.
  package var name: String
  /// SHA-256 over the source's headers and configuration.
  package var digest: String
}

/// How a synthetic store was made.
package struct SyntheticOrigin: Codable, Equatable, Sendable {
  package var shape: String
  package var seed: UInt64
  /// The active fraction that was aimed at; nil for a dense (SiLU) model.
  package var targetActivity: Double?
  /// The exponent of the experts' popularity that was aimed at; nil for a model without experts.
  package var routingSkew: Double?
}
