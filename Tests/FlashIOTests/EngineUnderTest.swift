import FlashIO
import FlashTestSupport
import Testing

/// The engines that one test body runs over.
enum EngineUnderTest: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case uring
  case pread
  case simulated

  /// Those this kernel allows; `UringReadEngineTests` says when the ring is missing.
  static var available: [EngineUnderTest] {
    allCases.filter { $0 != .uring || UringReadEngine.probe() == nil }
  }

  var testDescription: String { rawValue }

  func make(
    files: [FlashFile], arena: DirectArena, queueDepth: Int = 64, capacity: Int = 8192,
    seed: UInt64 = 7
  ) throws -> any ReadEngine {
    switch self {
    case .uring:
      try UringReadEngine(
        files: files, arenas: [arena], queueDepth: queueDepth,
        capacity: max(capacity, queueDepth))
    case .pread:
      try PreadReadEngine(files: files, queueDepth: queueDepth, capacity: capacity)
    case .simulated:
      SimulatedReadEngine(
        files: files, queueDepth: queueDepth, capacity: capacity, seed: seed)
    }
  }
}
