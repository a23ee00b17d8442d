internal import FlashIO
internal import FlashModel
internal import FlashWindow
internal import Flashrun

/// Filling a report from an engine and a finished generation.
extension RunReport {
  init(_ facts: EngineFacts, _ result: GenerationResult) {
    engine = facts.engine.summary
    for reason in facts.engine.reasons { engine += "; \(reason)" }
    mode = facts.mode.rawValue
    certificate = facts.priceOfMode
    instructionSet = facts.instructionSet
    threads = facts.threadCount
    contextLength = facts.plan.contextLength
    seed = result.seed
    stopReason = result.reason.rawValue
    isSynthetic = facts.isSynthetic
    memoryLimit = facts.plan.limit
    plannedBytes = facts.plan.byteCount
    loadSeconds = facts.loadDuration / .seconds(1)
    loadBytes = facts.loaded.reads.byteCount
    prompt = Phase(result.statistics.prefill)
    decode = Phase(result.statistics.decode)
    generatedTokens = result.generatedTokenCount
    tokenSeconds = result.statistics.tokenDurations.map { $0 / .seconds(1) }
    writtenBytes = result.statistics.writtenByteCount
    majorFaults = result.statistics.majorFaultCount
    peakBytes = ProcessMemory()?.peak
    memory = Self.parts(of: facts.plan)
  }

  /// The plan's items by kind.
  private static func parts(of plan: MemoryPlan) -> [MemoryPart] {
    let kinds = [
      "weights": "weights", "deciding rows": "weights", "predictor": "weights", "kv cache": "kv",
      "window": "window", "window tables": "window", "look-ahead": "window",
      "process": "process", "text": "process",
    ]
    var parts = ["weights", "kv", "window", "scratch", "process"].map { MemoryPart($0, 0) }
    for item in plan.items {
      let kind = kinds[item.name] ?? "scratch"
      for index in parts.indices where parts[index].name == kind {
        parts[index].byteCount += item.byteCount
      }
    }
    return parts
  }
}

extension RunReport.Phase {
  init(_ phase: GenerationStatistics.Phase) {
    tokens = phase.tokenCount
    seconds = phase.duration / .seconds(1)
    stallSeconds = Double(phase.decoder.stallNanoseconds) / 1e9
    lookAheadSeconds = Double(phase.decoder.lookAheadNanoseconds) / 1e9
    arithmeticSeconds = Double(phase.decoder.arithmeticNanoseconds) / 1e9
    flashBytes = phase.decoder.reads.byteCount
    flashReads = phase.decoder.reads.readCount
    ringCalls = phase.decoder.reads.ringCallCount
    windowHits = phase.decoder.windowHits
    windowMisses = phase.decoder.windowMisses
    overlap = phase.decoder.overlapEfficiency
    readAmplification = phase.decoder.readAmplification
    let lookAhead = phase.decoder.lookAhead
    lookAheadReads = lookAhead.issued
    lookAheadUsed = lookAhead.used
    lookAheadWastedBytes = lookAhead.readByteCount - lookAhead.usedByteCount
  }
}
