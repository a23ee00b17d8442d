internal import CFlashKernels

/// The elementwise function of a feed-forward layer.
package enum Activation: String, Codable, CaseIterable, Sendable {
  case relu
  /// `relu(x)²` (So et al., arXiv 2109.08668).
  case reluSquared = "relu2"
  /// `x` above a threshold, otherwise 0 (FATReLU: Kurtz et al., ICML 2020).
  case fatReLU = "fatrelu"
  /// ReLU of the gate and of the up projection (dReLU: Song et al., arXiv 2406.05955).
  case dReLU = "drelu"
  case silu
  /// `x` times the normal distribution's function, by the error function.
  case gelu
  /// The same by tanh (Hendrycks and Gimpel, arXiv 1606.08415).
  case geluTanh = "gelu_tanh"
  /// `(u + 1) g sigmoid(1.702 g)` of a gate `g` cut at 7 and an up projection `u` kept within 7
  /// (gpt-oss); only with a gate.
  case clampedSwiGLU = "swiglu_oai"
}

extension Kernels {
  /// `x[i] = activation(x[i])`, in place; `threshold` is FATReLU's, at least 0.
  package func activate(
    _ activation: Activation, threshold: Float = 0, _ x: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch activation {
    case .relu, .dReLU: unsafe vectors.relu(x, 0, count)
    case .fatReLU: unsafe vectors.relu(x, threshold, count)
    case .reluSquared: unsafe vectors.reluSquared(x, count)
    case .silu: unsafe vectors.silu(x, count)
    case .gelu: unsafe vectors.gelu(x, count)
    case .geluTanh: unsafe vectors.geluTanh(x, count)
    case .clampedSwiGLU: preconditionFailure("a clamped SwiGLU has a gate")
    }
  }

  /// `output[i] = activation(gate[i]) * up[i]`. Of a sparse activation it is exactly zero where the
  /// gate does not fire, whatever `up` holds there. Changes `gate` and `up`; the output may be
  /// either.
  package func activate(
    _ activation: Activation, threshold: Float = 0, gate: UnsafeMutablePointer<Float>,
    up: UnsafeMutablePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>
  ) {
    switch activation {
    case .relu: unsafe vectors.reluGate(gate, up, count, output)
    case .silu: unsafe vectors.siluGate(gate, up, count, output)
    case .clampedSwiGLU: unsafe vectors.clampedSwiGLU(gate, up, count, output)
    case .dReLU:
      unsafe vectors.relu(up, 0, count)
      unsafe vectors.reluGate(gate, up, count, output)
    case .fatReLU, .reluSquared:
      unsafe activate(activation, threshold: threshold, gate, count: count)
      unsafe vectors.reluGate(gate, up, count, output)
    case .gelu, .geluTanh:
      unsafe activate(activation, gate, count: count)
      unsafe vectors.multiply(up, gate, count)
      if unsafe output != gate { unsafe output.update(from: gate, count: count) }
    }
  }
}
