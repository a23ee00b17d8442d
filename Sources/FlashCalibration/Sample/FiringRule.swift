package import FlashKernels

/// When a neuron of an activation function fires: where its pre-activation is above a threshold.
/// Below it the neuron contributes exactly zero.
package struct FiringRule: Equatable, Sendable {
  /// relu, relu² and dReLU (whose up part is cut too, so that the gate gives a superset): 0;
  /// FATReLU (Kurtz et al., ICML 2020): its own.
  package let threshold: Float

  /// Nil for a function that is never zero over a range, so that no neuron is silent.
  package init?(_ activation: Activation) {
    switch activation {
    case .relu: threshold = 0
    case .silu: return nil
    }
  }
}
