internal import FlashIO
internal import FlashProfiler
internal import FlashWindow
internal import Flashrun

/// Reads a trace, replays it, and puts the report together.
struct ReplayStudy {
  var trace: String
  var device: String?
  var engine: ReadEngineSelection.Choice
  var direct: DirectMode
  /// Limits to predict for; empty takes the usual ones.
  var limits: [MemoryLimit]
  var console: Console
  var isCancelled: () -> Bool

  private static let percentages = [25.0, 50, 75, 100]

  /// - Throws: `TraceError` for what is no trace; for `--device` what is wrong with it;
  ///   `ReadFailure`.
  func report() throws -> ReplayReport {
    let run = try RecordedRun(TraceReader(path: trace))
    var report = ReplayReport(trace: trace)
    note(run, &report)
    let replayed = try replay(run, &report)
    if let outcome = replayed?.outcome, let description = replayed?.description {
      report.ceiling = .init(
        outcome, engine: description, files: replayed?.files ?? [])
    }
    guard let decode = run.decode else {
      report.remarks.append("no token was decoded: there is nothing to predict from")
      return report
    }
    report.recorded = .init(run, decode)
    var curves: MissRatioCurves?
    if run.hasSets {
      console.notice("replaying cache policies")
      curves = MissRatioCurves(run)
      report.window = curves.map { .init($0, run) }
    } else {
      report.remarks.append(
        "every neuron was computed for every token (\(run.header.run.mode)): no policy decides "
          + "what is missing, so there are no curves")
    }
    guard
      let model = LimitModel(
        run, device: replayed?.device, replay: replayed?.outcome,
        readCost: replayed?.readCost ?? .none)
    else { return report }
    // Some sizes are asked for again with every limit.
    var known: [[Int]: Double] = [:]
    report.predictions = predictedLimits(run).map { limit in
      .init(
        model.prediction(limit: limit) { slots in
          let misses =
            known[slots] ?? curves?.missesPerToken(run.policy, slotsPerLayer: slots) ?? 0
          known[slots] = misses
          return misses
        }, run)
    }
    return report
  }

  private func note(_ run: RecordedRun, _ report: inout ReplayReport) {
    if run.isCut {
      report.remarks.append("the trace is cut: what is before the cut was used")
    }
    if run.isShortened {
      report.remarks.append(
        "the prompt and the first \(RecordedRun.mostTokens) decoded tokens were used: the trace "
          + "holds more")
    }
    if run.furtherRunCount > 0 {
      report.remarks.append(
        "the trace holds \(run.furtherRunCount) more run\(run.furtherRunCount == 1 ? "" : "s"), "
          + "which are passed over")
    }
  }

  private func predictedLimits(_ run: RecordedRun) -> [Int] {
    let model = Double(run.header.plan.modelBytes)
    guard limits.isEmpty else {
      return limits.map { limit in
        switch limit {
        case .bytes(let byteCount): byteCount
        case .fractionOfModel(let fraction): Int(fraction * model)
        case .automatic: preconditionFailure("limits to predict for are sizes")
        }
      }
    }
    let usual = Self.percentages.map { Int($0 / 100 * model) } + [run.header.plan.residentBytes]
    return Set(usual + [run.header.plan.limitBytes].compactMap(\.self)).sorted()
  }

  private struct Replayed {
    var outcome: ReadReplay.Outcome
    var device: DeviceProfile
    var readCost: ReadCost
    var description: String
    var files: [String]
  }

  /// Nil, with a remark, where nothing can be read and nobody named a device.
  private func replay(_ run: RecordedRun, _ report: inout ReplayReport) throws -> Replayed? {
    let target: ReplayTarget
    do throws(ReplayTarget.Failure) {
      target = try ReplayTarget(
        run, device: device, isFolder: device.map(FileInput.isDirectory) ?? false, direct: direct)
    } catch {
      guard device == nil else { throw Failure(error) }
      report.remarks.append(
        "the reads were not issued again: \(error); --device names a store or a file to read")
      return nil
    }
    let unit = target.files.map(\.unit).max() ?? 1
    let arena = try DirectArena(
      byteCount: ReadReplay.memoryByteCount(run, unit: unit), prefault: true)
    let engine = try ReadEngineSelection.make(
      files: target.files, arenas: [arena],
      configuration: .init(
        choice: self.engine, queueDepth: max(1, run.header.reads.queueDepth), capacity: 8192))
    if let reason = engine.description.reasons.first { console.notice(reason) }
    console.notice("issuing \(run.reads.count) reads again")
    let outcome = try unsafe ReadReplay(run, target: target, engine: engine, memory: arena.bytes)
      .replay(isCancelled: isCancelled)
    if isCancelled() { throw Failure(.interrupted, "interrupted") }
    let isStreamed = run.header.plan.feedForward == "streamed"
    // A neuron is one read, and an expert is cut into several.
    let slotByteCount = max(512, run.header.plan.slotBytes)
    let readByteCount = slotByteCount / ExpertReads.count(slotByteCount)
    let profile = try unsafe DeviceProfile.measure(
      engine: engine, fileIndex: target.fileIndices.last ?? 0, buffer: arena.bytes,
      readByteCount: isStreamed ? 1 << 20 : readByteCount,
      duration: .milliseconds(400))
    let cost = target.files.last.flatMap {
      ReadCost.measure(file: $0, readByteCount: readByteCount)
    }
    return Replayed(
      outcome: outcome, device: profile, readCost: cost ?? .none,
      description: engine.description.summary,
      files: target.files.map(\.path))
  }
}

extension Failure {
  /// What is wrong with the device that was named.
  fileprivate init(_ failure: ReplayTarget.Failure) {
    switch failure {
    case .cannotOpen(let error):
      self = Failure(describing: error) ?? Failure(.inputOutput, "\(error)")
    case .tooSmall:
      self.init(
        .usage, "--device \(failure)",
        hints: ["name a store of the same shape, or a file that is long enough"])
    case .unknownFile: self.init(.badData, "\(failure)")
    }
  }
}
