/// Random 64-bit words that depend only on what they are for: SplitMix64 (Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", 2014), started from a hash of the seed and the
/// place. Any thread may make any row, and the row is the same.
struct RandomBits: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = Self.mix(seed &+ Self.step) }

  /// The words of a part of what these words are for.
  func part(_ index: Int) -> RandomBits {
    RandomBits(seed: state ^ Self.mix(UInt64(bitPattern: Int64(index))))
  }

  /// The words of the part of this name.
  func part(_ name: String) -> RandomBits {
    name.utf8.reduce(self) { $0.part(Int($1)) }
  }

  private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

  @inline(__always)
  private static func mix(_ word: UInt64) -> UInt64 {
    var z = word
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  @inline(__always)
  mutating func next() -> UInt64 {
    state &+= Self.step
    return Self.mix(state)
  }

  /// A number of mean 0 and standard deviation 1: the sum of four uniform ones.
  mutating func normal() -> Float {
    let word = next()
    let sum = (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + word >> 48
    // Four values of 0...65535 have mean 131070 and variance 4 * (65536² - 1) / 12.
    return (Float(sum) - 131_070) / 37_836.9
  }
}
