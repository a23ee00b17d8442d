/// A model, opened from a store, that continues prompts.
///
/// All work runs on one thread of the engine's own, one generation after another in the order they
/// were asked for; the callers wait without holding a thread. What the engine holds in memory is
/// fixed when it is opened, within the limit.
public actor Engine {
  private let executor: EngineExecutor
  package let model: OpenModel

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// Opens the store at `path` and reads what will be resident.
  ///
  /// - Throws: when the store is missing or damaged, when the model does not fit the memory limit
  ///   (with the sum), and when the system refuses memory or reads.
  public init(opening path: String, options: EngineOptions = EngineOptions()) async throws {
    try await self.init(opening: path, options: options) { _, _ in }
  }

  /// - Parameter progress: called on the engine's thread with the bytes of resident weights read so
  ///   far, and of all.
  package init(
    opening path: String, options: EngineOptions, progress: @Sendable (Int, Int) -> Void
  ) async throws {
    let executor = EngineExecutor()
    self.executor = executor
    model = try await Opener(executor: executor).open(path, options, progress)
  }

  /// Continues a prompt; the work begins at once, or when the generations before it are done.
  ///
  /// Errors arrive through the sequence: what `EngineError` lists, and reads that failed. The
  /// engine stays usable after any of them.
  public nonisolated func generate(
    _ prompt: Prompt, options: GenerationOptions = GenerationOptions()
  ) -> Generation {
    let flag = CancellationFlag()
    let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
    continuation.onTermination = { _ in flag.cancel() }
    Task {
      await run(prompt, options, isCancelled: { flag.isCancelled }, continuation)
    }
    return Generation(stream: stream, flag: flag)
  }

  /// Runs `body` with the model on the engine's thread, for work that is not generation.
  package func withModel<Result: Sendable>(
    _ body: @Sendable (OpenModel) throws -> Result
  ) rethrows -> Result {
    try body(model)
  }

  private func run(
    _ prompt: Prompt, _ options: GenerationOptions, isCancelled: @escaping () -> Bool,
    _ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
  ) {
    do {
      let result = try model.generate(prompt, options: options, isCancelled: isCancelled) {
        continuation.yield($0)
      }
      continuation.yield(.finished(result))
      continuation.finish()
    } catch {
      continuation.finish(throwing: error)
    }
  }
}

/// Opens a model on the thread that will use it.
private actor Opener {
  private let executor: EngineExecutor

  init(executor: EngineExecutor) { self.executor = executor }

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  func open(
    _ path: String, _ options: EngineOptions, _ progress: @Sendable (Int, Int) -> Void
  ) throws -> sending OpenModel {
    try OpenModel(path: path, options: options, progress: progress)
  }
}
