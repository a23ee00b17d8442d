internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// An engine opened for a command, with the notices that go with opening one.
struct EngineSession {
  let engine: Engine
  let facts: EngineFacts

  /// Opens a store; `configure` may change the options, since the store is already known.
  ///
  /// - Throws: `EngineError.noTokenizer` where text is needed; what `Engine.init` throws; with
  /// `--force` a limit that does not fit is raised instead, with a warning.
  static func open(
    store path: String, flags: EngineFlags, settings: Settings, console: Console,
    needsText: Bool = false, needsAllLogits: Bool = false,
    configure: (WeightStore, inout EngineOptions) -> Void = { _, _ in }
  ) async throws -> EngineSession {
    let store = try WeightStore.open(path)
    // Said before gigabytes are read.
    if needsText, store.companionPath("tokenizer.json") == nil {
      throw EngineError.noTokenizer(store: path)
    }
    var options = try flags.engineOptions(settings)
    configure(store, &options)
    if needsAllLogits {
      options.decoder.logitsRowCapacity = Self.logitsRowCapacity(store, options)
    }
    let keepsDepth = try flags.choosesQueueDepth(settings)
    if let fitted = options.fitted(toDeviceOf: store, keepsDepth: keepsDepth) {
      options = fitted.0
      console.notice(fitted.line)
    }
    let limits = MemoryLimits()
    if let count = limits?.killCount, count > 0 {
      console.warning(
        "the kernel has killed \(count) process\(count == 1 ? "" : "es") of this control group "
          + "because memory ran out")
    }
    let progress = ProgressReporter("load", unit: .bytes, console: console)
    let engine: Engine
    do {
      engine = try await Engine(opening: path, options: options) { progress.update($0, of: $1) }
    } catch let error as MemoryPlanError where flags.force {
      console.warning(
        "--force: the limit of \(Units.bytes(error.limit)) is exceeded, "
          + "\(Units.bytes(error.requiredByteCount)) are needed")
      options.memoryLimit = .bytes(error.requiredByteCount)
      engine = try await Engine(opening: path, options: options) { progress.update($0, of: $1) }
    }
    progress.finish()
    let facts = await engine.withModel { EngineFacts($0) }
    facts.announce(on: console)
    if options.decoder.sparsity == .auto, let resolved = try? options.resolved(for: store),
      let hint = PredictedHint(
        store, options: resolved.decoder, plan: facts.plan, mode: facts.mode)
    {
      console.notice(hint.line)
    }
    return EngineSession(engine: engine, facts: facts)
  }
}

extension EngineSession {
  /// The most rows of logits at a time, up to a chunk's, that leave the limit as `plan` states it:
  /// for a model that fits with one row, more are a matter of speed only.
  private static func logitsRowCapacity(_ store: WeightStore, _ options: EngineOptions) -> Int {
    var options = options
    for capacity in [options.decoder.prefillChunk ?? 64, 16, 4] {
      options.decoder.logitsRowCapacity = capacity
      guard let resolved = try? options.resolved(for: store) else { break }
      if (try? Decoder.plan(store: store, options: resolved.decoder)) != nil { return capacity }
    }
    return 1
  }
}

/// What reports say of an opened engine.
struct EngineFacts: Sendable {
  let plan: MemoryPlan
  let mode: SparsityMode
  let certificate: Certificate?
  /// Whether `--compute-resident-gates` is in effect.
  let dependsOnCache: Bool
  let engine: ReadEngineDescription
  let instructionSet: String
  let threadCount: Int
  let modelName: String
  let isSynthetic: Bool
  let automaticLimit: AutomaticLimit?
  let loadDuration: Duration
  let loaded: DecoderStatistics
  let vocabularySize: Int
  let trainedPositions: Int

  init(_ model: OpenModel) {
    plan = model.decoder.plan
    mode = model.decoder.mode
    certificate = model.store.calibration?.certificate
    dependsOnCache = model.decoder.dependsOnCache
    engine = model.decoder.readEngine
    instructionSet = model.decoder.instructionSet.rawValue
    threadCount = model.decoder.threadCount
    modelName = model.store.manifest.source.name
    isSynthetic = model.store.manifest.synthetic != nil
    automaticLimit = model.automaticLimit
    loadDuration = model.loadDuration
    loaded = model.decoder.statistics
    vocabularySize = model.store.configuration.vocabularySize
    trainedPositions = model.store.configuration.maximumPositions
  }

  /// The price of the mode in use; nil for one that is lossless.
  var priceOfMode: CertificateSummary? {
    mode.isLossy ? certificate.map { CertificateSummary($0) } : nil
  }

  /// Every choice that was made, with why; the details only with `-v`.
  func announce(on console: Console) {
    if let automatic = automaticLimit {
      let chosen = Units.bytes(automatic.byteCount)
      let free = Units.bytes(automatic.freeByteCount)
      let group = automatic.groupLimit.map { ", the control group allows \(Units.bytes($0))" }
      let reserve = Units.bytes(automatic.reserveByteCount)
      console.notice(
        "memory limit \(chosen) (auto: \(free) free\(group ?? ""), less a reserve of \(reserve))")
    }
    console.notice("context \(plan.contextLength) positions")
    for note in plan.notes { console.notice(note) }
    for reason in engine.reasons { console.notice(reason) }
    if dependsOnCache {
      console.notice(
        "--compute-resident-gates: the answer depends on the memory limit and on what was read "
          + "before")
    }
    if isSynthetic { console.notice("the weights are synthetic: the text means nothing") }
    for item in plan.items where item.byteCount > 0 {
      console.detail("plan: \(item.name) \(Units.bytes(item.byteCount)), \(item.detail)")
    }
  }
}
