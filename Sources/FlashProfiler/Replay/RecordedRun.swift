package import FlashIO
package import FlashWindow

/// The beginning of a trace's first run, in memory: what its chunks of tokens read, wanted and
/// took.
///
/// A read takes 90 bytes and a stride that a layer wanted four, so that of a long run only the
/// prompt and `mostTokens` decoded tokens are taken.
package struct RecordedRun: Sendable {
  /// A chunk of tokens that went through all layers together: in decode one token.
  package struct Forward: Sendable, Equatable {
    package var tokenCount: Int
    package var isPrompt: Bool
    /// Nanoseconds from the beginning of the run.
    package var start: Int
    package var end: Int
    package var isWhole = true
    /// Nanoseconds of arithmetic, of that in gate and up rows and in down rows, of stall, and of
    /// tracing.
    package var arithmetic = 0
    package var gateUp = 0
    package var down = 0
    package var stall = 0
    package var tracing = 0
    package var hits = 0
    package var misses = 0
    /// Reads that began in it, and their bytes.
    package var readCount = 0
    package var readByteCount = 0
  }

  package let header: TraceHeader
  package private(set) var forwards: [Forward] = []
  /// In the order they were submitted; each with the index of the chunk in which it began.
  package private(set) var reads: [(read: TraceRead, forward: Int)] = []
  /// One token for each chunk; empty where every neuron is computed.
  package private(set) var sets: ActiveSetTrace
  package private(set) var totals: [TraceTotals] = []
  /// Of decoded tokens, where the window keeps experts.
  package private(set) var layerStalls = LayerStalls()
  /// Whether the file ends before its end.
  package private(set) var isCut = false
  /// Runs of the file after the first, which are passed over.
  package private(set) var furtherRunCount = 0

  /// Whether it is known what each token wanted.
  package var hasSets: Bool {
    header.layers.indices.contains { sets.useCount(layer: .init($0)) > 0 }
  }

  /// The chunk's stall before the layer that is under way.
  private var layerStart = 0

  /// Whether the window keeps experts: without them only runs that leave neurons out have one.
  package var keepsExperts: Bool {
    header.plan.feedForward == "windowed" && header.run.mode == "dense"
  }

  /// Whether more tokens were decoded than are taken.
  package private(set) var isShortened = false
  /// Decoded tokens that are taken; more hardly change what follows from them.
  package static let mostTokens = 256

  /// Reads a trace, to its end or as far as it is taken.
  ///
  /// - Throws: `TraceError`, also for sets that no run can have had.
  package init(_ reader: TraceReader) throws(TraceError) {
    guard case .header(let header)? = try reader.next() else {
      preconditionFailure("a trace begins with its header")
    }
    self.header = header
    sets = ActiveSetTrace(strideCounts: header.layers.map(\.strides))
    var lastStrides = header.layers.map { _ in Int32(-1) }
    var found: [TraceRead] = []
    var decodedCount = 0
    while !isShortened, let item = try reader.next() {
      switch item {
      case .header: furtherRunCount += 1
      case _ where furtherRunCount > 0: continue
      case .totals(let value): totals.append(value)
      case .strides(let layer, let strides):
        try Self.check(strides, layer, after: &lastStrides, header, reader)
        guard !forwards.isEmpty else { continue }
        for stride in strides { sets.append(StrideIndex(Int(stride)), layer: LayerIndex(layer)) }
      case .event(.read(let read)): found.append(read)
      case .event(let event):
        if case .forwardBegan(let begun) = event {
          lastStrides = lastStrides.map { _ in -1 }
          if !begun.isPrompt { decodedCount += 1 }
          isShortened = decodedCount > Self.mostTokens
        }
        if !isShortened { note(event) }
      }
    }
    // A chunk that was cut off in the middle is none, and its sets are not those of a token.
    if let last = forwards.last, last.end == 0 { forwards.removeLast() }
    sets.endToken()
    sets = sets.prefix(forwards.count)
    isCut = reader.isCut
    found.sort { $0.number < $1.number }
    place(found)
  }

  private mutating func note(_ event: TraceEvent) {
    if case .forwardBegan(let begun) = event {
      forwards.append(
        Forward(
          tokenCount: begun.tokenCount, isPrompt: begun.isPrompt, start: begun.time, end: 0))
      return
    }
    guard !forwards.isEmpty else { return }
    let index = forwards.count - 1
    switch event {
    case .forwardEnded(let time, _, let isWhole):
      forwards[index].end = time
      forwards[index].isWhole = isWhole
      sets.endToken()
    case .layerEnded(let layer):
      forwards[index].hits += layer.hits
      forwards[index].misses += layer.misses
      if !forwards[index].isPrompt, keepsExperts {
        layerStalls.add(misses: layer.misses, nanoseconds: forwards[index].stall - layerStart)
      }
    case .span(let span):
      if span.kind.isArithmetic { forwards[index].arithmetic += span.duration }
      if span.kind == .gateUp { forwards[index].gateUp += span.duration }
      if span.kind == .down { forwards[index].down += span.duration }
      if span.kind.isStall { forwards[index].stall += span.duration }
      if span.kind == .trace { forwards[index].tracing += span.duration }
    case .layerBegan: layerStart = forwards[index].stall
    case .forwardBegan, .read, .strides, .readsInFlight: break
    }
  }

  /// Finds for each read, in the order they were submitted, the chunk in which it began.
  private mutating func place(_ found: [TraceRead]) {
    var forward = 0
    reads.reserveCapacity(found.count)
    for read in found where !read.isFailed {
      while forward + 1 < forwards.count, forwards[forward + 1].start <= read.start {
        forward += 1
      }
      guard forward < forwards.count else { continue }
      forwards[forward].readCount += 1
      forwards[forward].readByteCount += read.extent.byteCount
      reads.append((read, forward))
    }
  }

  private static func check(
    _ strides: [Int32], _ layer: Int, after last: inout [Int32], _ header: TraceHeader,
    _ reader: TraceReader
  ) throws(TraceError) {
    func malformed(_ what: String) -> TraceError {
      TraceError(path: reader.path, kind: .malformed(offset: reader.byteCount, what: what))
    }
    guard header.layers.indices.contains(layer) else {
      throw malformed("a set is of layer \(layer), and the model has \(header.layers.count)")
    }
    for stride in strides {
      guard stride >= last[layer], stride >= 0, stride < header.layers[layer].strides else {
        throw malformed("a set of layer \(layer) has stride \(stride) out of order or range")
      }
      last[layer] = stride
    }
  }
}

/// What decoding came to, over all tokens that were decoded.
package struct RecordedDecode: Sendable, Equatable {
  package var tokenCount = 0
  /// Seconds of a token: wall time, and of it arithmetic, gate and up rows, down rows, and stall.
  package var seconds = 0.0
  package var arithmetic = 0.0
  package var gateUp = 0.0
  package var down = 0.0
  package var stall = 0.0
  /// Of a token.
  package var hits = 0.0
  package var misses = 0.0
  package var readCount = 0.0
  package var readByteCount = 0.0

  package var tokensPerSecond: Double { 1 / seconds }
  package var hitRate: Double? { hits + misses > 0 ? hits / (hits + misses) : nil }
}

extension RecordedRun {
  /// What left the window first, or would have in one.
  package var policy: ReplacementPolicy {
    switch header.plan.policy {
    case "window": .window(tokens: header.plan.windowTokens)
    case "lfu": .lfu
    case "lfru": .lfru
    default: .lru
    }
  }

  /// The first chunk that was decoded.
  package var firstDecoded: Int { forwards.firstIndex { !$0.isPrompt } ?? forwards.count }

  /// Nil where no token was decoded.
  package var decode: RecordedDecode? {
    let decoded = forwards.filter { !$0.isPrompt && $0.isWhole }
    let tokens = decoded.reduce(0) { $0 + $1.tokenCount }
    guard tokens > 0 else { return nil }
    func mean(_ value: (Forward) -> Int) -> Double {
      Double(decoded.reduce(0) { $0 + value($1) }) / Double(tokens)
    }
    var decode = RecordedDecode(tokenCount: tokens)
    let recorded = totals.reduce(into: (tokens: 0, nanoseconds: 0)) { sum, total in
      sum.tokens += total.decode.tokens
      sum.nanoseconds += total.decode.nanoseconds
    }
    // The footer's time has the choice of tokens in it, where there is a footer.
    decode.seconds =
      recorded.tokens == tokens
      ? Double(recorded.nanoseconds) / Double(tokens) / 1e9
      : mean { $0.end - $0.start - $0.tracing } / 1e9
    decode.arithmetic = mean(\.arithmetic) / 1e9
    decode.gateUp = mean(\.gateUp) / 1e9
    decode.down = mean(\.down) / 1e9
    decode.stall = mean(\.stall) / 1e9
    decode.hits = mean(\.hits)
    decode.misses = mean(\.misses)
    decode.readCount = mean(\.readCount)
    decode.readByteCount = mean(\.readByteCount)
    return decode
  }
}
