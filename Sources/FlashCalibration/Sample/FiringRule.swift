package import FlashKernels
internal import FlashWeights

/// When a neuron of an activation function fires: where its pre-activation is above a threshold.
/// Below it the neuron contributes exactly zero.
package struct FiringRule: Equatable, Sendable {
  /// relu, relu² and dReLU (whose up part is cut too, so that the gate gives a superset): 0;
  /// FATReLU (Kurtz et al., ICML 2020): its own.
  package let threshold: Float

  /// Nil for a function that is never zero over a range, so that no neuron is silent.
  package init?(_ activation: Activation, threshold: Float = 0) {
    guard activation.isSparse else { return nil }
    self.threshold = threshold
  }

  init?(_ configuration: ModelConfiguration) {
    self.init(configuration.activation, threshold: configuration.firingThreshold)
  }
}
