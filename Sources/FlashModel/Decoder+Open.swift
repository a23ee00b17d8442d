package import FlashIO
import FlashKernels
package import FlashWeights
package import FlashWindow

/// Opening a store: choices, plan, memory, engine, and the first reads.
extension Decoder {
  /// Opens a store under the given options; when it returns, everything resident is in DRAM.
  ///
  /// - Parameter progress: called while resident weights are read, with bytes done and in all.
  /// - Throws: `DecoderError.unsupported` for options the model cannot have, `uncertified` for a
  ///   lossy mode over a store without its certificate, `StoreError` for a predictor file that is
  ///   missing or cut, `MemoryPlanError` when
  ///   the limit is below the floor, `ArenaFailure`, `FileFailure`, `ReadEngineFailure` and
  ///   `ReadFailure` for what the system refuses.
  package convenience init(
    store: WeightStore, options: DecoderOptions = DecoderOptions(),
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws {
    let files = try Self.openFiles(store, options)
    try self.init(
      manifest: store.manifest, calibration: store.calibration,
      firingCounts: try store.firingCounts(), files: files, options: options, progress: progress
    ) { arenas, capacity throws(ReadEngineFailure) in
      try ReadEngineSelection.make(
        files: files, arenas: arenas,
        configuration: .init(
          choice: options.storage.engine, queueDepth: options.storage.queueDepth,
          capacity: capacity))
    }
  }

  /// Opens a store over any read engine; tests simulate one.
  ///
  /// - Parameters:
  ///   - firingCounts: what the window starts with; nil starts it empty.
  ///   - files: the dense and the bundle file, and for `predicted` the predictor file.
  ///   - makeEngine: given the arena, if it is worth registering, and the number of reads that may
  ///     be outstanding.
  package convenience init(
    manifest: StoreManifest, calibration: Calibration? = nil, firingCounts: [[Int32]]? = nil,
    files: [FlashFile], options: DecoderOptions,
    progress: (Int, Int) -> Void = { _, _ in },
    makeEngine: ([DirectArena], Int) throws -> any ReadEngine
  ) throws {
    var settings = try DecoderSettings(
      manifest: manifest, calibration: calibration, options: options)
    var storage = options.storage
    storage.windowCurve =
      storage.windowCurve ?? calibration?.certificate.map { WindowCurve($0) }
    let unit = files.map(\.unit).max() ?? 1
    let plan = try settings.plan(unit: unit)
    let memory = try ScratchArena(
      byteCount: settings.memoryByteCount(contextLength: plan.contextLength))
    let arena = try DirectArena(
      byteCount: WeightResidency.arenaByteCount(
        manifest: manifest, plan: plan, unit: unit, rowsPerChunk: settings.chunk))
    let pool = WorkerPool(threadCount: settings.threadCount)
    // Registering makes all of it resident first; where bundles are read once, they are read while
    // others make it resident, which takes as long.
    let isReadOnce = plan.feedForward == .resident
    if !isReadOnce { try arena.prefault(pool: pool) {} }
    let engine = try makeEngine(isReadOnce ? [] : [arena], DecoderSettings.outstandingReads)
    let residency = WeightResidency(
      manifest: manifest, plan: plan, engine: engine, arena: arena,
      rowsPerChunk: settings.chunk, options: storage)
    var loading = Result<Void, ReadFailure>.success(())
    func load() {
      do throws(ReadFailure) {
        try residency.load(firingCounts: firingCounts, progress: progress)
      } catch {
        loading = .failure(error)
      }
    }
    if isReadOnce { try arena.prefault(pool: pool, beside: load) } else { load() }
    try loading.get()
    settings.predictor?.arrange(in: residency)
    let buffers = settings.buffers(contextLength: plan.contextLength, in: memory)
    let core = DecoderCore(
      configuration: manifest.configuration, kernels: settings.kernels,
      pool: pool, residency: residency,
      scratch: buffers.scratch)
    self.init(
      parts: DecoderParts(
        core: core, weights: ModelWeights(manifest), cache: buffers.cache,
        rotary: buffers.rotary, memory: memory, plan: plan,
        mode: settings.mode(for: plan), sliceByteCount: max(1, options.sliceByteCount),
        predictor: settings.predictor, bounds: settings.bounds,
        computesResidentGates: options.computesResidentGates,
        meter: options.measuresActivity
          ? ActivityMeter(manifest, recordsActiveSets: options.recordsActiveSets) : nil,
        routingMeter: options.measuresActivity ? RoutingMeter(manifest.configuration) : nil
      ))
  }

  /// The plan that opening the store would follow; nothing is reserved or read.
  ///
  /// - Throws: as `init` up to the plan.
  package static func plan(
    store: WeightStore, options: DecoderOptions
  ) throws -> (plan: MemoryPlan, mode: SparsityMode) {
    let files = try openFiles(store, options)
    var settings = try DecoderSettings(
      manifest: store.manifest, calibration: store.calibration, options: options)
    let plan = try settings.plan(unit: files.map(\.unit).max() ?? 1)
    return (plan, settings.mode(for: plan))
  }

  private static func openFiles(
    _ store: WeightStore, _ options: DecoderOptions
  ) throws(FileFailure) -> [FlashFile] {
    let storage = options.storage
    var files: [FlashFile] = []
    let usesPredictors = options.sparsity == .predicted && store.calibration != nil
    let paths =
      [store.densePath, store.bundlesPath] + (usesPredictors ? [store.predictorPath] : [])
      + (storage.separateParts?.paths ?? [])
    for path in paths { files.append(try FlashFile(path: path, direct: storage.direct)) }
    return files
  }
}

extension DirectArena {
  /// Makes the arena resident by the pool's threads, from its start, while the caller does `aside`.
  fileprivate func prefault(pool: WorkerPool, beside aside: () -> Void) throws(ArenaFailure) {
    let partByteCount = 32 << 20
    try prefault(partCount: (byteCount + partByteCount - 1) / partByteCount) { count, body in
      pool.run(count, beside: aside, body)
    }
  }
}
