import FlashWeights
import Foundation

/// Mixtures of experts, as the papers have them.
extension PlainDecoder {
  /// What a layer's experts, and its shared one, answer to `x`; `layerInput` is the state before
  /// attention.
  mutating func experts(_ layer: Int, _ x: [Double], layerInput: [Double]) -> [Double] {
    let shape = configuration.layers[layer]
    var output = [Double](repeating: 0, count: configuration.width)
    if shape.expertCount != nil, let routing = configuration.routing {
      let routed = routing.readsLayerInput == true ? layerInput : x
      for (expert, weight) in scores(layer, routed) {
        let first = expert * shape.expertWidth
        output = sum(
          output,
          answer(layer, expertNames(expert), x, first: first).map { weight * $0 })
      }
    }
    guard shape.shared > 0 else { return output }
    guard shape.expertCount != nil else {
      return sum(output, answer(layer, ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"), x))
    }
    let base = "mlp.shared_expert."
    var shared = answer(layer, (base + "gate_proj", base + "up_proj", base + "down_proj"), x)
    if configuration.routing?.weighsShared == true {
      let logit = product(layerName(layer, "mlp.shared_expert_gate.weight"), x, bias: nil)[0]
      shared = shared.map { $0 / (1 + exp(-logit)) }
    }
    return sum(output, shared)
  }

  private var expertsName: String { model.family.isMixtral ? "block_sparse_moe" : "mlp" }

  private func expertNames(_ expert: Int) -> (gate: String, up: String, down: String) {
    let base = expertsName + ".experts.\(expert)."
    return model.family.isMixtral
      ? (base + "w1", base + "w3", base + "w2")
      : (base + "gate_proj", base + "up_proj", base + "down_proj")
  }

  /// - Parameter first: a routed expert's first neuron; nil for a shared one, all of which is
  ///   computed.
  private mutating func answer(
    _ layer: Int, _ names: (gate: String, up: String, down: String), _ x: [Double],
    first: Int? = nil
  ) -> [Double] {
    var outputs = gated(layer, names.gate, names.up, x, isThinned: first != nil)
    if let first { outputs = kept(layer, x, outputs, first: first) }
    return product(layerName(layer, names.down + ".weight"), outputs, bias: nil)
  }

  /// The token's experts, the best first, with their weights.
  private func scores(_ layer: Int, _ x: [Double]) -> [(expert: Int, weight: Double)] {
    guard let routing = configuration.routing else { return [] }
    let logits = product(layerName(layer, expertsName + ".gate.weight"), x, bias: nil)
    let highest = logits.max() ?? 0
    let exponentials = logits.map { exp($0 - highest) }
    let scores =
      switch routing.scoring {
      case .softmax: exponentials.map { $0 / exponentials.reduce(0, +) }
      case .sigmoid: logits.map { 1 / (1 + exp(-$0)) }
      }
    let best = scores.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
      .prefix(routing.activeCount)
    let total = routing.isNormalized ? best.reduce(0) { $0 + scores[$1] } : 1
    return best.map { ($0, scores[$0] / total) }
  }
}
