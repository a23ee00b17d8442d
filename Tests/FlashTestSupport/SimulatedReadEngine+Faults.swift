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
