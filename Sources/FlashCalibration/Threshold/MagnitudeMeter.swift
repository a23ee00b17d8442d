internal import FlashKernels
internal import FlashModel
internal import FlashWeights

/// Measures how much neurons contribute (|output| times the norm of the down row) by the magnitude
/// of their activated gate, or without one of their activated pre-activation, layer by layer.
final class MagnitudeMeter: TextObserver {
  private(set) var layers: [MagnitudeHistogram]
  private let activation: Activation
  /// Of each layer's neurons.
  private let downNorms: [[Float]]
  private let kernels: Kernels
  /// Bins of the piece of neurons that was decided last, `[tokenCount, pieceCount]`.
  private var bins: [UInt16] = []
  private var pieceFirst = 0
  private var pieceCount = 0
  /// One token's pre-activations on their way to magnitudes, and up products of zero.
  private var values: [Float] = []
  private var zeros: [Float] = []

  init(activation: Activation, downNorms: [[Float]], kernels: Kernels) {
    self.activation = activation
    self.downNorms = downNorms
    self.kernels = kernels
    layers = downNorms.map { _ in MagnitudeHistogram() }
  }

  /// Bytes for each neuron of a piece and each token, and for each neuron of the model.
  static let byteCounts = (perValue: 2, perNeuron: 4)

  func observe(
    inputs: UnsafePointer<Float>, unnormed: UnsafePointer<Float>, tokenCount: Int, layer: Int
  ) {}

  func observe(expert: Int, tokens: UnsafeBufferPointer<Int32>, layer: Int) {}

  func observe(
    preActivations: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int, count: Int,
    layer: Int
  ) {
    (pieceFirst, pieceCount) = (first, count)
    if bins.count < tokenCount * count {
      bins = Array(repeating: 0, count: tokenCount * count)
    }
    if values.count < count { values = Array(repeating: 0, count: count) }
    for token in 0..<tokenCount {
      let row = unsafe UnsafeBufferPointer(start: preActivations + token * stride, count: count)
      for place in 0..<count { unsafe values[place] = row[place] }
      activate(count)
      for place in 0..<count {
        bins[token * count + place] = UInt16(MagnitudeHistogram.bin(abs(values[place])))
      }
    }
  }

  /// Turns the first values into what an up product of 1, or of a clamped SwiGLU 0, makes of them.
  private func activate(_ count: Int) {
    guard activation == .clampedSwiGLU else {
      return unsafe kernels.activate(activation, &values, count: count)
    }
    zeros = Array(repeating: 0, count: count)
    unsafe values.withUnsafeMutableBufferPointer { values in
      guard let start = values.baseAddress else { return }
      unsafe kernels.activate(activation, gate: start, up: &zeros, count: count, into: start)
    }
  }

  func observe(
    outputs: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int,
    neurons: UnsafePointer<Int32>?, count: Int, layer: Int
  ) {
    unsafe downNorms[layer].withUnsafeBufferPointer { norms in
      for token in 0..<tokenCount {
        let row = unsafe outputs + token * stride
        for place in 0..<count {
          let neuron = first + (unsafe neurons.map { unsafe Int($0[place]) } ?? place)
          unsafe layers[layer].add(
            abs(row[place]) * norms[neuron],
            bin: Int(bins[token * pieceCount + neuron - pieceFirst]))
        }
      }
    }
  }
}

/// Contributions of a layer's (position, neuron) pairs by the magnitude of their gates, in bins
/// 1.6 % wide.
struct MagnitudeHistogram: Equatable {
  private var counts = [Int](repeating: 0, count: binCount)
  private var weights = [Double](repeating: 0, count: binCount)

  /// Mantissa bits that do not tell bins apart.
  private static let shift: UInt32 = 17
  /// What is smaller is in the first bin, whose lower edge is 0, and what is larger in the last.
  private static let least: Float = 0x1p-24
  private static let most: Float = 0x1p8
  private static let binCount = Int((most.bitPattern - least.bitPattern) >> shift) + 1

  /// A NaN is in the last bin.
  static func bin(_ magnitude: Float) -> Int {
    if magnitude < most {
      return Int((max(magnitude, least).bitPattern - least.bitPattern) >> shift)
    }
    return binCount - 1
  }

  /// The lower edge of a bin.
  private static func edge(_ bin: Int) -> Float {
    bin == 0 ? 0 : Float(bitPattern: least.bitPattern + UInt32(bin) << shift)
  }

  @inline(__always)
  mutating func add(_ contribution: Float, bin: Int) {
    counts[bin] += 1
    weights[bin] += contribution.isFinite ? Double(contribution) : 0
  }

  private var count: Int { counts.reduce(0, +) }
  private var weight: Double { weights.reduce(0, +) }

  /// The largest threshold above which lies this part of all contributions; 0 where nothing
  /// contributes.
  func threshold(keeping part: Double) -> Float {
    let wanted = part * weight
    guard wanted > 0 else { return 0 }
    var sum = 0.0
    for bin in weights.indices.reversed() {
      sum += weights[bin]
      if sum >= wanted { return Self.edge(bin) }
    }
    return 0
  }

  /// Of all pairs, those above an edge of a bin.
  func activity(above threshold: Float) -> Double {
    Double(counts[Self.bin(threshold)...].reduce(0, +)) / Double(max(1, count))
  }

  /// Of all contributions, those above an edge of a bin.
  func keptPart(above threshold: Float) -> Double {
    weight > 0 ? weights[Self.bin(threshold)...].reduce(0, +) / weight : 1
  }
}
