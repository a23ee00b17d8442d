/// A thread such as an engine's, for work that opens and closes models itself, one after another.
package actor EngineThread {
  private let executor = EngineExecutor()

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  package init() {}

  /// Runs `body` on the thread, which lives as long as the process.
  package func run<Result: Sendable>(
    _ body: @Sendable () throws -> Result
  ) rethrows -> Result {
    try body()
  }
}
