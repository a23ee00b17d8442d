import FlashWeights
internal import Glibc

/// Cosines and sines of rotate-half RoPE (Su et al., arXiv 2104.09864) for the positions of a
/// chunk.
///
/// Angles are rounded to f32 as transformers does, so that logits compare to 1e-4. With dynamic NTK
/// scaling the base depends on a length: all prompt positions use the whole prompt's length, later
/// positions their own; keys in the cache are not rotated again.
@safe struct RotaryEmbedding {
  /// Pairs that are rotated: half the rotary dimension.
  let pairCount: Int
  /// `[chunk, pairCount]`.
  let cosines: UnsafeMutablePointer<Float>
  let sines: UnsafeMutablePointer<Float>
  private let configuration: RotaryConfiguration
  private let frequencies: UnsafeMutablePointer<Float>

  init(_ configuration: RotaryConfiguration, chunk: Int, scratch: ScratchArena) {
    self.configuration = configuration
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
        unsafe cosines[index * pairCount + pair] = Float(cos(Double(angle)))
        unsafe sines[index * pairCount + pair] = Float(sin(Double(angle)))
      }
    }
  }

  private var isLengthDependent: Bool {
    if case .dynamic = configuration.scaling { true } else { false }
  }

  private func prepareFrequencies(length: Int) {
    let base = Self.base(configuration, length: length)
    for pair in 0..<pairCount {
      let exponent = Double(2 * pair) / Double(configuration.dimension)
      let frequency = 1 / pow(base, exponent)
      unsafe frequencies[pair] = Float(Self.scaled(frequency, configuration.scaling, pair: pair))
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

  /// transformers `_compute_linear_scaling_rope_parameters` and `_compute_llama3_parameters`.
  static func scaled(
    _ frequency: Double, _ scaling: RotaryConfiguration.Scaling, pair: Int = 0
  ) -> Double {
    switch scaling {
    case .none, .dynamic:
      return frequency
    case .divisors(let divisors):
      return frequency / Double(divisors[pair])
    case .linear(let factor):
      return frequency / factor
    case .llama3(let factor, let low, let high, let original):
      let wavelength = 2 * Double.pi / frequency
      if wavelength < Double(original) / high { return frequency }
      if wavelength > Double(original) / low { return frequency / factor }
      let smooth = (Double(original) / wavelength - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
  }
}
