import FlashTestSupport

@testable import FlashCalibration

/// Matrices and samples by seed.
enum RandomMatrix {
  static func make(_ rows: Int, _ columns: Int, seed: UInt64) -> FloatMatrix {
    var generator = SplitMix(seed: seed)
    return FloatMatrix(
      rows, columns, values: (0..<rows * columns).map { _ in generator.signed() })
  }

  /// `a · b`.
  static func product(_ a: FloatMatrix, _ b: FloatMatrix) -> FloatMatrix {
    let product = FloatMatrix(a.rowCount, b.columnCount)
    for row in 0..<a.rowCount {
      for column in 0..<b.columnCount {
        product[row, column] = (0..<a.columnCount).reduce(0) { $0 + a[row, $1] * b[$1, column] }
      }
    }
    return product
  }

  /// `Σ (a - b)²` over `Σ b²`.
  static func relativeError(_ a: FloatMatrix, _ b: FloatMatrix) -> Float {
    var (error, size) = (Float(0), Float(0))
    for (x, y) in zip(a.array, b.array) {
      error += (x - y) * (x - y)
      size += y * y
    }
    return error / size
  }

  /// What a layer with these gates would have recorded of these states: a neuron fires where its
  /// gate and bias are positive, and contributes as much.
  static func sample(
    states: FloatMatrix, gates: FloatMatrix, bias: Float, chunkLength: Int = 1 << 20
  ) -> LayerSample {
    let neurons = gates.rowCount
    let words = LayerSample.wordCount(neurons)
    var masks = [UInt64](repeating: 0, count: states.rowCount * words)
    var contributions: [Float] = []
    for position in 0..<states.rowCount {
      for neuron in 0..<neurons {
        var value = bias
        for column in 0..<states.columnCount {
          value += states[position, column] * gates[neuron, column]
        }
        guard value > 0 else { continue }
        masks[position * words + neuron / 64] |= 1 << UInt64(neuron % 64)
        contributions.append(value)
      }
    }
    return LayerSample(
      inputs: states, neuronCount: neurons, masks: masks, contributions: contributions,
      chunkStarts: Array(stride(from: 0, to: states.rowCount, by: chunkLength)))
  }
}
