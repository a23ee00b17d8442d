package import FlashWeights

/// Which part of a model's neurons a token computes, and how many of those are not in DRAM where
/// there is room for so many: what decides how much a windowed run reads.
package struct NeuronActivity: Sendable, Equatable {
  /// What the figures rest on.
  package enum Source: Sendable, Equatable {
    /// Every neuron is computed.
    case dense
    /// Measured by `calibrate`, on a text.
    case calibration(text: String)
    /// The activity a synthetic store was made for, with the reuse of such stores.
    case synthetic
    /// Nothing is known of the model.
    case assumed
    /// Counted in a recorded run.
    case recorded
  }

  /// With room for this part of the neurons, this part of a token's is missing.
  package struct Point: Sendable, Equatable {
    package var room: Double
    package var missRate: Double

    package init(room: Double, missRate: Double) {
      self.room = room
      self.missRate = missRate
    }
  }

  /// Of all neurons, those computed for a token.
  package var fraction: Double
  /// By rising room.
  package var curve: [Point]
  package var source: Source

  /// - Precondition: `curve` is in ascending order of room, and not empty.
  package init(fraction: Double, curve: [Point], source: Source) {
    precondition(!curve.isEmpty, "a curve has points")
    precondition(
      zip(curve, curve.dropFirst()).allSatisfy { $0.room <= $1.room }, "a curve's room ascends")
    self.fraction = fraction
    self.curve = curve
    self.source = source
  }

  /// The part of a token's neurons that is missing, between points on a straight line.
  package func missRate(room: Double) -> Double {
    guard let next = curve.firstIndex(where: { $0.room >= room }) else {
      return curve[curve.count - 1].missRate
    }
    let (end, start) = (curve[next], curve[max(0, next - 1)])
    let span = end.room - start.room
    guard span > 0 else { return end.missRate }
    return start.missRate + (end.missRate - start.missRate) * (room - start.room) / span
  }

  /// Of the strides of `neuronsPerStride` neurons each, those of which one at least is computed,
  /// were neurons independent.
  package func strideFraction(neuronsPerStride: Int) -> Double {
    var silent = 1.0
    for _ in 0..<neuronsPerStride { silent *= 1 - fraction }
    return 1 - silent
  }
}

extension NeuronActivity {
  /// Every neuron, for every token.
  package static let dense = NeuronActivity(
    fraction: 1, curve: [Point(room: 0, missRate: 1), Point(room: 1, missRate: 0)], source: .dense)

  /// What a store tells of itself: its certificate, else what it was synthesized for, else an
  /// assumption.
  ///
  /// - Parameters:
  ///   - isSparse: whether only neurons that fire are computed.
  ///   - isPredicted: whether predictors name them.
  package init(_ store: WeightStore, isSparse: Bool, isPredicted: Bool) {
    self.init(
      manifest: store.manifest, certificate: store.calibration?.certificate, isSparse: isSparse,
      isPredicted: isPredicted)
  }

  init(manifest: StoreManifest, certificate: Certificate?, isSparse: Bool, isPredicted: Bool) {
    guard isSparse else {
      self = .dense
      return
    }
    if let certificate {
      self.init(
        fraction: isPredicted ? certificate.predictedActivity : certificate.trueActivity,
        newFractions: certificate.newFractionPerWindow,
        source: .calibration(text: certificate.textName))
    } else if let target = manifest.synthetic?.targetActivity {
      self.init(fraction: target, sharesMissing: Self.syntheticShares, source: .synthetic)
    } else {
      self.init(
        fraction: Self.assumedFraction, sharesMissing: Self.assumedShares, source: .assumed)
    }
  }

  /// From what windows of one, two, … tokens lack of the next token: the neurons of k + 1 tokens
  /// are those of k and what one more has beyond them, and an LRU of so much room holds them.
  package init(fraction: Double, newFractions: [Double], source: Source) {
    var points = [Point(room: 0, missRate: 1)]
    var room = fraction
    for new in newFractions where room < 1 {
      points.append(Point(room: room, missRate: new))
      room += fraction * new
    }
    points.append(Point(room: 1, missRate: 0))
    self.init(fraction: fraction, curve: points, source: source)
  }

  /// - Parameter sharesMissing: the part missing with room for so many times a token's neurons.
  private init(
    fraction: Double, sharesMissing: [(room: Double, missing: Double)], source: Source
  ) {
    let points = sharesMissing.map { Point(room: $0.room * fraction, missRate: $0.missing) }
    self.init(
      fraction: fraction,
      curve: [Point(room: 0, missRate: 1)] + points.filter { $0.room < 1 }
        + [Point(room: 1, missRate: 0)],
      source: source)
  }

  /// Of `synth --shape decilm-6b --active 0.08` under `lfru`, in `bench -n 64 -r 2` at 51 to 85 %
  /// of its bytes.
  private static let syntheticShares: [(room: Double, missing: Double)] = [
    (0.21, 0.859), (0.95, 0.363), (1.93, 0.130), (3.65, 0.073), (6.1, 0.032), (8.6, 0.018),
  ]

  /// A trained model's, in lack of anything nearer: 8 % of the neurons of the bundled sample fire
  /// over prose, and `lru` misses so many with room for 10, 25 and 50 % of them.
  private static let assumedFraction = 0.08
  private static let assumedShares: [(room: Double, missing: Double)] = [
    (1.25, 0.814), (3.125, 0.607), (6.25, 0.336),
  ]
}
