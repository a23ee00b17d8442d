internal import Synchronization

/// A switch that any thread may turn on, and the engine looks at once a layer.
package final class CancellationFlag: Sendable {
  private let flag = Atomic(false)

  package init() {}

  package var isCancelled: Bool { flag.load(ordering: .relaxed) }

  package func cancel() { flag.store(true, ordering: .relaxed) }
}
