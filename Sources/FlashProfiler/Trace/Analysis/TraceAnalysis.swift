package import FlashIO

/// What a trace comes to: bytes, latencies and time by layer and by kind, in memory that grows with
/// the number of tokens only.
package struct TraceAnalysis: Sendable {
  /// Of the file's first run.
  package private(set) var header: TraceHeader
  package private(set) var runCount = 0
  /// Whether the file ends in the middle.
  package private(set) var isCut = false
  /// For each layer of the model.
  package private(set) var layers: [LayerSummary]
  /// What belongs to no layer: embedding and output head.
  package private(set) var outside = LayerSummary()
  package private(set) var prompt = PhaseSummary()
  package private(set) var decode = PhaseSummary()
  /// Every chunk of tokens, in order.
  package private(set) var forwards: [ForwardSummary] = []
  package private(set) var slowest: [SlowRead] = []
  package private(set) var latency = LatencyHistogram()
  package private(set) var scale = PowerHistogram()
  package private(set) var failedReadCount = 0
  /// The footers of the generations.
  package private(set) var totals: [TraceTotals] = []

  private var current: ForwardSummary?
  private var flights: FlightTimes
  private static let slowestCount = 10

  /// A chunk of tokens, and what its time went to.
  package struct ForwardSummary: Sendable {
    package var run: Int
    package var forward: TraceForward
    package var isWhole = true
    package var end = 0
    package var arithmetic = 0
    package var stall = 0
    /// Read from flash meanwhile.
    package var byteCount = 0
    package var duration: Int { end - forward.time }
  }

  package struct SlowRead: Sendable {
    package var read: TraceRead
    package var run: Int
    /// Index of the chunk in which it came back; nil between chunks.
    package var forward: Int?
  }

  /// Reads a trace to its end.
  ///
  /// - Throws: `TraceError`, also where the file holds a header and nothing else of use.
  package init(_ reader: TraceReader) throws(TraceError) {
    guard case .header(let header)? = try reader.next() else {
      throw TraceError(path: reader.path, kind: .cutInHeader)
    }
    self.header = header
    layers = Array(repeating: LayerSummary(), count: header.layers.count)
    flights = FlightTimes(layerCount: header.layers.count)
    begin(header)
    while let item = try reader.next() {
      switch item {
      case .header(let header): begin(header)
      case .event(let event): add(event)
      case .strides: break
      case .totals(let totals): self.totals.append(totals)
      }
    }
    isCut = reader.isCut
    // Where the file was cut within a chunk, what there is of it counts.
    if let current { finish(current) }
  }

  private mutating func begin(_ header: TraceHeader) {
    runCount += 1
    while layers.count < header.layers.count { layers.append(LayerSummary()) }
    flights.widen(to: layers.count)
  }

  private mutating func add(_ event: TraceEvent) {
    switch event {
    case .forwardBegan(let forward):
      if let current { finish(current) }
      current = ForwardSummary(run: runCount, forward: forward, end: forward.time)
    case .forwardEnded(let time, _, let isWhole):
      current?.end = time
      current?.isWhole = isWhole
      if let current { finish(current) }
      current = nil
    case .layerBegan(let layer, let time): flights.begin(layer: layer, at: time)
    case .layerEnded(let layer): end(layer)
    case .span(let span): add(span)
    case .read(let read): add(read)
    case .strides, .readsInFlight: break
    }
  }

  private mutating func finish(_ forward: ForwardSummary) {
    forwards.append(forward)
    phase(forward.forward.isPrompt) {
      $0.chunks += 1
      $0.tokens += forward.forward.tokenCount
      $0.duration += forward.duration
    }
    for (layer, busy) in flights.take() { summary(of: layer) { $0.busy += busy } }
  }

  private mutating func end(_ layer: TraceLayer) {
    let duration = flights.end(layer: layer.layer, at: layer.time)
    summary(of: layer.layer) {
      $0.duration += duration
      $0.hits += layer.hits
      $0.misses += layer.misses
      $0.neurons += layer.neurons
      $0.wantedByteCount += layer.wantedByteCount
      $0.askedByteCount += layer.askedByteCount
      $0.guessesIssued += layer.guessesIssued
      $0.guessesUsed += layer.guessesUsed
    }
    phase {
      $0.hits += layer.hits
      $0.misses += layer.misses
    }
  }

  private mutating func add(_ span: TraceSpan) {
    let end = max(current?.end ?? 0, span.end)
    current?.end = end
    if span.kind.isStall { current?.stall += span.duration }
    if span.kind.isArithmetic { current?.arithmetic += span.duration }
    summary(of: span.layer) {
      if span.kind.isStall { $0.stall += span.duration }
      if span.kind.isArithmetic { $0.arithmetic += span.duration }
    }
    phase { $0.times[Int(span.kind.rawValue)] += span.duration }
  }

  private mutating func add(_ read: TraceRead) {
    flights.add(read)
    latency.record(nanoseconds: read.duration)
    scale.record(nanoseconds: read.duration)
    failedReadCount += read.isFailed ? 1 : 0
    current?.byteCount += read.extent.byteCount
    summary(of: read.label.layer) {
      $0.readCount += 1
      $0.byteCount += read.extent.byteCount
      $0.latency.record(nanoseconds: read.duration)
    }
    phase {
      $0.readCount += 1
      $0.byteCount += read.extent.byteCount
    }
    if slowest.count < Self.slowestCount || slowest[slowest.count - 1].read.duration < read.duration
    {
      let place = slowest.firstIndex { $0.read.duration < read.duration } ?? slowest.count
      slowest.insert(
        SlowRead(read: read, run: runCount, forward: current?.forward.index), at: place)
      if slowest.count > Self.slowestCount { slowest.removeLast() }
    }
  }

  private mutating func summary(of layer: Int, _ change: (inout LayerSummary) -> Void) {
    if layers.indices.contains(layer) { change(&layers[layer]) } else { change(&outside) }
  }

  private mutating func phase(_ isPrompt: Bool? = nil, _ change: (inout PhaseSummary) -> Void) {
    // Reads between chunks belong to the one before, as in the footer.
    let isPrompt = isPrompt ?? current?.forward.isPrompt ?? forwards.last?.forward.isPrompt ?? true
    if isPrompt { change(&prompt) } else { change(&decode) }
  }
}
