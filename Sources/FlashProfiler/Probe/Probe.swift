package import FlashIO

/// Measures a target by a plan: coldness first, while nothing is cached; then random reads by size
/// and depth, reads in order, the ways to read, and how reading goes on.
package struct Probe {
  /// What is done, for a progress bar.
  package typealias Progress = (_ done: Int, _ total: Int) -> Void

  private let target: ProbeTarget
  private let plan: ProbePlan
  private let isCancelled: @Sendable () -> Bool
  private let progress: Progress
  private let method: ReadLoad.Method
  private var arena: DirectArena
  private var result: ProbeResult
  private var doneCount = 0
  private var totalCount = 0
  private var failureCount = 0
  private var firstFailure: ReadFailure?

  /// A device that fails this often is not asked again.
  private static let failureLimit = 3

  /// - Parameters:
  ///   - target: prepared.
  ///   - clock: the time of the report, as `2026-11-21T14:20:00Z`.
  /// - Throws: `ArenaFailure` where there is not even memory for one read.
  package init(
    target: ProbeTarget, plan: ProbePlan, environment: ProbeEnvironment, clock: String,
    isCancelled: @escaping @Sendable () -> Bool, progress: @escaping Progress
  ) throws(ArenaFailure) {
    self.target = target
    self.plan = plan
    self.isCancelled = isCancelled
    self.progress = progress
    method = environment.uringRefusal == nil ? .uring : .pread
    result = ProbeResult(target: target, environment: environment, measuredAt: clock)
    let room = max(ProbePlan.sequentialByteCount, (MemoryLimits()?.trulyFree ?? 1 << 30) / 4)
    let wanted = min(plan.sizes.max() ?? 0, room) * (plan.depths.max() ?? 1)
    let byteCount = max(
      ProbePlan.sequentialByteCount * 32, min(wanted, room, ProbePlan.arenaByteCount))
    arena = try DirectArena(byteCount: min(byteCount, room), prefault: true)
  }

  /// Measures until the plan is done or `isCancelled`; what fails is remarked on and left out.
  ///
  /// - Throws: `ReadFailure` where nothing at all could be read.
  package mutating func run() throws(ReadFailure) -> ProbeResult {
    let sizes = usableSizes()
    let methods = plan.methodSizes.filter(isUsable)
    let ways = ReadLoad.Method.allCases.filter { $0 != .uring || method == .uring }
    totalCount =
      sizes.count * plan.depths.count + (storeByteCount == nil ? 0 : plan.depths.count)
      + ProbePlan.sequentialDepths.count + methods.count * plan.methodDepths.count * ways.count + 2
    checkColdness()
    for size in sizes {
      for depth in plan.depths { measure(\.sweep, byteCount: size, depth: depth) }
    }
    if let storeByteCount {
      for depth in plan.depths { measure(\.store, byteCount: storeByteCount, depth: depth) }
    }
    let long = min(ProbePlan.sequentialByteCount, arena.byteCount)
    for depth in ProbePlan.sequentialDepths {
      measure(\.sequential, byteCount: long, depth: depth, isRandom: false)
    }
    measureBurst(byteCount: long)
    for way in ways {
      for size in methods {
        for depth in plan.methodDepths {
          measure(\.methods, byteCount: size, depth: depth, method: way)
        }
      }
    }
    result.isComplete = !isCancelled()
    if result.sweep.isEmpty, let firstFailure { throw firstFailure }
    return result
  }

  private var storeByteCount: Int? {
    target.storeReadByteCount.flatMap { $0 <= arena.byteCount ? $0 : nil }
  }

  private func isUsable(_ size: Int) -> Bool {
    let file = target.file
    return size % file.unit == 0 && size <= file.byteCount / 4 && size <= arena.byteCount
  }

  /// The plan's sizes that the file, its unit and memory allow.
  private mutating func usableSizes() -> [Int] {
    let file = target.file
    let sizes = plan.sizes.filter(isUsable)
    let left = plan.sizes.filter { !sizes.contains($0) }
    if let smallest = left.min() {
      let reason =
        smallest % file.unit != 0
        ? "a read is a multiple of \(file.unit) bytes here"
        : smallest > arena.byteCount
          ? "there is no memory for more" : "the file has \(Quantity.bytes(file.byteCount))"
      let names = left.map(Quantity.bytes).joined(separator: ", ")
      result.remarks.append("reads of \(names) are left out: \(reason)")
    }
    return sizes
  }

  private mutating func checkColdness() {
    defer { step() }
    let file = target.file
    let size = max(4096, file.unit)
    let places = (0..<ProbePlan.coldnessReadCount).map { _ in
      Int.random(in: 0..<file.byteCount / size) * size
    }
    var load = ReadLoad(
      method: method, places: .listed(places), byteCount: size, depth: 1, duration: .seconds(2))
    load.forgetsPages = false
    guard let first = run(load) else { return }
    load.places = .listed(Array(places.prefix(first.samples.count)))
    guard let second = run(load) else { return }
    let facts = result.environment.storage
    result.coldness = Coldness(
      fileSystem: facts?.device.fileSystem ?? "", isInMemory: facts?.isInMemory ?? false,
      isDirect: file.isDirect, first: first.samples.map(\.total),
      second: second.samples.map(\.total))
  }

  private mutating func measureBurst(byteCount: Int) {
    defer { step() }
    let load = ReadLoad(
      method: method, places: .sequential(from: 0), byteCount: byteCount, depth: 32,
      duration: plan.burstDuration)
    if let found = run(load) { result.burst = BurstCurve(found, interval: 0.1) }
  }

  private mutating func measure(
    _ cells: WritableKeyPath<ProbeResult, [ProbeCell]>, byteCount: Int, depth: Int,
    isRandom: Bool = true,
    method: ReadLoad.Method? = nil
  ) {
    defer { step() }
    // Where a load begins differs each time, so that no cache knows it.
    let places: ReadLoad.Places =
      isRandom
      ? .random(seed: .random(in: .min ... .max))
      : .sequential(from: .random(in: 0..<target.file.byteCount))
    let load = ReadLoad(
      method: method ?? self.method, places: places, byteCount: byteCount, depth: depth,
      duration: plan.cellDuration)
    let before = ProcessorUse.now()
    guard let found = run(load), !found.samples.isEmpty else { return }
    result[keyPath: cells].append(
      ProbeCell(load, found, processor: ProcessorUse.now() - before))
  }

  /// Runs a load; nil where it fails or the probe is over.
  private mutating func run(_ load: ReadLoad) -> ReadLoadResult? {
    guard !isCancelled(), failureCount < Self.failureLimit else { return nil }
    do throws(ReadFailure) {
      return try load.run(file: target.file, arena: arena, isCancelled: isCancelled)
    } catch {
      failureCount += 1
      firstFailure = firstFailure ?? error
      result.remarks.append(
        "\(Quantity.bytes(load.byteCount)) at depth \(load.depth) (\(load.method.rawValue)): "
          + "\(error)")
      return nil
    }
  }

  private mutating func step() {
    doneCount += 1
    progress(doneCount, totalCount)
  }
}
