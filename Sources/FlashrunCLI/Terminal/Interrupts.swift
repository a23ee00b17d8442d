internal import Dispatch
internal import Flashrun
internal import Glibc
internal import Synchronization

/// SIGINT and SIGTERM: the first one asks the work to stop, a second one ends the process at once.
///
/// A command that can stop in the middle registers what stops it; where nothing is registered the
/// first signal ends the process too (stores are written all or nothing, so nothing half-made
/// stays). Signals arrive on a dispatch queue, where ordinary code may run.
enum Interrupts {
  private struct State {
    var stop: (@Sendable () -> Void)?
    var received: ExitStatus?
  }
  private static let state = Mutex(State())
  // Written once, by `listen`, and read by nobody: it only keeps the sources alive.
  private nonisolated(unsafe) static let sources = [
    source(SIGINT, status: .interrupted), source(SIGTERM, status: .terminated),
  ]

  /// Begins to listen; called once at start.
  static func listen() {
    // A reader that goes away shows as EPIPE where it is written to: a trace ends, and the run goes
    // on; standard output ends the process quietly.
    _ = signal(SIGPIPE, SIG_IGN)
    for source in unsafe sources { source.activate() }
  }

  /// The exit status of the signal that came, if any.
  static var received: ExitStatus? { state.withLock { $0.received } }

  /// Runs `stop` at the first signal, or now if it has already come.
  static func onFirst(_ stop: @escaping @Sendable () -> Void) {
    let hasCome = state.withLock { state in
      state.stop = stop
      return state.received != nil
    }
    if hasCome { stop() }
  }

  private static func source(_ number: Int32, status: ExitStatus) -> any DispatchSourceSignal {
    _ = signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler {
      let stop = state.withLock { state -> (@Sendable () -> Void)? in
        defer { state.received = state.received ?? status }
        return state.received == nil ? state.stop : nil
      }
      guard let stop else { _exit(status.rawValue) }
      stop()
    }
    return source
  }
}
