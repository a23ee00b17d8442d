import FlashKernels
import Glibc
import Testing

/// The vector parts of a layer against double precision.
struct VectorTests {
  private func expectClose(
    _ computed: [Float], _ expected: [Double], tolerance: Double,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(computed.count == expected.count)
    let scale = expected.map { abs($0) }.max() ?? 0
    let worst = zip(computed, expected).map { abs(Double($0) - $1) }.max() ?? 0
    #expect(worst <= tolerance * scale, sourceLocation: sourceLocation)
  }

  @Test(arguments: InstructionSet.supported)
  func exponentialIsAccurateOverItsWholeRange(isa: InstructionSet) {
    let kernels = Kernels(isa)
    for step in -87_000...88_700 {
      let x = Float(step) / 1000
      let expected = exp(Double(x))
      let error = abs(Double(kernels.exponential(x)) - expected) / expected
      if error > 2e-7 { Issue.record("exp(\(x)) is off by \(error)") }
    }
    #expect(kernels.exponential(0) == 1)
    #expect(kernels.exponential(-.infinity) == 0)
    #expect(kernels.exponential(-110) == 0)
    #expect(kernels.exponential(.infinity) == .infinity)
    #expect(kernels.exponential(100) == .infinity)
    #expect(kernels.exponential(.nan).isNaN)
  }

  @Test(arguments: InstructionSet.supported)
  func softmaxPartsAreExponentialsUnderTheirMaximum(isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 10)
    for count in 1...70 {
      let scores = generator.floats(count, in: -20 ... -3)
      var part = scores
      let (maximum, sum) = unsafe kernels.softmaxPart(&part, count: count)
      #expect(maximum == scores.max())
      let expected = scores.map { exp(Double($0) - Double(maximum)) }
      expectClose(part, expected, tolerance: 2e-6)
      expectClose([sum], [expected.reduce(0, +)], tolerance: 2e-6)
    }
  }

  @Test(arguments: InstructionSet.supported)
  func normsAgreeWithDoublePrecision(isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 11)
    for width in 1...70 {
      let x = generator.floats(width)
      let weight = generator.floats(width)
      let bias = generator.floats(width)
      var output = [Float](repeating: .nan, count: width)
      unsafe kernels.rmsNorm(x, width: width, weight: weight, epsilon: 1e-5, into: &output)
      let squares = x.map { Double($0) * Double($0) }.reduce(0, +)
      let root = (squares / Double(width) + 1e-5).squareRoot()
      expectClose(
        output, zip(x, weight).map { Double($0) / root * Double($1) }, tolerance: 1e-6)

      let mean = x.map(Double.init).reduce(0, +) / Double(width)
      let variance =
        x.map { (Double($0) - mean) * (Double($0) - mean) }.reduce(0, +) / Double(width)
      let normed = zip(x, weight).map {
        (Double($0) - mean) / (variance + 1e-5).squareRoot() * Double($1)
      }
      unsafe kernels.layerNorm(
        x, width: width, weight: weight, bias: nil, epsilon: 1e-5, into: &output)
      expectClose(output, normed, tolerance: 2e-5)
      unsafe kernels.layerNorm(
        x, width: width, weight: weight, bias: bias, epsilon: 1e-5, into: &output)
      expectClose(output, zip(normed, bias).map { $0 + Double($1) }, tolerance: 2e-5)
    }
  }

  @Test(arguments: InstructionSet.supported)
  func sumsOfTwoRowsAreExact(isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 12)
    for count in 0...40 {
      let x = generator.floats(count, in: -9...9)
      let y = generator.floats(count)
      var output = y
      unsafe kernels.add(x, to: &output, count: count)
      #expect(output == zip(x, y).map { $0 + $1 })
    }
  }

  @Test(arguments: InstructionSet.supported)
  func everyActivationAgreesWithDoublePrecision(isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 16)
    let threshold: Float = 0.4
    func expected(_ activation: Activation, _ x: Double) -> Double {
      switch activation {
      case .relu, .dReLU: max(0, x)
      case .reluSquared: max(0, x) * max(0, x)
      case .fatReLU: x > Double(threshold) ? x : 0
      case .silu: x / (1 + exp(-x))
      case .gelu: x * erfc(-x / 2.0.squareRoot()) / 2
      case .geluTanh: x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      case .clampedSwiGLU: preconditionFailure("it has a gate")
      }
    }
    for activation in Activation.allCases where activation != .clampedSwiGLU {
      for count in 0...40 {
        let x = generator.floats(count, in: -4...4) + [threshold, 0, -30, 30]
        let y = generator.floats(count + 4)
        var output = x
        unsafe kernels.activate(activation, threshold: threshold, &output, count: x.count)
        let values = x.map { expected(activation, Double($0)) }
        expectClose(output, values, tolerance: 1e-6)
        #expect(zip(output, values).allSatisfy { ($0 == 0) == ($1 == 0) || abs($1) < 1e-30 })
        var (gate, up) = (x, y)
        unsafe kernels.activate(
          activation, threshold: threshold, gate: &gate, up: &up, count: x.count, into: &output)
        let gated = zip(values, y).map { $0 * Double(activation == .dReLU ? max($1, 0) : $1) }
        expectClose(output, gated, tolerance: 1e-6)
        // As the decoder calls it, into the gate's own place, and in pieces.
        gate = x
        up = y
        let half = x.count / 2
        unsafe gate.withUnsafeMutableBufferPointer { gate in
          unsafe up.withUnsafeMutableBufferPointer { up in
            for piece in [0..<half, half..<x.count] {
              let start = unsafe gate.baseAddress! + piece.lowerBound
              unsafe kernels.activate(
                activation, threshold: threshold, gate: start,
                up: up.baseAddress! + piece.lowerBound, count: piece.count, into: start)
            }
          }
        }
        #expect(bits(gate) == bits(output))
      }
    }
  }

  @Test(arguments: InstructionSet.supported)
  func aClampedSwiGLUAgreesWithDoublePrecision(isa: InstructionSet) {
    var generator = SeededGenerator(seed: 18)
    for count in 0...40 {
      let gate = generator.floats(count, in: -9...9) + [7, 8, -90, 90]
      let up = generator.floats(count, in: -9...9) + [-8, 8, 90, -7]
      var (g, u) = (gate, up)
      var output = gate
      unsafe Kernels(isa).activate(
        .clampedSwiGLU, gate: &g, up: &u, count: gate.count, into: &output)
      let expected = zip(gate, up).map { gate, up in
        let (g, u) = (min(Double(gate), 7), max(-7, min(Double(up), 7)))
        return (u + 1) * g / (1 + exp(-1.702 * g))
      }
      expectClose(output, expected, tolerance: 1e-6)
    }
    var (g, u): ([Float], [Float]) = ([.nan, 1], [1, .nan])
    var output: [Float] = [0, 0]
    unsafe Kernels(isa).activate(.clampedSwiGLU, gate: &g, up: &u, count: 2, into: &output)
    #expect(output.allSatisfy { $0.isNaN })
  }

  @Test(arguments: InstructionSet.supported)
  func cappedAndScaledValuesAgreeWithDoublePrecision(isa: InstructionSet) {
    let kernels = Kernels(isa)
    var generator = SeededGenerator(seed: 17)
    for count in 0...40 {
      let x = generator.floats(count, in: -9...9)
      var output = x
      unsafe kernels.scale(&output, by: 0.3, count: count)
      #expect(output == x.map { $0 * 0.3 })
      for limit in [Float(0.5), 5, 50] {
        output = x
        unsafe kernels.cap(&output, at: limit, count: count)
        let expected = x.map { Double(limit) * tanh(Double($0) / Double(limit)) }
        for (found, value) in zip(output, expected) {
          #expect(abs(Double(found) - value) <= 4e-7 * abs(value) + 1e-30)
        }
      }
    }
  }

  @Test(arguments: InstructionSet.supported)
  func aClosedGateHidesInfinityAndAnOpenOneShowsNaN(isa: InstructionSet) {
    let gate: [Float] = [-1, 0, -0.0, .nan, 2]
    let up: [Float] = [.infinity, .nan, .infinity, 1, .nan]
    var output = [Float](repeating: 7, count: 5)
    let sparse: [Activation] = [.relu, .reluSquared, .fatReLU, .dReLU]
    for activation in Activation.allCases where activation != .clampedSwiGLU {
      var values = gate
      unsafe Kernels(isa).activate(activation, &values, count: 5)
      #expect(values[3].isNaN && (values[0] == 0) == sparse.contains(activation))
    }
    for activation in sparse {
      var (open, beside) = (gate, up)
      unsafe Kernels(isa).activate(
        activation, threshold: 1, gate: &open, up: &beside, count: 5, into: &output)
      #expect(output[..<3] == [0, 0, 0])
      #expect(output[3].isNaN && output[4].isNaN)
    }
  }

  @Test(arguments: InstructionSet.supported)
  func rotationTurnsEachPairByItsAngle(isa: InstructionSet) {
    var generator = SeededGenerator(seed: 13)
    for half in 0...40 {
      let x = generator.floats(2 * half + 1)
      let angles = generator.floats(half, in: -3...3)
      var output = x
      unsafe Kernels(isa).rotate(
        &output, cosine: angles.map { cosf($0) }, sine: angles.map { sinf($0) }, half: half)
      for i in 0..<half {
        let (c, s) = (Double(cosf(angles[i])), Double(sinf(angles[i])))
        let (a, b) = (Double(x[i]), Double(x[i + half]))
        #expect(abs(Double(output[i]) - (a * c - b * s)) < 3e-7)
        #expect(abs(Double(output[i + half]) - (b * c + a * s)) < 3e-7)
      }
      #expect(output[2 * half] == x[2 * half])
    }
  }
}
