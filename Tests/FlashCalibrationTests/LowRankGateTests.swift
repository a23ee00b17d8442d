import FlashKernels
import FlashTestSupport
import FlashWeights
import Testing

@testable import FlashCalibration

struct LowRankGateTests {
  @Test func singularValuesOfAKnownMatrixComeOut() throws {
    // [[3, 0], [4, 5]] has singular values 3√5 and √5, and right vectors (1, 1)/√2 and (1, -1)/√2.
    var matrix: [Float] = [3, 0, 4, 5]
    let found = try #require(
      unsafe LAPACK.rightSingularVectors(&matrix, rowCount: 2, columnCount: 2))
    let root = Float(5).squareRoot()
    #expect(abs(found.values[0] - 3 * root) < 1e-5)
    #expect(abs(found.values[1] - root) < 1e-5)
    let half = Float(0.5).squareRoot()
    for (value, size) in zip(found.vectors, [half, half, half, half]) {
      #expect(abs(abs(value) - size) < 1e-5)
    }
    #expect(found.vectors[0] * found.vectors[1] > 0)
    #expect(found.vectors[2] * found.vectors[3] < 0)
  }

  @Test(arguments: [(1, 1), (2, 7), (7, 7), (5, 64)])
  func rowsBecomeOrthonormal(rowCount: Int, columnCount: Int) {
    let matrix = RandomMatrix.make(rowCount, columnCount, seed: 3)
    unsafe LAPACK.orthonormalizeRows(
      matrix.values, rowCount: rowCount, columnCount: columnCount)
    for a in 0..<rowCount {
      for b in 0...a {
        let dot = (0..<columnCount).reduce(Float(0)) { $0 + matrix[a, $1] * matrix[b, $1] }
        #expect(abs(dot - (a == b ? 1 : 0)) < 1e-5)
      }
    }
  }

  private static func packed(_ gates: FloatMatrix) -> GateRows {
    let bytes = unsafe gates.array.withUnsafeBytes { unsafe Array($0) }
    return GateRows(
      format: .f32, width: gates.columnCount, bytes: bytes, kernels: Kernels(.best))
  }

  private static func answers(_ gate: LowRankGate, _ states: FloatMatrix) -> FloatMatrix {
    let hidden = FloatMatrix(states.rowCount, gate.reduction.rowCount)
    hidden.setProduct(states, gate.reduction, transposeB: true)
    let answers = FloatMatrix(states.rowCount, gate.expansion.rowCount)
    answers.setProduct(hidden, gate.expansion, transposeB: true)
    for row in 0..<answers.rowCount {
      for column in 0..<answers.columnCount { answers[row, column] += gate.bias[column] }
    }
    return answers
  }

  @Test func aPlantedLowRankGateIsFoundExactly() {
    let gates = RandomMatrix.product(
      RandomMatrix.make(150, 5, seed: 1), RandomMatrix.make(5, 64, seed: 2))
    let states = RandomMatrix.make(200, 64, seed: 4)
    let gate = LowRankGate(
      gates: Self.packed(gates), states: states, mean: Array(repeating: 0, count: 64),
      decidingBias: nil, weights: Array(repeating: 1, count: 150), rank: 8, seed: 1)
    let exact = FloatMatrix(200, 150)
    exact.setProduct(states, gates, transposeB: true)
    #expect(RandomMatrix.relativeError(Self.answers(gate, states), exact) < 1e-9)
    for neuron in 0..<150 {
      let mean = (0..<200).reduce(Float(0)) { $0 + exact[$1, neuron] * exact[$1, neuron] } / 200
      #expect(abs(gate.capturedVariance[neuron] - mean) < 1e-3 * mean)
    }
  }

  @Test func meanAndBiasAreMetExactlyWhateverTheRank() {
    let gates = RandomMatrix.make(40, 32, seed: 1)
    let mean = RandomMatrix.make(1, 32, seed: 9)
    let bias = RandomMatrix.make(1, 40, seed: 10).array
    let gate = LowRankGate(
      gates: Self.packed(gates), states: RandomMatrix.make(100, 32, seed: 4), mean: mean.array,
      decidingBias: bias, weights: (0..<40).map { Float($0 % 3 + 1) }, rank: 4, seed: 1)
    let found = Self.answers(gate, mean)
    for neuron in 0..<40 {
      let exact = (0..<32).reduce(bias[neuron]) { $0 + mean[0, $1] * gates[neuron, $1] }
      #expect(abs(found[0, neuron] - exact) < 1e-4)
    }
  }

  @Test func anotherBasisOfHiddenValuesAnswersTheSame() {
    let states = RandomMatrix.make(300, 64, seed: 5)
    let gates = RandomMatrix.make(100, 64, seed: 6)
    let gate = LowRankGate(
      gates: Self.packed(gates), states: states, mean: Array(repeating: 0, count: 64),
      decidingBias: nil, weights: Array(repeating: 1, count: 100), rank: 32, seed: 1)
    let weights = PredictorWeights(
      kind: .lowRankGate, reduction: gate.reduction, expansion: gate.expansion, bias: gate.bias)
    func answers(_ weights: PredictorWeights) -> FloatMatrix {
      let hidden = FloatMatrix(300, 32)
      hidden.setProduct(states, weights.reduction, transposeB: true)
      let answers = FloatMatrix(300, 100)
      answers.setProduct(hidden, weights.expansion, transposeB: true)
      return answers
    }
    let balanced = weights.balanced(over: states, seed: 1)
    #expect(RandomMatrix.relativeError(answers(balanced), answers(weights)) < 1e-8)
  }
}
