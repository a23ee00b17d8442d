internal import FlashKernels

/// Every row of a synthetic model, by its place: random weights of sizes that keep states and
/// logits sane over any number of layers, and for a wanted activity the drifting parts of
/// `StateDrift`.
struct SyntheticModel: Sendable {
  let configuration: ModelConfiguration
  let drift: StateDrift?
  private let activity: Double?
  private let routing: SyntheticRouting?
  private let seed: RandomBits

  /// - Parameters:
  ///   - activity: the fraction of neurons that should fire; nil for random gates.
  ///   - routingSkew: how unequally experts are chosen (`SyntheticRouting`).
  init(
    _ configuration: ModelConfiguration, activity: Double?, routingSkew: Double = 0, seed: UInt64
  ) {
    self.configuration = configuration
    self.activity = activity
    self.seed = RandomBits(seed: seed)
    routing = SyntheticRouting(
      configuration, skew: routingSkew, seed: RandomBits(seed: seed).part("routing"))
    // With a tied head the likeliest next token would be the last one.
    let drifts = activity != nil || routing != nil && !configuration.hasTiedHead
    drift =
      drifts
      ? StateDrift(
        configuration, activity: activity, seed: RandomBits(seed: seed).part("drift")) : nil
  }

  /// What is random in a row.
  func bits(_ role: TensorRole, isBias: Bool, layer: Int?, row: Int) -> RandomBits {
    seed.part(role.rawValue).part(isBias ? 1 : 0).part(layer ?? -1).part(row)
  }

  /// A row of a tensor, or of a part of a neuron's bundle (`row` is then the neuron).
  func recipe(_ role: TensorRole, isBias: Bool, layer: Int?, row: Int) -> RowRecipe {
    let root = Float(configuration.width).squareRoot()
    if isBias, role == .router, let routing { return .values(routing.biases(layer: layer!)) }
    if isBias { return .random(deviation: role == .outputNorm ? 0.02 * outputScale : 0.02) }
    switch role {
    case .attentionNorm, .queryNorm, .keyNorm, .attentionOutputNorm, .feedForwardNorm,
      .feedForwardOutputNorm:
      return .constant(1)
    case .outputNorm: return .constant(outputScale)
    case .positionEmbedding: return .random(deviation: 0.1)
    case .tokenEmbedding, .outputHead:
      let isHead = role == .outputHead
      let isBehind = isHead && routing != nil
      return drift?.embedding(token: isBehind ? row - StateDrift.stride : row, isHead: isHead)
        ?? .random(deviation: 1)
    case .query, .key, .value: return .random(deviation: 1 / root)
    case .linearAttention, .linearFeedForward: return .random(deviation: contribution / root)
    case .attentionOutput:
      let inputs = configuration.layers[layer!].queryHeads * configuration.headDimension
      return .random(deviation: contribution / Float(inputs).squareRoot())
    case .gate, .up, .down: return neuron(row, role, layer: layer!)
    case .router: return router(row, layer: layer!)
    case .sharedGate, .sharedUp, .sharedRouter: return .random(deviation: 1 / root)
    case .sharedDown:
      let outputs = Float(configuration.layers[layer!].shared) * activatedMeanSquare
      return .random(deviation: contribution / outputs.squareRoot())
    case .sinks: return .constant(0)
    }
  }

  private func neuron(_ neuron: Int, _ role: TensorRole, layer: Int) -> RowRecipe {
    let isGated = configuration.isGated
    if let drift {
      if routing == nil, layer == configuration.layers.count - 1,
        neuron < drift.turnNeuronCount(isGated: isGated)
      {
        return drift.turn(neuron: neuron, role, isGated: isGated)
      }
      if activity != nil, role == (isGated ? .gate : .up) {
        return drift.gate(bits(role, isBias: false, layer: layer, row: neuron).part("direction"))
      }
    }
    guard role == .down else {
      return .random(deviation: 1 / Float(configuration.width).squareRoot())
    }
    let outputs =
      Float(configuration.layers[layer].expertWidth) * activatedMeanSquare
      * (routing?.weightSquares ?? 1)
    return .random(deviation: contribution / outputs.squareRoot())
  }

  /// A router's row: a direction of the curve, and one of what the layers have added so far, by
  /// which the routers of neighbouring layers differ. Its product with a normed state has variance
  /// 1 over the tokens.
  private func router(_ expert: Int, layer: Int) -> RowRecipe {
    let width = Float(configuration.width)
    guard let drift else { return .random(deviation: 1 / width.squareRoot()) }
    let layers = Float(configuration.layers.count)
    let added = 2 * layers * contribution * contribution * (Float(layer) + 0.5) / layers
    let length = (1 + added).squareRoot()
    let columns = configuration.width - (drift.basis.first?.count ?? 0)
    let part = columns > 0 ? min(0.5, 0.12 * (Float(layer) + 0.5)) : 0
    var bits = bits(.router, isBias: false, layer: layer, row: expert).part("direction")
    let direction = (1..<drift.basis.count).map { _ in bits.normal() }
    let size = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let scale =
      (2 * Float(drift.planeCount) * (1 - part) / width).squareRoot() * length
      / (size * drift.moving)
    return .apart(
      coefficients: [0] + direction.map { $0 * scale },
      noise: columns > 0 ? (part / (added * Float(columns))).squareRoot() * length : 0)
  }

  /// What one attention or feed-forward part adds to the residual stream, whose embedding has size
  /// 1: little enough that the drift stays what it is, or that random states stay of one size.
  private var contribution: Float {
    (activity == nil ? 1 : 0.3) / Float(2 * configuration.layers.count).squareRoot()
  }

  /// The mean square of a neuron's output.
  private var activatedMeanSquare: Float {
    if activity != nil, let drift { return Float(drift.activatedMeanSquare) }
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
    guard let drift else { return 2 / width.squareRoot() }
    return 16 / (width * drift.moving * drift.moving)
  }
}
