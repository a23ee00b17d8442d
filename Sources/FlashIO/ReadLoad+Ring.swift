internal import Glibc

/// A load on a ring.
extension ReadLoad {
  func runRing(
    file: FlashFile, arena: DirectArena, isCancelled: () -> Bool
  ) throws(ReadFailure) -> ReadLoadResult {
    let ring: UringRing
    do throws(UringRefusal) {
      ring = try UringRing(queueDepth: depth, isOneThread: !isInBatches)
    } catch {
      throw ringFailure(error.code)
    }
    _ = ring.register(arenas: [arena])
    _ = ring.register(files: [file])
    var load = RingLoad(self, file: file, arena: arena, ring: ring)
    return try load.run(isCancelled: isCancelled)
  }

  func ringFailure(_ code: Int32) -> ReadFailure {
    ReadFailure(
      code: code, path: "io_uring", extent: FileExtent(offset: 0, byteCount: 0),
      likelyCause: UringRefusal(code: code).description)
  }
}

/// The reads of a load that are in flight on a ring.
private struct RingLoad {
  let load: ReadLoad
  let file: FlashFile
  let arena: DirectArena
  let ring: UringRing
  let submissionCount: Int
  var places: PlaceSequence
  var samples: [ReadSample] = []
  /// By slot: when the read was wanted, when the kernel had it, and where it reads.
  var wanted: [Int]
  var issued: [Int]
  var offsets: [Int]
  var free: [Int]
  /// Slots prepared and not yet given to the kernel.
  var prepared: [Int] = []
  var inFlightCount = 0
  var missed = 0
  var failure: ReadFailure?
  var start = 0

  init(_ load: ReadLoad, file: FlashFile, arena: DirectArena, ring: UringRing) {
    self.load = load
    self.file = file
    self.arena = arena
    self.ring = ring
    submissionCount = load.isInBatches ? load.depth : ReadLoad.submissionCount(depth: load.depth)
    places = PlaceSequence(load, file: file)
    wanted = Array(repeating: 0, count: load.depth)
    issued = wanted
    offsets = wanted
    free = Array((0..<load.depth).reversed())
    prepared.reserveCapacity(load.depth)
    // Growing it in the middle would show as a late completion.
    samples.reserveCapacity(1 << 18)
  }

  mutating func run(isCancelled: () -> Bool) throws(ReadFailure) -> ReadLoadResult {
    start = MonotonicClock.nanoseconds
    let end = start + Int(load.duration / .nanoseconds(1))
    var isOver = false
    var hasRead = false
    repeat {
      let now = MonotonicClock.nanoseconds
      isOver = isOver || failure != nil || (hasRead && now >= end) || isCancelled()
      while !isOver, let slot = free.last {
        guard let offset = places.next() else {
          isOver = true
          break
        }
        free.removeLast()
        prepare(slot, at: offset, wanted: now)
        hasRead = true
        if prepared.count == submissionCount { try submit() }
      }
      try submit()
      if inFlightCount > 0, reap() == 0 { try enter(waitingFor: 1) }
    } while inFlightCount > 0 || !isOver
    if let failure { throw failure }
    return ReadLoadResult(
      samples: samples, byteCount: load.byteCount, nanoseconds: samples.last?.completion ?? 0)
  }

  private mutating func prepare(_ slot: Int, at offset: Int, wanted time: Int) {
    offsets[slot] = offset
    wanted[slot] = time
    let place = load.bufferOffset(slot: slot, arena: arena)
    unsafe ring.prepare(
      ReadTable.Read(
        entry: slot, fileIndex: 0, offset: offset, byteCount: load.byteCount,
        destination: arena.base + place))
    prepared.append(slot)
  }

  private mutating func submit() throws(ReadFailure) {
    guard !prepared.isEmpty else { return }
    inFlightCount += prepared.count
    repeat { try enter(waitingFor: 0) } while ring.preparedCount > 0
    let now = MonotonicClock.nanoseconds
    for slot in prepared { issued[slot] = now }
    prepared.removeAll(keepingCapacity: true)
  }

  /// Books what the kernel has posted; returns how many reads that were.
  private mutating func reap() -> Int {
    var count = 0
    var now = 0
    while let completion = ring.nextCompletion() {
      if count == 0 { now = MonotonicClock.nanoseconds }
      count += 1
      let slot = completion.entry
      inFlightCount -= 1
      free.append(slot)
      let problem = load.failure(
        result: completion.result, offset: offsets[slot], file: file, missed: &missed)
      failure = failure ?? problem
      guard completion.result == load.byteCount else { continue }
      samples.append(
        ReadSample(
          completion: now - start, latency: max(0, now - issued[slot]),
          submission: max(0, issued[slot] - wanted[slot])))
      if load.forgetsPages {
        file.forgetPages(of: FileExtent(offset: offsets[slot], byteCount: load.byteCount))
      }
    }
    return count
  }

  private func enter(waitingFor count: Int) throws(ReadFailure) {
    guard let code = ring.enter(waitingFor: count) else { return }
    if code == EINTR || code == EAGAIN || code == EBUSY { return }
    ring.close()
    throw load.ringFailure(code)
  }
}
