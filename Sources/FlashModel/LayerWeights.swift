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

/// Which tensors one layer uses.
struct LayerWeights {
  var configuration: LayerConfiguration
  var attentionNorm: LayerNorm
  var query: LayerMatrix
  var key: LayerMatrix
  var value: LayerMatrix
  var attentionOutput: LayerMatrix
  var feedForwardNorm: LayerNorm
  var bundles: BundleLayout
  /// Bias of the rows that decide whether a neuron fires, one value a neuron.
  var decidingBias: Int?
  /// Bias of the up rows where a gate decides.
  var upBias: Int?
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
        configuration: shape,
        attentionNorm: index.norm(.attentionNorm, layer),
        query: index.matrix(.query, layer), key: index.matrix(.key, layer),
        value: index.matrix(.value, layer),
        attentionOutput: index.matrix(.attentionOutput, layer),
        feedForwardNorm: index.norm(.feedForwardNorm, layer),
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

  func matrix(_ role: TensorRole, _ layer: Int?) -> LayerMatrix {
    let index = require(role, layer)
    return LayerMatrix(
      index: index, tensor: manifest.tensors[index], bias: find(role, layer, isBias: true))
  }
}
