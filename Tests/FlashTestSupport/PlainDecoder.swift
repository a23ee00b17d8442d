import FlashKernels
import FlashWeights
import Foundation

/// A dense decoder in plain Swift and double precision, one token after another, straight from a
/// tiny model's checkpoint values: what the real decoder is compared with.
///
/// It shares no code with the product beyond the configuration.
package struct PlainDecoder {
  let model: TinyModel
  let configuration: ModelConfiguration
  private let tensors: [String: [Double]]
  /// Given a layer and its input, which neurons are computed; nil computes all.
  package var predictor: ((Int, [Double]) -> [Bool])?
  /// Neurons of layers, or of routed experts, whose activated gate is not above this are left out.
  package var threshold: Double?
  /// Neurons that were not, and all that were looked at.
  package internal(set) var fired = (count: 0, all: 0)
  /// Whether that is the input before its norm.
  package var predictorSeesStream = false
  private var keys: [[[Double]]]
  private var values: [[[Double]]]

  package init(_ model: TinyModel) {
    self.model = model
    configuration = model.configuration
    tensors = model.values().mapValues { $0.map(Double.init) }
    keys = configuration.layers.map { _ in [] }
    values = keys
  }

  /// The logits of every token, `[tokens, vocabulary]`.
  package mutating func logits(_ tokens: [Int32]) -> [Float] {
    var rows: [Float] = []
    for (position, token) in tokens.enumerated() {
      var state = row(Int(token), of: name("embed_tokens.weight"))
      if case .learned(let offset) = configuration.positions {
        state = sum(state, row(position + offset, of: name("embed_positions.weight")))
      }
      for layer in configuration.layers.indices {
        let shape = configuration.layers[layer]
        let input = state
        if shape.hasLinearAttention == true {
          let matrix = layerName(layer, "self_attn.linear_attn.weight")
          state = sum(state, product(matrix, normed(state, attentionNorm(layer)), bias: nil))
        } else if shape.queryHeads > 0 {
          state = sum(state, attend(layer, normed(state, attentionNorm(layer)), position))
        }
        if shape.hasLinearFeedForward == true {
          let matrix = layerName(layer, "mlp.linear_mlp.weight")
          state = sum(state, product(matrix, normed(state, feedForwardNorm(layer)), bias: nil))
        } else if shape.expertCount != nil || shape.shared > 0 {
          let normed = normed(state, feedForwardNorm(layer))
          state = sum(state, experts(layer, normed, layerInput: input))
        } else if shape.feedForwardWidth > 0 {
          state = sum(state, feedForward(layer, state))
        }
      }
      state = normed(state, name(isOPT ? "final_layer_norm" : "norm"))
      let head = configuration.hasTiedHead ? name("embed_tokens.weight") : "lm_head.weight"
      rows += product(head, state, bias: nil).map(Float.init)
    }
    return rows
  }

  private var isOPT: Bool { model.family == .opt }

  private func name(_ rest: String) -> String { (isOPT ? "model.decoder." : "model.") + rest }

  func layerName(_ layer: Int, _ rest: String) -> String { name("layers.\(layer).\(rest)") }

  private func attentionNorm(_ layer: Int) -> String {
    layerName(layer, isOPT ? "self_attn_layer_norm" : "input_layernorm")
  }

  private func feedForwardNorm(_ layer: Int) -> String {
    layerName(layer, isOPT ? "final_layer_norm" : "post_attention_layernorm")
  }

  private func tensor(_ name: String) -> [Double] { tensors[name, default: []] }

  private func row(_ index: Int, of name: String) -> [Double] {
    let all = tensor(name)
    return Array(all[index * configuration.width..<(index + 1) * configuration.width])
  }

  func sum(_ left: [Double], _ right: [Double]) -> [Double] {
    zip(left, right).map { $0 + $1 }
  }

  /// `weight · x + bias`; the weight is `[rows, x.count]`.
  func product(_ weight: String, _ x: [Double], bias: String?) -> [Double] {
    let matrix = tensor(weight)
    var result = (0..<matrix.count / x.count).map { row in
      x.indices.reduce(0.0) { $0 + matrix[row * x.count + $1] * x[$1] }
    }
    if let bias, let offsets = tensors[bias] { result = sum(result, offsets) }
    return result
  }

  private func normed(_ x: [Double], _ norm: String) -> [Double] {
    let weight = tensor(norm + ".weight")
    let count = Double(x.count)
    let epsilon = configuration.normalization.epsilon
    switch configuration.normalization.kind {
    case .rms:
      let scale = 1 / (x.reduce(0) { $0 + $1 * $1 } / count + epsilon).squareRoot()
      return zip(x, weight).map { $0 * scale * $1 }
    case .layer:
      let mean = x.reduce(0, +) / count
      let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      let scale = 1 / (variance + epsilon).squareRoot()
      let bias = tensor(norm + ".bias")
      return x.indices.map { (x[$0] - mean) * scale * weight[$0] + bias[$0] }
    }
  }

  private mutating func attend(_ layer: Int, _ x: [Double], _ position: Int) -> [Double] {
    let shape = configuration.layers[layer]
    let dimension = configuration.headDimension
    let base = "self_attn."
    func projected(_ part: String) -> [Double] {
      product(
        layerName(layer, base + part + "_proj.weight"), x,
        bias: layerName(layer, base + part + "_proj.bias"))
    }
    let query = rotated(projected("q"), position)
    keys[layer].append(rotated(projected("k"), position))
    values[layer].append(projected("v"))
    var output = [Double](repeating: 0, count: shape.queryHeads * dimension)
    for head in 0..<shape.queryHeads {
      let shared = head / (shape.queryHeads / shape.keyValueHeads)
      let scores = keys[layer].map { key in
        (0..<dimension).reduce(0.0) {
          $0 + query[head * dimension + $1] * key[shared * dimension + $1]
        } / Double(dimension).squareRoot()
      }
      let highest = scores.max() ?? 0
      let weights = scores.map { exp($0 - highest) }
      let total = weights.reduce(0, +)
      for (weight, value) in zip(weights, values[layer]) {
        for index in 0..<dimension {
          output[head * dimension + index] += weight / total * value[shared * dimension + index]
        }
      }
    }
    let part = isOPT ? "out_proj" : "o_proj"
    return product(
      layerName(layer, base + part + ".weight"), output,
      bias: layerName(layer, base + part + ".bias"))
  }

  /// Rotate-half RoPE without scaling; learned positions rotate nothing.
  private func rotated(_ heads: [Double], _ position: Int) -> [Double] {
    guard case .rotary(let rotary) = configuration.positions else { return heads }
    var result = heads
    let half = rotary.dimension / 2
    for start in stride(from: 0, to: heads.count, by: configuration.headDimension) {
      for pair in 0..<half {
        let angle =
          Double(position) * pow(rotary.base, -Double(2 * pair) / Double(rotary.dimension))
        let (left, right) = (heads[start + pair], heads[start + pair + half])
        result[start + pair] = left * cos(angle) - right * sin(angle)
        result[start + pair + half] = right * cos(angle) + left * sin(angle)
      }
    }
    return result
  }

  private func activated(_ value: Double) -> Double {
    switch configuration.activation {
    case .relu, .dReLU: max(0, value)
    case .reluSquared: max(0, value) * max(0, value)
    case .fatReLU: value > Double(configuration.firingThreshold) ? value : 0
    case .silu: value / (1 + exp(-value))
    case .gelu: value * (1 + erf(value / 2.0.squareRoot())) / 2
    case .geluTanh:
      value * (1 + tanh((2 / Double.pi).squareRoot() * (value + 0.044715 * pow(value, 3)))) / 2
    case .clampedSwiGLU: preconditionFailure("the plain decoder has no gpt-oss")
    }
  }

  /// What the threshold leaves of activated gates.
  mutating func thinned(_ gates: [Double]) -> [Double] {
    guard let threshold else { return gates }
    let left = gates.map { abs($0) > threshold ? $0 : 0 }
    fired.count += left.count { $0 != 0 }
    fired.all += left.count
    return left
  }

  private mutating func feedForward(_ layer: Int, _ state: [Double]) -> [Double] {
    let x = normed(state, feedForwardNorm(layer))
    let seen = predictorSeesStream ? state : x
    if isOPT {
      let hidden = product(
        layerName(layer, "fc1.weight"), x, bias: layerName(layer, "fc1.bias"))
      return product(
        layerName(layer, "fc2.weight"), kept(layer, seen, hidden.map(activated)),
        bias: layerName(layer, "fc2.bias"))
    }
    let hidden = gated(layer, "mlp.gate_proj", "mlp.up_proj", x, isThinned: true)
    return product(layerName(layer, "mlp.down_proj.weight"), kept(layer, seen, hidden), bias: nil)
  }

  /// What gate and up projections of these names make of `x`.
  mutating func gated(
    _ layer: Int, _ gateName: String, _ upName: String, _ x: [Double], isThinned: Bool
  ) -> [Double] {
    var gate = product(layerName(layer, gateName + ".weight"), x, bias: nil).map(activated)
    if isThinned { gate = thinned(gate) }
    var up = product(layerName(layer, upName + ".weight"), x, bias: nil)
    if configuration.activation == .dReLU { up = up.map { max(0, $0) } }
    return zip(gate, up).map { $0 * $1 }
  }

  /// The outputs of the neurons from `first` on that are computed, zero for the others.
  func kept(_ layer: Int, _ x: [Double], _ outputs: [Double], first: Int = 0) -> [Double] {
    guard let predictor else { return outputs }
    return zip(outputs, predictor(layer, x)[first...]).map { $1 ? $0 : 0 }
  }
}
