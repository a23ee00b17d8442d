/// SplitMix64: random numbers by seed. Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators" (OOPSLA 2014).
package struct SplitMix: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  package mutating func next(in range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &self)
  }

  package mutating func chance(_ probability: Double) -> Bool {
    probability > 0 && Double.random(in: 0..<1, using: &self) < probability
  }

  /// A number from 0 to bound - 1; the bias of the remainder does not matter here.
  package mutating func below(_ bound: Int) -> Int { Int(next() >> 1) % bound }

  /// A number from -1 to 1.
  package mutating func signed() -> Float { Float(next() >> 40) / Float(1 << 23) - 1 }
}
