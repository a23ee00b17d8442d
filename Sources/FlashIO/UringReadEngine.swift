internal import Glibc

/// Reads by io_uring: a layer's reads go in with one system call and are awaited with another.
///
/// The arenas are registered, so that the kernel pins their pages once and not per read, and so are
/// the files. Either may be refused (`RLIMIT_MEMLOCK`); then reads go without, and `description`
/// says so. Ring calls: one in `submit`; in `wait` one where the batch fits the queue depth, else
/// at most two for each queue depth's worth of reads, apart from retries.
@safe package final class UringReadEngine: ReadEngine {
  package let description: ReadEngineDescription
  package var files: [FlashFile] { table.files }
  package var statistics: ReadStatistics { table.statistics }
  package var recorder: TraceRecorder? {
    get { table.recorder }
    set { table.recorder = newValue }
  }

  private var table: ReadTable
  private let ring: UringRing
  private let arenas: [DirectArena]
  private let queueDepth: Int
  private var owner = ThreadOwner()
  /// Set when the kernel takes no more calls for this ring.
  private var brokenCode: Int32?

  /// The most reads that a ring takes at a time.
  package static let maximumQueueDepth = 4096

  /// Makes a ring and registers what it can.
  ///
  /// - Parameters:
  ///   - arenas: where most destinations lie; kept alive by the engine. A destination elsewhere
  ///     is read without registration.
  ///   - capacity: the most reads outstanding at a time, at least the queue depth.
  /// - Throws: `UringRefusal` when the kernel gives no ring.
  package init(
    files: [FlashFile], arenas: [DirectArena], queueDepth: Int = 64, capacity: Int = 8192
  ) throws(UringRefusal) {
    precondition(
      (1...Self.maximumQueueDepth).contains(queueDepth), "a queue depth is 1 to 4096")
    precondition(capacity >= queueDepth, "the capacity is at least the queue depth")
    ring = try UringRing(queueDepth: queueDepth)
    table = ReadTable(files: files, capacity: capacity)
    self.arenas = arenas
    self.queueDepth = queueDepth
    var reasons = files.compactMap(\.fallbackSentence)
    if let reason = ring.register(arenas: arenas) { reasons.append(reason) }
    if let reason = ring.register(files: files) { reasons.append(reason) }
    description = ReadEngineDescription(
      kind: .uring, queueDepth: queueDepth, capacity: capacity,
      usesRegisteredBuffers: ring.hasRegisteredBuffers,
      usesRegisteredFiles: ring.hasRegisteredFiles,
      directUnit: files.commonDirectUnit, reasons: reasons)
  }

  deinit {
    awaitReadsInFlight()
  }

  /// Whether the kernel gives this process a ring, and why not.
  package static func probe() -> UringRefusal? {
    do throws(UringRefusal) {
      _ = try UringRing(queueDepth: 1)
      return nil
    } catch {
      return error
    }
  }

  package func submit(_ requests: UnsafeBufferPointer<ReadRequest>) throws(ReadFailure) -> ReadBatch
  {
    owner.check()
    if let brokenCode { throw ringFailure(brokenCode) }
    let now = bookCompletions()
    let batch = unsafe table.open(requests)
    try send(batch, at: now)
    return batch
  }

  package func submit(
    _ requests: UnsafeBufferPointer<ReadRequest>, addingTo batch: ReadBatch
  ) throws(ReadFailure) {
    owner.check()
    if let brokenCode { throw ringFailure(brokenCode) }
    let now = bookCompletions()
    unsafe table.extend(batch, with: requests)
    try send(batch, at: now)
  }

  /// Gives the kernel what the queue depth allows.
  private func send(_ batch: ReadBatch, at now: ContinuousClock.Instant) throws(ReadFailure) {
    fill()
    table.noteBusy(until: now, isPunctual: false)
    if ring.preparedCount > 0 { enter(waitingFor: 0) }
    table.noteInFlight()
    if let brokenCode {
      try? table.close(batch)
      throw ringFailure(brokenCode)
    }
  }

  package func wait(for batch: ReadBatch) throws(ReadFailure) {
    owner.check()
    let start = bookCompletions()
    if !table.isComplete(batch) {
      var now = start
      table.favoredBatch = batch
      while !table.isComplete(batch) {
        fill()
        table.noteBusy(until: now, isPunctual: false)
        enter(waitingFor: table.completionsToAwait(for: batch, queueDepth: queueDepth))
        reap()
        now = ContinuousClock.now
        table.noteBusy(until: now, isPunctual: true)
      }
      table.noteWait(now - start)
      table.noteInFlight()
    }
    try table.close(batch)
  }

  package func isComplete(_ batch: ReadBatch) -> Bool {
    owner.check()
    look()
    return table.isComplete(batch)
  }

  package func look() {
    guard table.inFlightCount > 0 else { return }
    // Entered first: a completion that the kernel has not posted must not count as busy time.
    if ring.hasHiddenCompletions { enter(waitingFor: 0) }
    let now = bookCompletions()
    fill()
    table.noteBusy(until: now, isPunctual: false)
    if ring.preparedCount > 0 { enter(waitingFor: 0) }
  }

  package func collectReads() { table.recorder?.collect() }

  package func drain() {
    awaitReadsInFlight()
    table.closeAll()
  }

  private func awaitReadsInFlight() {
    table.dropQueued()
    reap()
    while table.inFlightCount > 0 {
      enter(waitingFor: table.inFlightCount)
      reap()
      table.dropQueued()
    }
  }

  /// Prepares queued reads as long as the queue depth allows.
  private func fill() {
    while table.inFlightCount < queueDepth, let read = unsafe table.take() {
      unsafe ring.prepare(read)
    }
  }

  /// Books the completions that are there, and until when the device was surely busy.
  private func bookCompletions() -> ContinuousClock.Instant {
    reap()
    let now = ContinuousClock.now
    table.noteBusy(until: now, isPunctual: false)
    return now
  }

  /// Books every completion the kernel has posted; no system call.
  private func reap() {
    while let completion = ring.nextCompletion() {
      table.complete(entry: completion.entry, result: completion.result)
    }
  }

  /// One ring call: gives prepared reads to the kernel, and blocks until `count` completions are
  /// posted.
  private func enter(waitingFor count: Int) {
    table.noteRingCall()
    guard let code = ring.enter(waitingFor: count) else { return }
    // Interrupted, or short of memory for requests: what was not taken stays prepared.
    if code == EINTR || code == EAGAIN || code == EBUSY { return }
    breakDown(code)
  }

  /// The ring is of no more use: everything outstanding fails with the ring's error.
  private func breakDown(_ code: Int32) {
    brokenCode = code
    ring.close()
    while let read = unsafe table.take() {
      table.complete(entry: unsafe read.entry, result: -Int(code))
    }
    table.failInFlight(code: code)
  }

  private func ringFailure(_ code: Int32) -> ReadFailure {
    ReadFailure(
      code: code, path: "io_uring", extent: FileExtent(offset: 0, byteCount: 0),
      likelyCause: "the kernel takes no more calls for this ring")
  }
}
