/// Which loads a probe runs, and for how long.
package struct ProbePlan: Sendable, Equatable {
  /// Sizes of random reads, and of each the queue depths.
  package var sizes: [Int]
  package var depths: [Int]
  package var cellDuration: Duration
  /// Sizes and depths at which the ways to read are compared.
  package var methodSizes: [Int]
  package var methodDepths: [Int]
  package var burstDuration: Duration
  /// Of a file that is made.
  package var fileByteCount: Int

  /// About 10 s.
  package static let quick = ProbePlan(
    sizes: [4 << 10, 16 << 10, 128 << 10, 1 << 20], depths: [1, 4, 8, 32],
    cellDuration: .milliseconds(250), methodSizes: [4 << 10, 128 << 10], methodDepths: [1, 32],
    burstDuration: .milliseconds(1500), fileByteCount: 1 << 30)

  /// About a minute.
  package static let standard = ProbePlan(
    sizes: stride(from: 12, through: 24, by: 2).map { 1 << $0 },
    depths: [1, 2, 4, 8, 16, 32, 64], cellDuration: .milliseconds(500),
    methodSizes: [4 << 10, 128 << 10], methodDepths: [1, 32], burstDuration: .seconds(10),
    fileByteCount: 4 << 30)

  /// About five minutes.
  package static let full = ProbePlan(
    sizes: (12...24).map { 1 << $0 }, depths: [1, 2, 4, 8, 16, 32, 64], cellDuration: .seconds(2),
    methodSizes: [4 << 10, 16 << 10, 128 << 10, 1 << 20], methodDepths: [1, 8, 32],
    burstDuration: .seconds(60), fileByteCount: 4 << 30)

  /// Of the reads in order.
  static let sequentialByteCount = 1 << 20
  static let sequentialDepths = [1, 4, 8, 32]
  /// Places of the check for caches.
  static let coldnessReadCount = 128
  /// Memory for reads in flight; what does not fit shares it.
  static let arenaByteCount = 256 << 20
}
