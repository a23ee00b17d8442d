internal import Glibc

/// The neurons that turn a state one stride along the curve: a linear map of few dimensions, made
/// of ReLU neurons. Behind a gate they fire for every token.
extension StateDrift {
  /// How many neurons it takes: one for each dimension behind a gate that is always open, two (one
  /// for each sign) where there is no gate.
  func turnNeuronCount(isGated: Bool) -> Int { (basis.count - 1) * (isGated ? 1 : 2) }

  /// A row of such a neuron: gate, up, or down column.
  func turn(neuron: Int, _ role: TensorRole, isGated: Bool) -> RowRecipe {
    let dimension = isGated ? neuron : neuron / 2
    let sign: Float = isGated || neuron % 2 == 0 ? 1 : -1
    var coefficients = [Float](repeating: 0, count: basis.count)
    switch role {
    case .gate:
      coefficients[0] = 1 / (common * Float(width).squareRoot())
    case .up:
      coefficients[1 + dimension] = sign
    case .down:
      // The turned basis vector less itself.
      let plane = dimension / 2
      let angle = turn(ofPlane: plane)
      let (cosine, sine) = (Float(cos(angle)), Float(sin(angle)))
      coefficients[1 + dimension] = sign * (cosine - 1)
      coefficients[1 + (dimension ^ 1)] = sign * (dimension % 2 == 0 ? sine : -sine)
    default:
      preconditionFailure("\(role) belongs to no neuron")
    }
    return .drift(coefficients: coefficients, noise: 0)
  }
}
