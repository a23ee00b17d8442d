import FlashWeights
internal import Glibc

/// The tables of every RoPE that a model has.
struct RotaryTables {
  private let global: RotaryEmbedding?
  private let local: RotaryEmbedding?

  init(_ configuration: ModelConfiguration, chunk: Int, scratch: ScratchArena) {
    if case .rotary(let rotary) = configuration.positions {
      global = RotaryEmbedding(rotary, chunk: chunk, scratch: scratch)
    } else {
      global = nil
    }
    local = configuration.localRotary.map {
      RotaryEmbedding($0, chunk: chunk, scratch: scratch)
    }
  }

  /// The RoPE of a layer; nil where it has none.
  subscript(layer: LayerConfiguration) -> RotaryEmbedding? {
    switch layer.rotary {
    case nil: global
    case .local?: local
    case .some(.none): nil
    }
  }

  /// Fills the tables for `count` positions from `position` on.
  func prepare(position: Int, count: Int, promptEnd: Int) {
    global?.prepare(position: position, count: count, promptEnd: promptEnd)
    local?.prepare(position: position, count: count, promptEnd: promptEnd)
  }
}

/// Cosines and sines of rotate-half RoPE (Su et al., arXiv 2104.09864) for the positions of a
/// chunk.
///
/// Angles are rounded to f32 as transformers does, so that logits compare to 1e-4. With dynamic NTK
/// scaling the base depends on a length, and so do LongRoPE's divisors: all prompt positions use
/// the whole prompt's length, later positions their own; keys in the cache are not rotated again.
@safe struct RotaryEmbedding {
  /// Pairs that are rotated: half the rotary dimension.
  let pairCount: Int
  /// `[chunk, pairCount]`.
  let cosines: UnsafeMutablePointer<Float>
  let sines: UnsafeMutablePointer<Float>
  private let configuration: RotaryConfiguration
  private let frequencies: UnsafeMutablePointer<Float>
  private let magnitude: Float

  init(_ configuration: RotaryConfiguration, chunk: Int, scratch: ScratchArena) {
    self.configuration = configuration
    magnitude = Self.magnitude(configuration.scaling)
    pairCount = configuration.dimension / 2
    unsafe cosines = scratch.take(Float.self, chunk * pairCount)
    unsafe sines = scratch.take(Float.self, chunk * pairCount)
    unsafe frequencies = scratch.take(Float.self, pairCount)
  }

  /// Fills the tables for `count` positions from `position` on.
  func prepare(position: Int, count: Int, promptEnd: Int) {
    var preparedLength: Int?
    for index in 0..<count {
      let current = position + index
      let length = current < promptEnd ? promptEnd : current + 1
      if preparedLength == nil || isLengthDependent && preparedLength != length {
        prepareFrequencies(length: length)
        preparedLength = length
      }
      for pair in 0..<pairCount {
        let angle = unsafe Float(current) * frequencies[pair]
        unsafe cosines[index * pairCount + pair] = Float(cos(Double(angle))) * magnitude
        unsafe sines[index * pairCount + pair] = Float(sin(Double(angle))) * magnitude
      }
    }
  }

  private var isLengthDependent: Bool {
    switch configuration.scaling {
    case .dynamic, .longRope: true
    default: false
    }
  }

  private func prepareFrequencies(length: Int) {
    let base = Self.base(configuration, length: length)
    for pair in 0..<pairCount {
      let exponent = Double(2 * pair) / Double(configuration.dimension)
      let frequency = 1 / pow(base, exponent)
      unsafe frequencies[pair] = Float(
        Self.scaled(frequency, pair: pair, length: length, configuration))
    }
  }

  /// transformers `_compute_dynamic_ntk_parameters`; the plain base up to the trained length.
  static func base(_ configuration: RotaryConfiguration, length: Int) -> Double {
    guard case .dynamic(let factor, let trained) = configuration.scaling, length > trained else {
      return configuration.base
    }
    let dimension = Double(configuration.dimension)
    let stretch = factor * Double(length) / Double(trained) - (factor - 1)
    return configuration.base * pow(stretch, dimension / (dimension - 2))
  }

  /// What cosines and sines are multiplied with.
  static func magnitude(_ scaling: RotaryConfiguration.Scaling) -> Float {
    switch scaling {
    case .yarn(_, let magnitude, _, _, _, _), .longRope(_, _, let magnitude, _): Float(magnitude)
    default: 1
    }
  }

  /// transformers `_compute_linear_scaling_rope_parameters`, `_compute_llama3_parameters`,
  /// `_compute_yarn_parameters` and `_compute_longrope_parameters`.
  static func scaled(
    _ frequency: Double, pair: Int, length: Int, _ configuration: RotaryConfiguration
  ) -> Double {
    switch configuration.scaling {
    case .none, .dynamic:
      return frequency
    case .divisors(let divisors):
      return frequency / Double(divisors[pair])
    case .linear(let factor):
      return frequency / factor
    case .longRope(let short, let long, _, let original):
      return frequency / Double(length > original ? long[pair] : short[pair])
    case .llama3(let factor, let low, let high, let original):
      let wavelength = 2 * Double.pi / frequency
      if wavelength < Double(original) / high { return frequency }
      if wavelength > Double(original) / low { return frequency / factor }
      let smooth = (Double(original) / wavelength - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    case .yarn(let factor, _, let fast, let slow, let original, let isTruncated):
      var low = place(turning: fast, over: original, configuration)
      var high = place(turning: slow, over: original, configuration)
      if isTruncated { (low, high) = (low.rounded(.down), high.rounded(.up)) }
      low = max(low, 0)
      high = min(high, Double(configuration.dimension - 1))
      if low == high { high += 0.001 }
      let ramp = min(max((Double(pair) - low) / (high - low), 0), 1)
      return frequency / factor * ramp + frequency * (1 - ramp)
    }
  }

  /// The pair, not whole, that turns so often over some positions. (No local function: those keep
  /// what they capture on the heap.)
  private static func place(
    turning turns: Double, over positions: Int, _ configuration: RotaryConfiguration
  ) -> Double {
    Double(configuration.dimension) * log(Double(positions) / (turns * 2 * Double.pi))
      / (2 * log(configuration.base))
  }
}
