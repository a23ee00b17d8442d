/// Which pre-activations fire: those above a bound, and of a smooth activation whose magnitude must
/// pass a threshold (CATS: Lee et al., arXiv 2404.08763) also those in an open interval below zero,
/// where it dips: SiLU's least value is -0.278, GELU's -0.170.
///
/// Bounds are compared with, and never the activation itself, so that what fires depends on the
/// pre-activation alone and on no instruction set's way to an exponential. A NaN fires: what is
/// broken is not hidden.
package struct FiringBounds: Equatable, Sendable, BitwiseCopyable {
  /// What is not at or under this fires.
  package let bound: Float
  /// What lies between these two fires too; nothing does where they are equal.
  package let dipStart: Float
  package let dipEnd: Float

  /// Fires above `bound`: the ReLU family.
  package init(above bound: Float) {
    self.bound = bound
    (dipStart, dipEnd) = (0, 0)
  }

  /// Fires where the activation's magnitude is above `threshold`, to the rounding of the portable
  /// kernels. Cost: some hundred of their calls.
  ///
  /// - Precondition: the threshold is finite and not negative, and the activation is smooth.
  package init(_ activation: Activation, magnitudeAbove threshold: Float) {
    precondition(threshold >= 0 && threshold.isFinite, "a threshold is a magnitude")
    guard let dip = activation.dip else {
      preconditionFailure("\(activation.rawValue) has neurons that are silent without a threshold")
    }
    let kernels = Kernels(.scalar)
    func isSilent(_ x: Float) -> Bool { kernels.magnitude(activation, x) <= threshold }
    let most = Float.greatestFiniteMagnitude
    bound = isSilent(most) ? .infinity : Self.last(0, before: most, where: isSilent)
    guard !isSilent(-dip) else {
      (dipStart, dipEnd) = (0, 0)
      return
    }
    dipEnd = -Self.last(0, before: dip) { isSilent(-$0) }
    dipStart = -Self.last(dip, before: most) { !isSilent(-$0) }.nextUp
  }

  /// The largest float from `start` on up to which `holds` is true; it is not at `end`.
  private static func last(
    _ start: Float, before end: Float, where holds: (Float) -> Bool
  ) -> Float {
    var (low, high) = (start.bitPattern, end.bitPattern)
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if holds(Float(bitPattern: middle)) { low = middle } else { high = middle }
    }
    return Float(bitPattern: low)
  }

  /// Whether anything below zero fires.
  package var hasDip: Bool { dipStart < dipEnd }

  @inline(__always)
  package func fires(_ x: Float) -> Bool {
    let isHigh = !(x <= bound)
    let isInDip = x > dipStart && x < dipEnd
    return isHigh || isInDip
  }
}

extension Activation {
  /// Where the function is least, as a distance below zero; nil for one that is exactly zero there.
  fileprivate var dip: Float? {
    switch self {
    case .relu, .reluSquared, .fatReLU, .dReLU: nil
    case .silu: 1.278_464_5
    case .gelu: 0.751_791_5
    case .geluTanh: 0.752_461_4
    case .clampedSwiGLU: 1.278_464_5 / 1.702
    }
  }
}

extension Kernels {
  /// |activation(x)|; of a clamped SwiGLU what a gate makes of an up projection of 0.
  fileprivate func magnitude(_ activation: Activation, _ x: Float) -> Float {
    var (gate, up, value) = (x, Float(0), x)
    if activation == .clampedSwiGLU {
      unsafe activate(activation, gate: &gate, up: &up, count: 1, into: &value)
    } else {
      unsafe activate(activation, &value, count: 1)
    }
    return abs(value)
  }
}
