import FlashWeights

/// A matrix of a layer and its bias, as indices into the manifest's tensors.
struct LayerMatrix {
  /// Index of the weight `[rows, width]`.
  var index: Int
  var tensor: StoredTensor
  /// Index of the bias `[1, rows]`.
  var bias: Int?
}

/// A norm's weight and bias, as indices into the manifest's tensors.
struct LayerNorm {
  var weight: Int
  var bias: Int?
}

/// Which tensors attention uses.
struct AttentionWeights {
  var query: LayerMatrix
  var key: LayerMatrix
  var value: LayerMatrix
  var output: LayerMatrix
  var queryNorm: LayerNorm?
  var keyNorm: LayerNorm?
  /// Index of the logits that take part in the softmax beside the keys', one a query head.
  var sinks: Int?
}

/// Which tensors the expert uses that every token has.
struct SharedExpertWeights {
  var gate: LayerMatrix?
  var up: LayerMatrix
  var down: LayerMatrix
  /// The row whose sigmoid weighs it.
  var router: LayerMatrix?
}

/// What a layer has in attention's place.
enum LayerMixer {
  case none
  case attention(AttentionWeights)
  /// One square matrix.
  case matrix(LayerMatrix)

  var isNone: Bool { if case .none = self { true } else { false } }
}

/// Which tensors one layer uses.
struct LayerWeights {
  var configuration: LayerConfiguration
  var mixer: LayerMixer
  /// Norms of what goes into a part and of what comes out of it, where the family has them.
  var attentionNorm: LayerNorm?
  var attentionOutputNorm: LayerNorm?
  var feedForwardNorm: LayerNorm?
  var feedForwardOutputNorm: LayerNorm?
  /// A square matrix in the neurons' place.
  var linearFeedForward: LayerMatrix?
  /// There where neurons belong to experts.
  var router: LayerMatrix?
  var sharedExpert: SharedExpertWeights?
  var bundles: BundleLayout
  /// Bias of the rows that decide whether a neuron fires, one value a neuron.
  var decidingBias: Int?
  /// Bias of the up rows where a gate decides.
  var upBias: Int?
  /// `[1, width]`, or with experts `[experts, width]`.
  var downBias: Int?
}

/// Which tensors the model uses outside its layers.
struct ModelWeights {
  var layers: [LayerWeights]
  var tokenEmbedding: Int
  var positionEmbedding: Int?
  var outputNorm: LayerNorm
  var head: LayerMatrix

  /// - Precondition: `WeightStore.open` accepted the manifest, so every tensor is there.
  init(_ manifest: StoreManifest) {
    let index = TensorIndex(manifest)
    let configuration = manifest.configuration
    layers = configuration.layers.enumerated().map { layer, shape in
      LayerWeights(
        configuration: shape, mixer: index.mixer(shape, layer),
        attentionNorm: index.normIfThere(.attentionNorm, layer),
        attentionOutputNorm: index.normIfThere(.attentionOutputNorm, layer),
        feedForwardNorm: index.normIfThere(.feedForwardNorm, layer),
        feedForwardOutputNorm: index.normIfThere(.feedForwardOutputNorm, layer),
        linearFeedForward: shape.hasLinearFeedForward == true
          ? index.matrix(.linearFeedForward, layer) : nil,
        router: shape.expertCount == nil ? nil : index.matrix(.router, layer),
        sharedExpert: shape.shared > 0 ? index.sharedExpert(layer) : nil,
        bundles: manifest.bundles[layer],
        decidingBias: index.find(configuration.isGated ? .gate : .up, layer, isBias: true),
        upBias: configuration.isGated ? index.find(.up, layer, isBias: true) : nil,
        downBias: index.find(.down, layer, isBias: true))
    }
    tokenEmbedding = index.require(.tokenEmbedding, nil)
    positionEmbedding = index.find(.positionEmbedding, nil, isBias: false)
    outputNorm = index.norm(.outputNorm, nil)
    head = index.matrix(configuration.hasTiedHead ? .tokenEmbedding : .outputHead, nil)
  }
}

/// Finds tensors by role and layer.
private struct TensorIndex {
  struct Key: Hashable {
    var role: TensorRole
    var layer: Int?
    var isBias: Bool
  }
  let manifest: StoreManifest
  let places: [Key: Int]

  init(_ manifest: StoreManifest) {
    self.manifest = manifest
    places = Dictionary(
      uniqueKeysWithValues: manifest.tensors.enumerated().map {
        (Key(role: $1.role, layer: $1.layer, isBias: $1.isBias), $0)
      })
  }

  func find(_ role: TensorRole, _ layer: Int?, isBias: Bool) -> Int? {
    places[Key(role: role, layer: layer, isBias: isBias)]
  }

  func require(_ role: TensorRole, _ layer: Int?) -> Int {
    guard let index = find(role, layer, isBias: false) else {
      preconditionFailure("an opened store has \(role) of layer \(layer ?? -1)")
    }
    return index
  }

  func norm(_ role: TensorRole, _ layer: Int?) -> LayerNorm {
    LayerNorm(weight: require(role, layer), bias: find(role, layer, isBias: true))
  }

  func normIfThere(_ role: TensorRole, _ layer: Int) -> LayerNorm? {
    find(role, layer, isBias: false).map {
      LayerNorm(weight: $0, bias: find(role, layer, isBias: true))
    }
  }

  func mixer(_ shape: LayerConfiguration, _ layer: Int) -> LayerMixer {
    guard shape.queryHeads > 0 else {
      return shape.hasLinearAttention == true ? .matrix(matrix(.linearAttention, layer)) : .none
    }
    return .attention(
      AttentionWeights(
        query: matrix(.query, layer), key: matrix(.key, layer), value: matrix(.value, layer),
        output: matrix(.attentionOutput, layer), queryNorm: normIfThere(.queryNorm, layer),
        keyNorm: normIfThere(.keyNorm, layer), sinks: find(.sinks, layer, isBias: false)))
  }

  func sharedExpert(_ layer: Int) -> SharedExpertWeights {
    SharedExpertWeights(
      gate: matrixIfThere(.sharedGate, layer), up: matrix(.sharedUp, layer),
      down: matrix(.sharedDown, layer), router: matrixIfThere(.sharedRouter, layer))
  }

  func matrixIfThere(_ role: TensorRole, _ layer: Int) -> LayerMatrix? {
    find(role, layer, isBias: false) == nil ? nil : matrix(role, layer)
  }

  func matrix(_ role: TensorRole, _ layer: Int?) -> LayerMatrix {
    let index = require(role, layer)
    return LayerMatrix(
      index: index, tensor: manifest.tensors[index], bias: find(role, layer, isBias: true))
  }
}
