internal import CFlashKernels
internal import Glibc
internal import Synchronization

/// The threads that share row maths. Work is split by output, so results do not depend on the
/// number of threads; locks and waits stay inside this file.
///
/// A run allocates nothing. Idle threads spin for some ten microseconds, the gap between two
/// matrices of a layer, then park until the next run.
package final class WorkerPool: Sendable {
  /// The threads that work on a run, the caller among them.
  package let threadCount: Int
  private let shared = Shared()
  private let threads: [pthread_t]

  /// Starts `threadCount - 1` threads. Traps if the system refuses one.
  package init(threadCount: Int) {
    precondition(threadCount > 0, "a worker pool needs a thread")
    self.threadCount = threadCount
    self.threads = (1..<threadCount).map { [shared] _ in
      var thread = pthread_t()
      let argument = unsafe Unmanaged.passRetained(shared).toOpaque()
      let code = unsafe pthread_create(
        &thread, nil,
        { argument in
          unsafe Unmanaged<Shared>.fromOpaque(argument!).takeRetainedValue().live()
          return nil
        }, argument)
      precondition(code == 0, "pthread_create failed with errno \(code)")
      return thread
    }
  }

  deinit {
    shared.stopping.store(true, ordering: .relaxed)
    shared.wake(workerCount: 0)
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Calls `body(part)` once for each part in 0..<partCount, on all threads, and returns when all
  /// calls have. Which thread takes a part is chance, so a part must not depend on it.
  ///
  /// Traps when called while a run is under way: from inside a body, or from a second thread.
  package func run(_ partCount: Int, _ body: (Int) -> Void) {
    run(partCount, beside: {}, body)
  }

  /// The same, and `aside` is called once on the caller's thread, which takes parts after it: what
  /// only the caller may do costs its thread some parts, not the whole pool a pause.
  package func run(_ partCount: Int, beside aside: () -> Void, _ body: (Int) -> Void) {
    precondition(
      !shared.running.exchange(true, ordering: .acquiring), "a worker pool runs one thing at a time"
    )
    defer { shared.running.store(false, ordering: .releasing) }
    if threadCount == 1 || partCount <= 1 {
      aside()
      for part in 0..<partCount { body(part) }
      return
    }
    var work = unsafe CFlashKernels_body()
    unsafe withUnsafeMutablePointer(to: &work) { pointer in
      unsafe keepBody(body, pointer)
      unsafe shared.work = UnsafePointer(pointer)
      shared.partCount = partCount
      shared.nextPart.store(0, ordering: .relaxed)
      shared.wake(workerCount: threadCount - 1)
      aside()
      shared.takeParts()
      shared.waitForWorkers()
    }
  }

  /// Part `index` of `parts` of 0..<count, cut at multiples of `granularity`; the parts cover all,
  /// in order, and differ by at most one granule.
  package static func split(count: Int, parts: Int, granularity: Int, index: Int) -> Range<Int> {
    precondition(parts > 0 && granularity > 0 && (0..<parts).contains(index), "no such part")
    let granules = (count + granularity - 1) / granularity
    let first = granules * index / parts * granularity
    let end = granules * (index + 1) / parts * granularity
    return min(first, count)..<min(end, count)
  }
}

/// Writes down the two words of a closure, so that other threads can call it while this one waits:
/// `withoutActuallyEscaping` would put it into a box on the heap.
@_silgen_name("CFlashKernels_keep_body")
private func keepBody(
  _ body: (Int) -> Void, _ place: UnsafeMutablePointer<CFlashKernels_body>)

/// What the pool and its threads share; it outlives the pool until the last thread has ended.
@safe
private final class Shared: @unchecked Sendable {
  /// Written by the caller of `run` before `generation` moves, read by workers after.
  nonisolated(unsafe) var work: UnsafePointer<CFlashKernels_body>?
  var partCount = 0

  let running = Atomic(false)
  let stopping = Atomic(false)
  let nextPart = Atomic(0)
  /// Moves when there is work, or the pool ends.
  let generation = Atomic<UInt>(0)
  /// Workers that have not finished this generation.
  let busy = Atomic(0)
  let parkedWorkers = Atomic(0)
  let callerParked = Atomic(false)

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let workArrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let workDone = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// About 20 µs of pauses.
  private static let spinCount = 1500

  init() {
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(workArrived, nil)
    unsafe pthread_cond_init(workDone, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(workDone)
    unsafe pthread_cond_destroy(workArrived)
    unsafe pthread_mutex_destroy(mutex)
    unsafe workDone.deallocate()
    unsafe workArrived.deallocate()
    unsafe mutex.deallocate()
  }

  /// The life of a worker thread.
  func live() {
    var seen: UInt = 0
    while true {
      seen = awaitGeneration(after: seen)
      if stopping.load(ordering: .relaxed) { return }
      takeParts()
      let left = busy.subtract(1, ordering: .sequentiallyConsistent).newValue
      if left == 0 && callerParked.load(ordering: .sequentiallyConsistent) {
        unsafe pthread_mutex_lock(mutex)
        unsafe pthread_cond_signal(workDone)
        unsafe pthread_mutex_unlock(mutex)
      }
    }
  }

  func takeParts() {
    while true {
      let part = nextPart.add(1, ordering: .relaxed).oldValue
      if part >= partCount { return }
      unsafe CFlashKernels_call_body(work, part)
    }
  }

  /// The stores to `generation` and `parkedWorkers` and the loads of the other are sequentially
  /// consistent: either the waker sees the sleeper, or the sleeper the new generation.
  func wake(workerCount: Int) {
    busy.store(workerCount, ordering: .relaxed)
    generation.add(1, ordering: .sequentiallyConsistent)
    if parkedWorkers.load(ordering: .sequentiallyConsistent) == 0 { return }
    unsafe pthread_mutex_lock(mutex)
    unsafe pthread_cond_broadcast(workArrived)
    unsafe pthread_mutex_unlock(mutex)
  }

  private func awaitGeneration(after seen: UInt) -> UInt {
    for _ in 0..<Self.spinCount {
      let now = generation.load(ordering: .acquiring)
      if now != seen { return now }
      CFlashKernels_pause()
    }
    unsafe pthread_mutex_lock(mutex)
    parkedWorkers.add(1, ordering: .sequentiallyConsistent)
    var now = generation.load(ordering: .sequentiallyConsistent)
    while now == seen {
      unsafe pthread_cond_wait(workArrived, mutex)
      now = generation.load(ordering: .sequentiallyConsistent)
    }
    parkedWorkers.subtract(1, ordering: .relaxed)
    unsafe pthread_mutex_unlock(mutex)
    return now
  }

  /// Returns when no worker uses the body any more.
  func waitForWorkers() {
    for _ in 0..<Self.spinCount {
      if busy.load(ordering: .acquiring) == 0 { return }
      CFlashKernels_pause()
    }
    unsafe pthread_mutex_lock(mutex)
    callerParked.store(true, ordering: .sequentiallyConsistent)
    while busy.load(ordering: .sequentiallyConsistent) != 0 {
      unsafe pthread_cond_wait(workDone, mutex)
    }
    callerParked.store(false, ordering: .relaxed)
    unsafe pthread_mutex_unlock(mutex)
  }
}
