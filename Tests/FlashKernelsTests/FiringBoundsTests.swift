import FlashKernels
import Glibc
import Testing

/// Which pre-activations pass a threshold of magnitude, against double precision.
struct FiringBoundsTests {
  private static let smooth = Activation.allCases.filter { magnitude($0, 0) != nil }
  /// None, small ones, some about the depth of the dips (0.278 and 0.170), and beyond them.
  private static let thresholds: [Float] = [
    0, 1e-30, 1e-3, 0.05, 0.1, 0.1633, 0.1699, 0.1701, 0.25, 0.2784, 0.2785, 0.3, 1, 5, 8, 1e30,
  ]

  /// |activation(x)|; nil for the ReLU family.
  private static func magnitude(_ activation: Activation, _ x: Double) -> Double? {
    switch activation {
    case .relu, .reluSquared, .fatReLU, .dReLU: nil
    case .silu: abs(x / (1 + exp(-x)))
    case .gelu: abs(x * erfc(-x / 2.0.squareRoot()) / 2)
    case .geluTanh:
      abs(x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))))
    case .clampedSwiGLU: abs(min(x, 7) / (1 + exp(-1.702 * min(x, 7))))
    }
  }

  @Test(arguments: smooth)
  func whatFiresHasAMagnitudeAboveTheThreshold(activation: Activation) throws {
    for threshold in Self.thresholds {
      let bounds = FiringBounds(activation, magnitudeAbove: threshold)
      var xs = (-4000...4000).map { Float($0) / 400 }
      xs += [-.infinity, -3e38, -200, -104, -89, -1e-30, -0.0, 0, 1e-30, 89, 3e38, .infinity]
      for x in xs {
        let magnitude = try #require(Self.magnitude(activation, Double(x)))
        // Where the magnitude is the threshold but for rounding, either will do, and where it is
        // next to nothing.
        if abs(magnitude - Double(threshold)) <= 1e-6 * magnitude + 1e-36 { continue }
        if bounds.fires(x) != (magnitude > Double(threshold)) {
          Issue.record("\(activation)(\(x)) is \(magnitude), over \(threshold): \(bounds)")
        }
      }
      #expect(bounds.fires(.nan), "what is broken is not hidden")
      #expect(!bounds.fires(0) && !bounds.fires(-0.0))
      let depth: Float =
        activation == .silu ? 0.27846 : activation == .clampedSwiGLU ? 0.16361 : 0.17
      #expect(bounds.hasDip == (threshold < depth), "\(threshold)")
    }
  }

  /// What a threshold of zero leaves out are zeros of every instruction set's arithmetic, or next
  /// to nothing.
  @Test(arguments: smooth)
  func aThresholdOfZeroLeavesOutZerosOnly(activation: Activation) {
    let bounds = FiringBounds(activation, magnitudeAbove: 0)
    for isa in InstructionSet.supported {
      let kernels = Kernels(isa)
      for step in -1000...1000 {
        let x = Float(step) / 8
        var (gate, up, output) = (x, Float(1), Float.nan)
        unsafe kernels.activate(activation, gate: &gate, up: &up, count: 1, into: &output)
        if !bounds.fires(x), abs(output) >= 1e-36 { Issue.record("\(isa): \(x)") }
      }
    }
  }

  @Test func ofTheReLUFamilyWhatIsAboveTheBoundFires() {
    let bounds = FiringBounds(above: 0.05)
    #expect(!bounds.hasDip)
    #expect([-1, 0, 0.049, 0.05].allSatisfy { !bounds.fires($0) })
    #expect([Float(0.05).nextUp, 1, .infinity, .nan].allSatisfy { bounds.fires($0) })
  }
}
