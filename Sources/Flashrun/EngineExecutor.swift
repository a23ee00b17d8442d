internal import Dispatch
internal import Glibc
internal import Synchronization

/// Runs an actor's jobs, one after another, on one POSIX thread that never ends.
///
/// io_uring requests belong to the thread that submitted them, and the threads of Swift's pool end
/// when idle, so an engine keeps its own. Jobs run in the order they came. The thread costs the
/// touched pages of its stack and lives as long as the process.
final class EngineExecutor: SerialExecutor {
  private let jobs = Mutex<[UnownedJob]>([])
  private let waiting = DispatchSemaphore(value: 0)

  init() {
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(self).toOpaque()
    let code = unsafe pthread_create(&thread, nil, runEngineThread, argument)
    precondition(code == 0, "the engine's thread could not be started: error \(code)")
    pthread_detach(thread)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    jobs.withLock { $0.append(unowned) }
    waiting.signal()
  }

  fileprivate func runForever() -> Never {
    while true {
      waiting.wait()
      let job = jobs.withLock { $0.removeFirst() }
      unsafe job.runSynchronously(on: asUnownedSerialExecutor())
    }
  }
}

private func runEngineThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument = unsafe argument else { return nil }
  unsafe Unmanaged<EngineExecutor>.fromOpaque(argument).takeUnretainedValue().runForever()
}
