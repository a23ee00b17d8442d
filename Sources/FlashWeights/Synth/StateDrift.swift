internal import Glibc

/// How the states of a synthetic model that is sparse move, and how its gates and routers see them.
///
/// A token's embedding is `sqrt(width) * (α u + β Σ curve_j(token) b_j)` and a little noise: `u` is
/// a direction that every state has, and the curve, in a space of few dimensions, turns slowly in
/// some planes and quickly in others as tokens count up. Some neurons of the last layer turn the
/// state a few tokens along the curve, and the head, which is made of the same curve, finds the
/// token there: greedy decoding follows the drift. Gate rows are a random direction of that space,
/// noise, and a negative part along `u`, set so that the wanted fraction of them fires. Which
/// neurons fire is left to the arithmetic. A model with experts has no neurons that every token
/// uses: there the head's curve runs a few tokens behind.
struct StateDrift: Sendable {
  static let tokenNoise: Float = 0.03
  /// A gate's answer to any direction, by its noise, where its low-rank part's answer to a
  /// direction of the curve is 1.
  static let gateNoise: Float = 0.5
  /// How much gates differ in their answer to `u`, which makes some neurons hot for every token.
  static let gateHeat: Float = 1.5
  /// Tokens that greedy decoding goes along the curve at a time. Noise makes it a few more or
  /// less; with a stride of one it would stand still.
  static let stride = 4
  /// Radians per stride of the slowest plane and the quickest: states keep their neurons for long,
  /// and about a quarter of 8 experts of 128 for one token.
  private static let neuronTurns = (slowest: 0.02, quickest: 0.93)
  private static let expertTurns = (slowest: 0.1, quickest: 3.0)

  /// The drift lives in the first columns of the state only, one group of blocks of a quantized row
  /// (`RowFormat.packing`), so that random quants serve for the rest of a row: at width 4096 that
  /// leaves an eighth to encode.
  static let maximumBasisWidth = 512

  /// Part of a state along `u`, and along the curve; their squares, and the noise's, make 1. Only
  /// gates that must stay closed need `u`.
  let common: Float
  let moving: Float
  let width: Int
  /// `u`, then two vectors for each plane, orthonormal and of mean 0: [1 + 2 * planeCount,
  /// min(width, maximumBasisWidth)], zero in the other columns.
  let basis: [[Float]]
  /// For each plane radians per token, and where the first token is.
  private let angles: [(step: Double, start: Double)]
  /// How many deviations above the mean a gate must be to fire.
  let threshold: Double

  var planeCount: Int { angles.count }

  /// Radians per stride of a plane.
  func turn(ofPlane plane: Int) -> Double { angles[plane].step * Double(Self.stride) }

  /// - Parameter activity: the fraction of neurons that should fire; nil for random gates.
  init(_ configuration: ModelConfiguration, activity: Double?, seed: RandomBits) {
    width = configuration.width
    (common, moving) = activity == nil ? (0, 0.9995) : (0.5, 0.8655)
    let hasExperts = configuration.routing != nil
    let neuronCount = configuration.layers.map(\.feedForwardWidth).min() ?? 0
    let planeCount = min(max((hasExperts ? width : min(width, neuronCount)) / 8, 1), 16)
    let turns = hasExperts ? Self.expertTurns : Self.neuronTurns
    var bits = seed.part("angles")
    let wholeTurns = Double(configuration.vocabularySize) / (2 * Double.pi)
    angles = (0..<planeCount).map { plane in
      let place = (Double(plane) + 0.5) / Double(planeCount)
      let step = turns.slowest * pow(turns.quickest / turns.slowest, place) / Double(Self.stride)
      // The curve is closed: the last token's next is the first.
      return (
        max(1, (step * wholeTurns).rounded()) / wholeTurns,
        Double.random(in: 0..<2 * Double.pi, using: &bits)
      )
    }
    basis = Self.orthonormal(
      count: 1 + 2 * planeCount, width: min(configuration.width, Self.maximumBasisWidth),
      seed: seed.part("basis"))
    threshold = Self.quantile(of: activity ?? 0.5)
  }

  /// Gram and Schmidt over random vectors, the first of them constant and left out.
  private static func orthonormal(count: Int, width: Int, seed: RandomBits) -> [[Float]] {
    precondition(count < width, "a state has more values than the drift has dimensions")
    var vectors = [[Float](repeating: 1 / Float(width).squareRoot(), count: width)]
    for index in 0..<count {
      var bits = seed.part(index)
      var vector = (0..<width).map { _ in bits.normal() }
      for other in vectors {
        let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
        for column in 0..<width { vector[column] -= product * other[column] }
      }
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      vectors.append(vector.map { $0 / length })
    }
    return Array(vectors.dropFirst())
  }

  /// The number that a standard normal variable exceeds with this probability.
  static func quantile(of probability: Double) -> Double {
    var (low, high) = (-8.0, 8.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if erfc(middle / 2.squareRoot()) / 2 > probability { low = middle } else { high = middle }
    }
    return low
  }

  /// The mean square of a gate after ReLU, in units of its variance.
  var activatedMeanSquare: Double {
    let density = exp(-threshold * threshold / 2) / (2 * Double.pi).squareRoot()
    let probability = erfc(threshold / 2.squareRoot()) / 2
    return (1 + threshold * threshold) * probability - threshold * density
  }

  /// The curve at a token: one coefficient for each basis vector but `u`, of length 1.
  private func curve(_ token: Int) -> [Float] {
    let radius = 1 / Double(planeCount).squareRoot()
    return angles.flatMap { angle in
      let phase = angle.start + angle.step * Double(token)
      return [Float(radius * cos(phase)), Float(radius * sin(phase))]
    }
  }

  /// A token's row of the embedding; of the head, which need not know `u`, if `isHead`.
  func embedding(token: Int, isHead: Bool) -> RowRecipe {
    let length = Float(width).squareRoot()
    return .drift(
      coefficients: [isHead ? 0 : common * length] + curve(token).map { $0 * moving * length },
      noise: Self.tokenNoise)
  }

  /// A gate row: its product with a normed state has variance 1 over the neurons of a layer.
  func gate(_ bits: RandomBits) -> RowRecipe {
    var bits = bits
    let heat = Self.gateHeat * common
    let deviation =
      (moving * moving + Self.gateNoise * Self.gateNoise + heat * heat).squareRoot()
    let scale = 1 / (Float(width).squareRoot() * deviation)
    let offset = -Float(threshold) * deviation / common + Self.gateHeat * bits.normal()
    return .drift(
      coefficients: [offset * scale] + (1..<basis.count).map { _ in bits.normal() * scale },
      noise: Self.gateNoise * scale)
  }
}
