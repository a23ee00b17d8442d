internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow
internal import Flashrun
internal import Synchronization

/// `--trace FILE`: the file, and what a command says to it of its models and generations.
///
/// Whether it can be written is looked at before the model is opened; it is emptied only when the
/// first run begins, so that a run that is refused leaves an earlier trace as it was.
final class RunTrace: Sendable {
  private let path: String
  private let file = Mutex<TraceFile?>(nil)

  /// - Throws: `Failure` when the file cannot be written.
  init(path: String) throws(Failure) {
    self.path = path
    do throws(Failure) {
      try FileOutput.check(path)
    } catch {
      throw Failure(error.status, "--trace \(error.message)")
    }
  }

  /// Puts the trace's memory into the plan of a model.
  func plan(for store: WeightStore, _ options: inout EngineOptions) {
    let recorder = TraceRecorder.byteCount(
      readCapacity: Decoder.outstandingReads, strideCapacity: Self.strideCapacity(store.manifest))
    options.decoder.callerItems.append(
      MemoryPlan.Item(
        "trace", recorder + TraceFile.memoryByteCount, "events and text on their way to the file"))
  }

  /// Begins to record what a model does; on the thread that owns it.
  ///
  /// - Throws: `Failure` when the file cannot be written.
  func begin(_ model: OpenModel) throws(Failure) {
    model.decoder.recorder = try recorder(for: model)
  }

  /// Begins a run in the file; what its recorder is told while the decoder has it belongs to it.
  ///
  /// - Throws: `Failure` when the file cannot be written.
  func recorder(for model: OpenModel) throws(Failure) -> TraceRecorder {
    let file = try opened()
    file.begin(TraceHeader(model))
    return TraceRecorder(
      sink: file, readCapacity: model.decoder.readEngine.capacity,
      strideCapacity: Self.strideCapacity(model.store.manifest))
  }

  private func opened() throws(Failure) -> TraceFile {
    let path = path
    let opened = file.withLock { file -> Result<TraceFile, FileFailure> in
      if let file { return .success(file) }
      return Result { () throws(FileFailure) in try TraceFile(path: path) }.map {
        file = $0
        return $0
      }
    }
    do throws(FileFailure) {
      return try opened.get()
    } catch {
      throw Failure(
        .inputOutput, "--trace \(path) cannot be written: \(FileInput.text(of: error.code ?? 0))")
    }
  }

  /// Ends a generation with its figures.
  func end(_ result: GenerationResult, _ model: OpenModel) {
    model.decoder.flushTrace()
    file.withLock(\.self)?.append(
      TraceTotals(
        prompt: .init(result.statistics.prefill), decode: .init(result.statistics.decode),
        reason: result.reason.rawValue))
  }

  /// Closes the file and says what became of it.
  func report(on console: Console) {
    guard let file = file.withLock(\.self) else { return }
    file.close()
    let size = Units.bytes(file.byteCount)
    guard let failure = file.failure else {
      return console.notice("trace   \(file.path), \(size); `flashrun io trace` reads it")
    }
    console.warning(
      "\(file.path): \(FileInput.text(of: failure.code)); the trace ends after "
        + Units.bytes(failure.byteCount))
  }

  private static func strideCapacity(_ manifest: StoreManifest) -> Int {
    manifest.bundles.map(\.strideCount).max() ?? 0
  }
}

extension TraceHeader {
  init(_ model: OpenModel) {
    let (store, decoder) = (model.store, model.decoder)
    self.init(
      generator: Version.generator, store: store.path, manifest: store.manifest,
      plan: decoder.plan,
      run: Run(
        mode: decoder.mode.rawValue, instructionSet: decoder.instructionSet.rawValue,
        threads: decoder.threadCount, contextLength: decoder.contextLength,
        prefillChunk: decoder.prefillChunk, sliceBytes: decoder.sliceByteCount),
      policy: decoder.windowPolicy, storage: decoder.storage, engine: decoder.readEngine,
      paths: [store.densePath, store.bundlesPath]
        + (decoder.storage.separateParts?.paths ?? [])
        + (decoder.mode == .predicted ? [store.predictorPath] : []),
      keyValueBytesPerPosition: decoder.keyValueByteCountPerPosition)
  }
}

extension TraceTotals.Phase {
  init(_ phase: GenerationStatistics.Phase) {
    let decoder = phase.decoder
    let wall = phase.duration.components
    self.init(
      tokens: phase.tokenCount,
      nanoseconds: Int(wall.seconds) * 1_000_000_000 + Int(wall.attoseconds / 1_000_000_000),
      forwardNanoseconds: decoder.forwardNanoseconds,
      arithmeticNanoseconds: decoder.arithmeticNanoseconds,
      stallNanoseconds: decoder.stallNanoseconds,
      lookAheadNanoseconds: decoder.lookAheadNanoseconds, flashBytes: decoder.reads.byteCount,
      flashReads: decoder.reads.readCount, windowHits: decoder.windowHits,
      windowMisses: decoder.windowMisses)
  }
}
