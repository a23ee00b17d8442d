internal import Glibc

/// The reads an engine has not yet handed back: which are queued, which are in flight, which batch
/// they belong to, and what remains of each. The same for every engine, so that short reads,
/// failures and batches mean the same everywhere.
///
/// Sized at `init`; nothing is allocated afterwards. Queued reads go batch after batch in the order
/// submitted, but the batch being waited for goes first: read-ahead never delays a demand read.
@safe package struct ReadTable {
  /// A batch is remembered until it is waited for; more than this many at a time is a wrong call.
  package static let batchCapacity = 64

  package let capacity: Int
  package let files: [FlashFile]
  package internal(set) var statistics = ReadStatistics()
  /// Reads taken and not yet completed.
  package internal(set) var inFlightCount = 0
  /// Reads accepted and not yet taken.
  package internal(set) var queuedCount = 0
  /// The batch whose queued reads go first.
  package var favoredBatch: ReadBatch?
  /// Is told of reads and waits; nil costs a look at each.
  package var recorder: TraceRecorder?

  /// One for each outstanding read; free ones are chained from `firstFree`, queued ones from their
  /// batch's `firstQueued`.
  var entries: [Entry]
  var batches: [Batch]
  var firstFree = 0
  var freeCount: Int
  /// The batch whose turn it is.
  var currentSlot = none
  private var lastGeneration = 0
  /// When reads were last known to be in flight; nil where none are.
  private var busySince: ContinuousClock.Instant?

  /// Ends a chain.
  static let none = -1

  package init(files: [FlashFile], capacity: Int) {
    precondition(capacity > 0, "a read engine needs room for at least one read")
    self.files = files
    self.capacity = capacity
    freeCount = capacity
    unsafe entries = (0..<capacity).map {
      unsafe Entry(next: $0 + 1 < capacity ? $0 + 1 : Self.none)
    }
    batches = Array(repeating: Batch(), count: Self.batchCapacity)
  }

  /// Queues `requests` as a new batch.
  package mutating func open(_ requests: UnsafeBufferPointer<ReadRequest>) -> ReadBatch {
    guard let slot = batches.firstIndex(where: { !$0.isOpen }) else {
      preconditionFailure("more than \(Self.batchCapacity) batches that were not waited for")
    }
    lastGeneration += 1
    batches[slot] = Batch()
    batches[slot].isOpen = true
    batches[slot].generation = lastGeneration
    let batch = ReadBatch(slot: slot, generation: lastGeneration)
    unsafe extend(batch, with: requests)
    return batch
  }

  /// Queues further `requests` in a batch that was not waited for; one that failed takes none.
  package mutating func extend(
    _ batch: ReadBatch, with requests: UnsafeBufferPointer<ReadRequest>
  ) {
    precondition(requests.count <= freeCount, "more reads outstanding than the engine's capacity")
    // Before others go in, so that no more reads come back in between than are outstanding.
    recorder?.collect()
    guard self[batch].failure == nil else { return }
    for index in requests.indices {
      unsafe enqueue(
        requests[index], order: batches[batch.slot].requestCount, batch: batch.slot)
      batches[batch.slot].requestCount += 1
    }
  }

  /// Whether no read of the batch is queued or in flight.
  package func isComplete(_ batch: ReadBatch) -> Bool {
    queuedCount(of: batch) == 0 && inFlightCount(of: batch) == 0
  }

  package func queuedCount(of batch: ReadBatch) -> Int { self[batch].queuedCount }
  package func inFlightCount(of batch: ReadBatch) -> Int { self[batch].inFlightCount }

  /// Forgets a complete batch.
  /// - Throws: the batch's failure.
  package mutating func close(_ batch: ReadBatch) throws(ReadFailure) {
    precondition(isComplete(batch), "a batch is closed when it is complete")
    recorder?.collect()
    batches[batch.slot].isOpen = false
    if favoredBatch == batch { favoredBatch = nil }
    guard let failure = batches[batch.slot].failure else { return }
    throw ReadFailure(
      code: failure.code, path: files[failure.fileIndex].path, extent: failure.extent,
      foundByteCount: failure.foundByteCount)
  }

  /// Drops what is queued in every batch, so that nothing new goes in.
  package mutating func dropQueued() {
    for slot in batches.indices where batches[slot].isOpen { dropQueued(batch: slot) }
  }

  /// Forgets every batch; nothing may be queued or in flight.
  package mutating func closeAll() {
    precondition(inFlightCount == 0 && queuedCount == 0, "every read came back or was dropped")
    for slot in batches.indices { batches[slot].isOpen = false }
    favoredBatch = nil
    busySince = nil
  }

  /// Books the time since the last call as busy where reads are still in flight, or where the last
  /// of them came back just now (`isPunctual`). Engines call it before they put reads in flight,
  /// after that with the same `now`, and after they booked completions.
  package mutating func noteBusy(until now: ContinuousClock.Instant, isPunctual: Bool) {
    if let busySince, inFlightCount > 0 || isPunctual { statistics.busy += now - busySince }
    busySince = inFlightCount > 0 ? now : nil
  }

  package mutating func noteRingCall() { statistics.ringCallCount += 1 }

  /// Books a wait that ended just now.
  package mutating func noteWait(_ duration: Duration) {
    statistics.waitCount += 1
    statistics.waited += duration
    guard let recorder else { return }
    let end = MonotonicClock.nanoseconds
    let parts = duration.components
    let nanoseconds = Int(parts.seconds) * 1_000_000_000 + Int(parts.attoseconds / 1_000_000_000)
    recorder.record(.stall, from: end - nanoseconds, to: end)
  }

  /// Tells the recorder how many reads are in flight; called on the thread that submits, after
  /// reads went in or came back.
  package func noteInFlight() {
    recorder?.note(readsInFlight: inFlightCount, at: MonotonicClock.nanoseconds)
  }

  private subscript(batch: ReadBatch) -> Batch {
    let found = batches[batch.slot]
    precondition(
      found.isOpen && found.generation == batch.generation, "this batch was waited for already")
    return found
  }

  private mutating func enqueue(_ request: ReadRequest, order: Int, batch slot: Int) {
    let extent = unsafe request.extent
    let file = unsafe files[request.fileIndex]
    let address = unsafe Int(bitPattern: request.destination)
    precondition(extent.byteCount > 0, "a read asks for at least one byte")
    precondition(
      extent.offset % file.unit == 0 && extent.byteCount % file.unit == 0
        && address % file.memoryAlignment == 0,
      "a read is aligned to the file's direct-I/O unit")
    precondition(
      extent.offset >= 0 && extent.offset < file.byteCount
        && extent.end < file.byteCount + file.unit,
      "a read lies in the file, up to the unit that holds its end")
    let index = firstFree
    firstFree = unsafe entries[index].next
    freeCount -= 1
    unsafe entries[index] = unsafe Entry(
      fileIndex: request.fileIndex, extent: extent, destination: request.destination,
      batch: slot, order: order, trace: recorder.map { ReadTrace($0) }, next: Self.none)
    if batches[slot].queuedCount == 0 {
      batches[slot].firstQueued = index
    } else {
      unsafe entries[batches[slot].lastQueued].next = index
    }
    batches[slot].lastQueued = index
    batches[slot].queuedCount += 1
    queuedCount += 1
  }

  /// A read from `open` to its completion.
  @unsafe struct Entry {
    var fileIndex = 0
    var extent = FileExtent(offset: 0, byteCount: 0)
    /// Where the extent's first byte goes; nil only before the first use.
    var destination: UnsafeMutableRawPointer?
    /// Bytes that arrived, whole units.
    var doneByteCount = 0
    /// Times it came back without a further unit.
    var fruitlessCount = 0
    var isInFlight = false
    var batch = 0
    /// Position in the batch.
    var order = 0
    /// There for reads that were submitted while there was a recorder.
    var trace: ReadTrace?
    /// The next of the chain it is in.
    var next: Int
  }

  /// What a recorder is told of a read when it came back.
  struct ReadTrace {
    var number: Int
    var label: ReadLabel
    /// When it was put in flight first; 0 before that.
    var start = 0

    init(_ recorder: TraceRecorder) {
      number = recorder.nextReadNumber()
      label = recorder.label
    }
  }

  struct Batch {
    var isOpen = false
    var generation = 0
    /// Requests so far.
    var requestCount = 0
    var queuedCount = 0
    var inFlightCount = 0
    var firstQueued = ReadTable.none
    var lastQueued = ReadTable.none
    var failure: Failure?
  }

  /// What `ReadFailure` is made of, without its strings: booking a failure allocates nothing.
  struct Failure {
    var order: Int
    var code: Int32?
    var fileIndex: Int
    var extent: FileExtent
    var foundByteCount: Int
  }
}
