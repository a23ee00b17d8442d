internal import Glibc

/// What goes wrong on the simulated device, and how long it takes.
package struct SimulatedFaults: Sendable {
  /// Virtual nanoseconds a read takes.
  package var latency: ClosedRange<Int> = 20_000...900_000
  /// How often a read brings only some of its bytes, 0...1.
  package var shortReadChance = 0.0
  /// How often a read fails with `failureCode`, 0...1.
  package var failureChance = 0.0
  package var failureCode: Int32 = EIO
  /// How often a read fails with EINTR, 0...1.
  package var interruptionChance = 0.0
  /// From this many reads on all fail with ENODEV.
  package var deviceGoneAfter: Int?

  package init() {}
}

/// SplitMix64 (Steele, Lea, Flood 2014): random numbers by seed.
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
}
