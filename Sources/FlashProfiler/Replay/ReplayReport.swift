/// What `io replay` found: the recorded run, its reads alone, and the same run at other sizes.
package struct ReplayReport: Encodable, Sendable {
  /// The run as it was recorded; of a decoded token where not said otherwise.
  package struct Recorded: Encodable, Sendable {
    package var store: String
    package var mode: String
    package var feedForward: String
    package var policy: String?
    package var threads: Int
    package var limitBytes: Int?
    package var modelBytes: Int
    package var tokens: Int
    package var tokensPerSecond: Double
    package var arithmeticMs: Double
    package var stallMs: Double
    package var flashBytes: Double
    package var flashReads: Double
    package var hitRate: Double?
  }

  /// The recorded reads issued again, with no arithmetic between them.
  package struct Ceiling: Encodable, Sendable {
    package var engine: String
    package var files: [String]
    package var reads: Int
    package var bytes: Int
    package var seconds: Double
    package var promptSeconds: Double
    package var bytesPerSecond: Double
    /// If arithmetic took no time.
    package var tokensPerSecond: Double
  }

  /// The window cache over the recorded sets.
  package struct Window: Encodable, Sendable {
    /// Bytes of the slots that a token's neurons take: a plain LRU with less room hits nothing.
    package var tokenDemandBytes: Int
    /// Bytes of the run's slots; nil where it had none.
    package var slotsBytes: Int?
    package var allBytes: Int
    /// Decoded tokens that the curves are of.
    package var tokens: Int
    package var curves: [MissRatioCurves.Curve]
  }

  package struct Prediction: Encodable, Sendable {
    package var limitBytes: Int
    /// Of the model's bytes.
    package var percent: Double
    package var isRecorded: Bool
    package var residency: LimitPrediction.Residency
    /// Whether the run would be another one: every neuron computed.
    package var isDense: Bool
    package var tokensPerSecond: Double?
    package var bound: String?
    package var hitRate: Double?
    package var flashBytes: Double
    package var stallMs: Double?
  }

  package var trace: String
  package var recorded: Recorded?
  package var ceiling: Ceiling?
  package var window: Window?
  package var predictions: [Prediction]
  /// What could not be computed, and why.
  package var remarks: [String]

  package init(trace: String) {
    self.trace = trace
    predictions = []
    remarks = []
  }
}

extension ReplayReport.Recorded {
  package init(_ run: RecordedRun, _ decode: RecordedDecode) {
    store = run.header.model.store
    mode = run.header.run.mode
    feedForward = run.header.plan.feedForward
    policy = run.header.plan.policy
    threads = run.header.run.threads
    limitBytes = run.header.plan.limitBytes
    modelBytes = run.header.plan.modelBytes
    tokens = decode.tokenCount
    tokensPerSecond = decode.tokensPerSecond
    arithmeticMs = decode.arithmetic * 1e3
    stallMs = decode.stall * 1e3
    flashBytes = decode.readByteCount
    flashReads = decode.readCount
    hitRate = decode.hitRate
  }
}

extension ReplayReport.Ceiling {
  /// Nil where nothing was read for decoded tokens.
  package init?(_ outcome: ReadReplay.Outcome, engine: String, files: [String]) {
    guard let tokensPerSecond = outcome.tokensPerSecond, let bandwidth = outcome.bandwidth,
      outcome.readCount > 0
    else { return nil }
    self.engine = engine
    self.files = files
    reads = outcome.readCount
    bytes = outcome.byteCount
    seconds = outcome.decodeSeconds
    promptSeconds = outcome.promptSeconds
    bytesPerSecond = bandwidth
    self.tokensPerSecond = tokensPerSecond
  }
}

extension ReplayReport.Window {
  package init(_ curves: MissRatioCurves, _ run: RecordedRun) {
    let slots = run.header.layers.reduce(0) { $0 + $1.slots }
    let slotBytes = max(1, run.header.plan.slotBytes)
    tokenDemandBytes = curves.demandByteCount
    slotsBytes = slots > 0 ? slots * slotBytes : nil
    allBytes = curves.strideCount * slotBytes
    tokens = curves.tokenCount
    // The run's own size among the others, so that its place on each curve is exact.
    let own = Double(slots) / Double(max(1, curves.strideCount))
    let others = MissRatioCurves.fractions.filter { slots == 0 || abs($0 - own) > 0.01 }
    let fractions = (others + (slots > 0 ? [own] : [])).sorted()
    self.curves = curves.curves(
      fractions: fractions,
      windowTokens: run.header.plan.windowTokens ?? MissRatioCurves.defaultWindowTokens)
  }
}

extension ReplayReport.Prediction {
  package init(_ prediction: LimitPrediction, _ run: RecordedRun) {
    limitBytes = prediction.limit
    percent = 100 * Double(prediction.limit) / Double(max(1, run.header.plan.modelBytes))
    isRecorded = prediction.limit == run.header.plan.limitBytes
    residency = prediction.residency
    isDense = prediction.isDense
    tokensPerSecond = prediction.speed?.tokensPerSecond
    bound = prediction.speed?.bound.rawValue
    hitRate = prediction.hitRate
    flashBytes = prediction.reads.byteCount
    stallMs = prediction.speed.map { $0.stallSeconds * 1e3 }
  }
}
