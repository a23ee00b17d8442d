/// What brings extents of files into memory: io_uring, a pool of readers, or a simulation.
///
/// The caller submits all reads of a layer at once, computes meanwhile, and waits once. Every
/// engine has the same contract, so that one test body proves all of them:
/// - after `init` no call allocates, unless it throws;
/// - an engine is used by one thread: the one that submits first. A ring's requests die with the
///   thread that submitted them, so every engine traps when another thread submits or waits;
/// - when `wait` returns or throws, no read of that batch is in flight any more, so its memory may
///   be reused; after a failure the engine stays usable;
/// - at most `capacity` reads may be outstanding (submitted and not yet waited for).
package protocol ReadEngine: AnyObject {
  /// What this engine is, and what it wanted to be and was refused.
  var description: ReadEngineDescription { get }

  /// The files that `ReadRequest.fileIndex` counts.
  var files: [FlashFile] { get }

  /// Totals since the engine was made.
  var statistics: ReadStatistics { get }

  /// Puts reads in flight, up to the queue depth in one ring call; the others are queued inside
  /// and go in as completions are seen in `wait` and `isComplete`.
  ///
  /// Every batch must be given to `wait` once, also an empty one.
  /// - Throws: `ReadFailure` when the kernel takes no reads at all; then nothing is in flight.
  /// - Precondition: every request is aligned to its file's unit, starts inside the file, and fits
  ///   the free capacity.
  func submit(_ requests: UnsafeBufferPointer<ReadRequest>) throws(ReadFailure) -> ReadBatch

  /// Adds reads to a batch that was not waited for, in the same way; they count as submitted after
  /// those it has. A batch of which a read failed takes no more: `wait` will throw.
  /// - Throws: as `submit`.
  func submit(
    _ requests: UnsafeBufferPointer<ReadRequest>, addingTo batch: ReadBatch
  ) throws(ReadFailure)

  /// Returns when every read of `batch` is complete; its queued reads go before other batches'.
  ///
  /// - Throws: the failure of the batch's first read (in the order submitted) that failed, after
  ///   those in flight came back and those queued were dropped.
  func wait(for batch: ReadBatch) throws(ReadFailure)

  /// Whether `wait(for:)` would return at once; never blocks, and lets queued reads go in.
  func isComplete(_ batch: ReadBatch) -> Bool

  /// Books what came back and lets queued reads go in; never blocks. Where nobody waits,
  /// `statistics` know of a completion only from here, so it is called now and then beside
  /// arithmetic. Engines that learn of completions by themselves need nothing.
  func look()

  /// Is told of every read that is submitted from here on and of every wait; nil costs nothing.
  /// Set where no read is outstanding; then only the engine's thread may use it.
  var recorder: TraceRecorder? { get set }

  /// Tells the recorder of the reads that came back and are not yet waited for.
  func collectReads()

  /// Waits for everything in flight and drops everything queued. Every batch is forgotten: it must
  /// not be waited for afterwards. For use after a failure, before buffers are reused, and at the
  /// end; any thread may call it while no other uses the engine.
  func drain()
}

/// Names a batch of reads between `submit` and `wait`.
package struct ReadBatch: Hashable, Sendable {
  /// The engine's place for the batch.
  package let slot: Int
  /// Counts the uses of the place, so that a stale batch is noticed.
  package let generation: Int

  package init(slot: Int, generation: Int) {
    self.slot = slot
    self.generation = generation
  }
}

extension ReadEngine {
  package func look() {}

  /// Submits reads held in an array.
  package func submit(_ requests: [ReadRequest]) throws(ReadFailure) -> ReadBatch {
    try unsafe requests.withUnsafeBufferPointer { (buffer) throws(ReadFailure) in
      try unsafe submit(buffer)
    }
  }

  /// Submits reads and waits for all of them.
  package func readAll(_ requests: [ReadRequest]) throws(ReadFailure) {
    let batch = try unsafe submit(requests)
    try wait(for: batch)
  }
}
