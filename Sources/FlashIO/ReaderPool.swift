internal import Glibc

/// The threads of the pread engine, and the lock around the table they share with its caller.
///
/// One lock guards everything that changes; a reader holds it while it takes or books a read, never
/// while it reads.
@safe final class ReaderPool: @unchecked Sendable {
  private(set) var readerCount = 0

  private var table: ReadTable
  private var isStopping = false
  private var threads: [pthread_t] = []
  // At fixed addresses, as POSIX wants them.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// Signalled when reads are queued, and when the readers are to end.
  private let work: UnsafeMutablePointer<pthread_cond_t>
  /// Signalled when a read that somebody may wait for is complete.
  private let done: UnsafeMutablePointer<pthread_cond_t>

  init(table: ReadTable, readerCount: Int) throws(ReaderFailure) {
    self.table = table
    unsafe lock = .allocate(capacity: 1)
    unsafe work = .allocate(capacity: 1)
    unsafe done = .allocate(capacity: 1)
    unsafe pthread_mutex_init(lock, nil)
    unsafe pthread_cond_init(work, nil)
    unsafe pthread_cond_init(done, nil)
    threads.reserveCapacity(readerCount)
    let code = start(readerCount)
    self.readerCount = threads.count
    // A few readers read as well as many; none is a failure.
    if let code, threads.isEmpty { throw ReaderFailure(code: code) }
  }

  deinit {
    unsafe pthread_mutex_destroy(lock)
    unsafe pthread_cond_destroy(work)
    unsafe pthread_cond_destroy(done)
    unsafe lock.deallocate()
    unsafe work.deallocate()
    unsafe done.deallocate()
  }

  func locked<Result>(_ body: (inout ReadTable) -> Result) -> Result {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    return body(&table)
  }

  /// Wakes as many readers as there are new reads.
  func announceWork(count: Int) {
    if count == 1 {
      unsafe pthread_cond_signal(work)
    } else if count > 1 {
      unsafe pthread_cond_broadcast(work)
    }
  }

  /// Blocks until every read of `batch` is complete.
  func await(_ batch: ReadBatch) {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    guard !table.isComplete(batch) else { return }
    let start = ContinuousClock.now
    table.favoredBatch = batch
    while !table.isComplete(batch) { unsafe pthread_cond_wait(done, lock) }
    table.noteWait(ContinuousClock.now - start)
    table.noteInFlight()
  }

  /// Drops what is queued, awaits what is in flight, forgets every batch.
  func drain() {
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    table.dropQueued()
    while table.inFlightCount > 0 {
      unsafe pthread_cond_wait(done, lock)
      table.dropQueued()
    }
    table.closeAll()
  }

  /// Drains, ends the readers and joins them.
  func stop() {
    drain()
    unsafe pthread_mutex_lock(lock)
    isStopping = true
    unsafe pthread_mutex_unlock(lock)
    unsafe pthread_cond_broadcast(work)
    for thread in threads { pthread_join(thread, nil) }
    threads.removeAll()
  }

  /// Starts readers until there are `count`; returns the error number where one does not start.
  private func start(_ count: Int) -> Int32? {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    // Readers only call pread; libraries may want some of it for their thread-local variables.
    unsafe pthread_attr_setstacksize(&attributes, 256 << 10)
    defer { unsafe pthread_attr_destroy(&attributes) }
    // Readers inherit a mask that leaves every signal, Ctrl-C above all, to the other threads.
    var everySignal = sigset_t()
    var previous = sigset_t()
    unsafe sigfillset(&everySignal)
    unsafe pthread_sigmask(SIG_SETMASK, &everySignal, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }
    for _ in 0..<count {
      var thread = pthread_t()
      let pool = unsafe Unmanaged.passRetained(self)
      let code = unsafe pthread_create(&thread, &attributes, readUntilStopped, pool.toOpaque())
      guard code == 0 else {
        unsafe pool.release()
        return code
      }
      threads.append(thread)
    }
    return nil
  }

  /// A reader's life: take, read, book.
  fileprivate func serve() {
    unsafe pthread_mutex_lock(lock)
    while !isStopping {
      guard let read = unsafe table.take() else {
        unsafe pthread_cond_wait(work, lock)
        continue
      }
      let file = unsafe table.files[read.fileIndex]
      table.noteBusy(until: ContinuousClock.now, isPunctual: true)
      unsafe pthread_mutex_unlock(lock)
      let result = unsafe file.readOnce(
        offset: read.offset, byteCount: read.byteCount, into: read.destination)
      unsafe pthread_mutex_lock(lock)
      unsafe table.complete(entry: read.entry, result: result)
      table.noteBusy(until: ContinuousClock.now, isPunctual: true)
      if table.inFlightCount == 0 || isFavoredComplete { unsafe pthread_cond_signal(done) }
    }
    unsafe pthread_mutex_unlock(lock)
  }

  private var isFavoredComplete: Bool {
    guard let batch = table.favoredBatch else { return false }
    return table.isComplete(batch)
  }
}

private func readUntilStopped(_ pool: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let pool = unsafe pool {
    unsafe Unmanaged<ReaderPool>.fromOpaque(pool).takeRetainedValue().serve()
  }
  return nil
}
