/// Predictors that come with a model: of each layer with neurons, or of each of its experts, W1,
/// `[rank, width]`, and W2, `[neurons, rank]`. A neuron is computed where `W2 · max(0, W1 · z)` is
/// the threshold or more.
package struct SourcePredictors: Sendable {
  /// How the source spells them.
  var names: Layout.PredictorNames
  /// By their names in the source.
  var tensors: [String: SourceTensor]
  var threshold = PowerInfer.threshold

  init(names: Layout.PredictorNames, tensors: [String: SourceTensor]) {
    self.names = names
    self.tensors = tensors
  }

  /// Takes those of a checkpoint from `unused`; nil where it has none, or the layout knows of none.
  init?(
    _ names: Layout.PredictorNames?, prefix: String, in source: any ModelSource,
    _ configuration: ModelConfiguration, from unused: inout Set<String>
  ) {
    guard var names else { return nil }
    names.reduction.replace("{prefix}", with: prefix)
    names.expansion.replace("{prefix}", with: prefix)
    self.init(names: names, tensors: [:])
    for (layer, shape) in configuration.layers.enumerated() {
      for expert in 0..<(shape.expertCount ?? 1) {
        for name in [
          names.reduction(layer: layer, expert: expert),
          names.expansion(layer: layer, expert: expert),
        ] where unused.remove(name) != nil {
          tensors[name] = source.tensors[name]
        }
      }
    }
    if tensors.isEmpty { return nil }
  }
}

extension Layout {
  /// How predictors that come with a checkpoint are spelled: names with `{prefix}`, `{layer}` and,
  /// where each expert has its own, `{expert}`.
  package struct PredictorNames: Codable, Equatable, Sendable {
    /// W1 and W2.
    package var reduction: String
    package var expansion: String
    /// What they are multiplied with.
    package var input: PredictorInput

    func reduction(layer: Int, expert: Int) -> String { Self.fill(reduction, layer, expert) }

    func expansion(layer: Int, expert: Int) -> String { Self.fill(expansion, layer, expert) }

    /// Whether each layer's have names of their own, and each expert's.
    func areApart(hasExperts: Bool) -> Bool {
      [reduction, expansion].allSatisfy {
        $0.contains("{layer}") && $0.contains("{expert}") == hasExperts
      }
    }

    private static func fill(_ name: String, _ layer: Int, _ expert: Int) -> String {
      name.replacing("{layer}", with: "\(layer)").replacing("{expert}", with: "\(expert)")
    }
  }
}
