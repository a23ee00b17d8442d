import FlashIO

/// Turns events into lines of Chrome's trace format:
/// - header: `M` "flashrun", args `TraceHeader`; then `M` with the names of the run and its tracks;
/// - chunk of tokens: `B` "prompt" or "decode" on track 1, args index, position, tokens; `E`
///   "token", args whole, window (bytes);
/// - layer: `B` "layer" on track 1, args layer; `E`, args layer, hits, misses, neurons, wanted and
///   asked (bytes), guesses (issued for the next layer), guessed (used by this one);
/// - span: `X` on the track of its kind, args layer;
/// - read: `b` and `e` "read" of one id, args of `b`: layer, purpose, file, offset, bytes, and
///   failed where it did;
/// - consumption: flow `s` "bytes" at a read's start, `f` where the layer that wants it has it, for
///   the first read of each purpose for a layer;
/// - wanted strides: `i` "wanted" on track 9, args layer, count, gaps (`StrideGaps`);
/// - counters: `C` "reads in flight"; "hit rate" of each layer in percent; "bytes resident" in
///   slots of the window;
/// - totals: `M` "totals", args `TraceTotals`.
///
/// `ts` and `dur` are microseconds from the header's start, `pid` counts the runs of the file.
final class TraceEncoder {
  var text: TraceText
  private(set) var run = 0
  private(set) var base = 0
  private var isFirstEvent = true
  /// The latest time of any event.
  var now = 0
  var openLayer: Int?
  /// Reads ahead of their layer, the first for each, for flows to it.
  var ahead: [TraceRead] = []
  static let aheadCapacity = 64
  /// Purposes of reads that have a flow to the open layer.
  var flowed: Set<ReadLabel.Purpose> = []
  /// Flows are the only events of which several come at once.
  private static let flowByteCount = 256

  /// Numbers of tracks; those of spans lie between.
  enum Track {
    static let tokens = 1
    static let reads = 8
    static let wanted = 9
  }

  init(textCapacity: Int) {
    text = TraceText(capacity: textCapacity)
    ahead.reserveCapacity(Self.aheadCapacity)
    flowed.reserveCapacity(ReadLabel.Purpose.allCases.count)
  }

  static var memoryByteCount: Int { aheadCapacity * MemoryLayout<TraceRead>.stride }
  /// Room that any event finds enough, but for the text of strides and metadata.
  var largestByteCount: Int { 1024 + ahead.count * 2 * Self.flowByteCount }
  /// Room that is left for the end of an event.
  static let endByteCount = 64

  // MARK: Runs

  /// Begins a run whose events count from `base`.
  func begin(at base: Int) {
    self.base = base
    now = base
    run += 1
    openLayer = nil
    ahead.removeAll(keepingCapacity: true)
    flowed.removeAll(keepingCapacity: true)
  }

  /// Begins an event whose args are JSON that the caller appends.
  func beginMetadata(_ name: StaticString) {
    open(name, "M", track: 0)
    text.append(",\"args\":")
  }

  func endMetadata() { text.append("}") }

  /// Names the run and its tracks.
  func appendNames() {
    open("process_name", "M", track: 0)
    text.append(",\"args\":{\"name\":\"flashrun, run ")
    text.append(run)
    text.append("\"}}")
    name(track: Track.tokens, "tokens and layers")
    name(track: Self.track(of: .attention), "attention")
    name(track: Self.track(of: .predictor), "predictor and look-ahead")
    name(track: Self.track(of: .gateUp), "gate and up, experts")
    name(track: Self.track(of: .down), "down")
    name(track: Self.track(of: .stall), "stall")
    name(track: Self.track(of: .head), "other: output head, trace")
    name(track: Track.reads, "reads")
    name(track: Track.wanted, "wanted strides")
  }

  private func name(track: Int, _ name: StaticString) {
    open("thread_name", "M", track: track)
    text.append(",\"args\":{\"name\":\"")
    text.append(name)
    text.append("\"}}")
    open("thread_sort_index", "M", track: track)
    arguments("sort_index", track)
    closeArguments()
  }

  static func track(of kind: TraceSpan.Kind) -> Int {
    switch kind {
    case .attention: 2
    case .predictor, .lookAhead: 3
    case .gateUp, .experts: 4
    case .down: 5
    case .stall: 6
    case .head, .trace: 7
    }
  }

  static func name(of kind: TraceSpan.Kind) -> StaticString {
    switch kind {
    case .attention: "attention"
    case .predictor: "predictor"
    case .gateUp: "gate/up"
    case .down: "down"
    case .experts: "experts"
    case .head: "head"
    case .stall: "stall"
    case .lookAhead: "look-ahead"
    case .trace: "trace"
    }
  }

  static func name(of purpose: ReadLabel.Purpose) -> StaticString {
    switch purpose {
    case .demand: "demand"
    case .guess: "guess"
    case .stream: "stream"
    case .row: "row"
    }
  }

  // MARK: Pieces of an event

  /// Begins an event: its name, phase, time and track. Names and phases need no escaping.
  func open(_ name: StaticString, _ phase: StaticString, track: Int, at time: Int? = nil) {
    text.append(isFirstEvent ? "[\n{\"name\":\"" : ",\n{\"name\":\"")
    isFirstEvent = false
    text.append(name)
    text.append("\",\"ph\":\"")
    text.append(phase)
    text.append("\",\"ts\":")
    if let time, time > now { now = time }
    text.append(microseconds: (time ?? now) - base)
    text.append(",\"pid\":")
    text.append(run)
    text.append(",\"tid\":")
    text.append(track)
  }

  func field(_ name: StaticString, _ value: Int) {
    text.append(",\"")
    text.append(name)
    text.append("\":")
    text.append(value)
  }

  func field(_ name: StaticString, _ value: StaticString) {
    text.append(",\"")
    text.append(name)
    text.append("\":\"")
    text.append(value)
    text.append("\"")
  }

  /// Begins the args with a first number; others follow by `field`.
  func arguments(_ name: StaticString, _ value: Int) {
    text.append(",\"args\":{\"")
    text.append(name)
    text.append("\":")
    text.append(value)
  }

  func close() { text.append("}") }
  func closeArguments() { text.append("}}") }
}
