package import FlashIO
package import FlashKernels
package import FlashWeights
package import FlashWindow

/// A variable-GQA decoder over a weight store: tokens go in, logits come out.
///
/// One thread owns it; it has no lock and no `await`. For one store, mode, KV format and
/// instruction set, logits are a function of the tokens before them, bit for bit, whatever the
/// memory limit, thread count, chunk or I/O engine. After `init` a forward pass allocates nothing
/// here and below.
@safe package final class Decoder {
  package let configuration: ModelConfiguration
  package let plan: MemoryPlan
  package let mode: SparsityMode
  package let keyFormat: KeyValueFormat
  package let valueFormat: KeyValueFormat
  /// Tokens in the KV cache.
  package private(set) var position = 0
  let core: DecoderCore
  let weights: ModelWeights
  private let embedding: TokenEmbedding
  private let rotary: RotaryTables
  private let layer: DecoderLayer
  private let memory: ScratchArena
  private var forwardNanoseconds = 0

  /// Which positions' logits a call wants.
  package enum LogitsRequest: Sendable { case none, last, all }

  package var contextLength: Int { plan.contextLength }
  /// Whether what is computed depends on what happens to be in DRAM, as an option allows.
  package var dependsOnCache: Bool { mode == .predicted && layer.feedForward.computesResidentGates }
  /// Counts which neurons fire; nil unless `DecoderOptions.measuresActivity` asked for it.
  package var meter: ActivityMeter? { layer.feedForward.meter }
  /// There where that was asked for of a model with experts.
  package var routingMeter: RoutingMeter? { layer.experts.meter }
  /// Sees the feed-forward parts at work, in the lossless modes; nil costs nothing.
  package var observer: (any FeedForwardObserver)? {
    get { core.observer }
    set { core.observer = newValue }
  }
  package var instructionSet: InstructionSet { core.kernels.instructionSet }
  /// Bytes of deciding rows after which a token's reads begin in a windowed run.
  package var sliceByteCount: Int { layer.feedForward.sliceByteCount }
  package var threadCount: Int { core.pool.threadCount }
  /// Tokens of a prompt that go through a layer together.
  package var prefillChunk: Int { core.scratch.shape.chunk }

  init(parts: DecoderParts) {
    configuration = parts.core.configuration
    plan = parts.plan
    mode = parts.mode
    keyFormat = parts.cache.keyFormat
    valueFormat = parts.cache.valueFormat
    core = parts.core
    weights = parts.weights
    memory = parts.memory
    embedding = TokenEmbedding(core: core, weights: weights)
    rotary = parts.rotary
    let feedForward = SparseFeedForward(
      core: core, layers: weights.layers, mode: mode, sliceByteCount: parts.sliceByteCount,
      predictor: parts.predictor, bounds: parts.bounds,
      computesResidentGates: parts.computesResidentGates, meter: parts.meter)
    layer = DecoderLayer(
      core: core, attention: Attention(core: core, cache: parts.cache, rotary: parts.rotary),
      feedForward: feedForward,
      experts: ExpertFeedForward(core: core, neurons: feedForward, meter: parts.routingMeter))
  }

  /// Forgets all tokens.
  package func reset() { position = 0 }

  /// Forgets the tokens from `position` on.
  package func truncate(to position: Int) {
    precondition((0...self.position).contains(position), "only what is there can be forgotten")
    self.position = position
  }

  /// Appends `tokens` and hands out the logits that were asked for.
  ///
  /// - Parameters:
  ///   - promptEnd: positions before it count as prompt (dynamic RoPE scaling uses the whole
  ///     prompt's length for all of them).
  ///   - isCancelled: asked once a layer.
  ///   - progress: called after each chunk with the number of tokens done.
  ///   - onLogits: called with the token's index and its logits `[vocabularySize]`, in order; the
  ///     memory is the decoder's.
  /// - Throws: `DecoderError` for tokens that do not fit or are not in the vocabulary, or when
  ///   cancelled; `ReadFailure` with the layer for a read that failed; `FileFailure` when the store
  ///   changed while it was read; what `onLogits` throws. The decoder stays usable, at the position
  ///   of the last whole chunk.
  /// - Complexity: per token every weight that its mode needs, at DRAM's or flash's rate.
  package func forward(
    _ tokens: [Int32], promptEnd: Int = 0, logits: LogitsRequest,
    isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in },
    onLogits: (Int, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try check(tokens)
    let start = MonotonicClock.nanoseconds
    defer { forwardNanoseconds += MonotonicClock.nanoseconds - start }
    let shape = core.scratch.shape
    // A head that passes through in order is there once for a chunk.
    let isCut = logits == .all && core.residency.isStreamed
    let chunk = isCut ? min(shape.chunk, shape.logitsRows) : shape.chunk
    var done = 0
    while done < tokens.count {
      let count = min(chunk, tokens.count - done)
      let wanted: Range<Int>
      switch logits {
      case .none: wanted = 0..<0
      case .last: wanted = done + count == tokens.count ? count - 1..<count : 0..<0
      case .all: wanted = 0..<count
      }
      var rows = wanted.prefix(shape.logitsRows)
      core.recorder?.beginForward(
        position: position, tokenCount: count, isPrompt: position < promptEnd)
      do {
        try forwardChunk(
          tokens[done..<done + count], promptEnd: promptEnd, logits: rows,
          isCancelled: isCancelled)
      } catch {
        core.residency.reset()
        endTraceOfForward(isWhole: false)
        throw error
      }
      while !rows.isEmpty {
        for (row, index) in rows.enumerated() {
          let values = unsafe UnsafeBufferPointer(
            start: core.scratch.logits + row * shape.vocabularySize, count: shape.vocabularySize)
          try unsafe onLogits(done + index, values)
        }
        rows = wanted[rows.endIndex...].prefix(shape.logitsRows)
        if !rows.isEmpty { try head(rows) }
      }
      done += count
      endTraceOfForward(isWhole: true)
      progress(done)
    }
  }

  /// Sends one chunk through all layers. This is the whole decoder.
  private func forwardChunk(
    _ tokens: ArraySlice<Int32>, promptEnd: Int, logits: Range<Int>, isCancelled: () -> Bool
  ) throws {
    try core.residency.beginForward(includesHead: !logits.isEmpty)
    try Self.reading("token embedding") { () throws(ReadFailure) in
      try embedding.embed(tokens, position: position)
    }
    rotary.prepare(position: position, count: tokens.count, promptEnd: promptEnd)
    for (index, weights) in weights.layers.enumerated() {
      if isCancelled() { throw DecoderError.cancelled }
      let before = beginTrace(ofLayer: index)
      try Self.reading("layer \(index)") { () throws(ReadFailure) in
        try layer.forward(weights, layer: index, position: position, tokenCount: tokens.count)
      }
      endTrace(ofLayer: index, since: before)
      if let fault = core.fault {
        core.fault = nil
        throw fault
      }
    }
    if !logits.isEmpty { try head(logits) }
    try core.residency.endForward()
    position += tokens.count
  }

  /// Computes the logits of some of the chunk's tokens.
  private func head(_ rows: Range<Int>) throws {
    try Self.reading("output head") { () throws(ReadFailure) in try embedding.logits(rows: rows) }
  }

  /// Says in a failure what was being read.
  private static func reading(
    _ context: @autoclosure () -> String, _ body: () throws(ReadFailure) -> Void
  ) throws(ReadFailure) {
    do throws(ReadFailure) { try body() } catch { throw error.adding(context: context()) }
  }

  private func check(_ tokens: [Int32]) throws(DecoderError) {
    guard position + tokens.count <= contextLength else {
      throw .contextFull(contextLength: contextLength, needed: position + tokens.count)
    }
    let vocabularySize = configuration.vocabularySize
    for token in tokens where token < 0 || Int(token) >= vocabularySize {
      throw .unknownToken(token, vocabularySize: vocabularySize)
    }
  }

  /// Totals since the decoder was opened.
  package var statistics: DecoderStatistics {
    DecoderStatistics(
      forwardNanoseconds: forwardNanoseconds,
      arithmeticNanoseconds: core.arithmeticNanoseconds,
      lookAheadNanoseconds: core.lookAheadNanoseconds,
      predictorNanoseconds: core.predictorNanoseconds, neurons: core.neuronCount,
      reads: core.residency.statistics, window: core.residency.windowStatistics)
  }

  /// Calls `body` with the memory that weights lie in, to measure how fast it is read.
  package func withResidentBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try unsafe core.residency.withArena(body)
  }

  /// How flash is read, for the footer.
  package var readEngine: ReadEngineDescription { core.residency.engineDescription }
}
