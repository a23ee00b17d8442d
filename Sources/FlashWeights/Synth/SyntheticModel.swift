internal import FlashKernels

/// Every row of a synthetic model, by its place: random weights of sizes that keep states and
/// logits sane over any number of layers, and for a wanted activity the drifting parts of
/// `StateDrift`.
struct SyntheticModel: Sendable {
  let configuration: ModelConfiguration
  let drift: StateDrift?
  private let seed: RandomBits

  /// - Parameter activity: the fraction of neurons that should fire; nil for random gates.
  init(_ configuration: ModelConfiguration, activity: Double?, seed: UInt64) {
    self.configuration = configuration
    self.seed = RandomBits(seed: seed)
    drift = activity.map {
      StateDrift(configuration, activity: $0, seed: RandomBits(seed: seed).part("drift"))
    }
  }

  /// What is random in a row.
  func bits(_ role: TensorRole, isBias: Bool, layer: Int?, row: Int) -> RandomBits {
    seed.part(role.rawValue).part(isBias ? 1 : 0).part(layer ?? -1).part(row)
  }

  /// A row of a tensor, or of a part of a neuron's bundle (`row` is then the neuron).
  func recipe(_ role: TensorRole, isBias: Bool, layer: Int?, row: Int) -> RowRecipe {
    let root = Float(configuration.width).squareRoot()
    if isBias { return .random(deviation: role == .outputNorm ? 0.02 * outputScale : 0.02) }
    switch role {
    case .attentionNorm, .queryNorm, .keyNorm, .attentionOutputNorm, .feedForwardNorm,
      .feedForwardOutputNorm:
      return .constant(1)
    case .outputNorm: return .constant(outputScale)
    case .positionEmbedding: return .random(deviation: 0.1)
    case .tokenEmbedding, .outputHead:
      return drift?.embedding(token: row, isHead: role == .outputHead) ?? .random(deviation: 1)
    case .query, .key, .value: return .random(deviation: 1 / root)
    case .linearAttention, .linearFeedForward: return .random(deviation: contribution / root)
    case .attentionOutput:
      let inputs = configuration.layers[layer!].queryHeads * configuration.headDimension
      return .random(deviation: contribution / Float(inputs).squareRoot())
    case .gate, .up, .down: return neuron(row, role, layer: layer!)
    case .sharedGate, .sharedUp, .router, .sharedRouter: return .random(deviation: 1 / root)
    case .sharedDown:
      let outputs = Float(configuration.layers[layer!].shared) * activatedMeanSquare
      return .random(deviation: contribution / outputs.squareRoot())
    case .sinks: return .constant(0)
    }
  }

  private func neuron(_ neuron: Int, _ role: TensorRole, layer: Int) -> RowRecipe {
    let isGated = configuration.isGated
    if let drift {
      if layer == configuration.layers.count - 1, neuron < drift.turnNeuronCount(isGated: isGated) {
        return drift.turn(neuron: neuron, role, isGated: isGated)
      }
      if role == (isGated ? .gate : .up) {
        return drift.gate(bits(role, isBias: false, layer: layer, row: neuron).part("direction"))
      }
    }
    guard role == .down else {
      return .random(deviation: 1 / Float(configuration.width).squareRoot())
    }
    let outputs = Float(configuration.layers[layer].feedForwardWidth) * activatedMeanSquare
    return .random(deviation: contribution / outputs.squareRoot())
  }

  /// What one attention or feed-forward part adds to the residual stream, whose embedding has size
  /// 1: little enough that the drift stays what it is, or that random states stay of one size.
  private var contribution: Float {
    (drift == nil ? 1 : 0.3) / Float(2 * configuration.layers.count).squareRoot()
  }

  /// The mean square of a neuron's output.
  private var activatedMeanSquare: Float {
    if let drift { return Float(drift.activatedMeanSquare) }
    return switch configuration.activation {
    case .relu, .fatReLU: 0.5
    case .reluSquared: 1.5
    case .dReLU: 0.25
    case .silu: 0.355
    case .gelu, .geluTanh: 0.425
    case .clampedSwiGLU: 0.79
    }
  }

  /// The weight of the last norm: logits of deviation 2, or of 16 for the next token on the curve.
  private var outputScale: Float {
    let width = Float(configuration.width)
    guard drift != nil else { return 2 / width.squareRoot() }
    return 16 / (width * StateDrift.moving * StateDrift.moving)
  }
}
