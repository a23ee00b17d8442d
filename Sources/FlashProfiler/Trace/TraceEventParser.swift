import FlashIO
internal import FoundationEssentials

/// Turns the lines that `TraceEncoder` writes back into items; one parser reads one file.
struct TraceEventParser {
  enum Fault: Error {
    case version(Int)
    case what(String)
  }

  /// Reads that began and did not end; the encoder writes both ends together.
  private var openReads: [Int: TraceRead] = [:]

  /// The item of an event; nil where it has none or the event is not of ours.
  ///
  /// - Throws: `Fault` for an event of ours that lacks what it should have.
  mutating func item(_ bytes: [UInt8], _ range: Range<Int>) throws(Fault) -> TraceItem? {
    let event = try TraceFields(bytes, range)
    switch event.phase {
    case UInt8(ascii: "M"): return try metadata(event)
    case UInt8(ascii: "X"):
      guard let kind = Self.kinds.first(where: { event.isNamed($0.name) })?.kind else { return nil }
      let start = try event.time("ts")
      return .event(
        .span(
          TraceSpan(
            kind: kind, layer: try event.argument("layer"), start: start,
            end: start + (try event.time("dur")))))
    case UInt8(ascii: "b"), UInt8(ascii: "e"): return try read(event)
    case UInt8(ascii: "B"), UInt8(ascii: "E"): return try token(event)
    case UInt8(ascii: "i") where event.isNamed("wanted"):
      let text = try event.text(ofArgument: "gaps")
      guard let strides = StrideGaps.decode(bytes[text]),
        strides.count == (try event.argument("count"))
      else { throw .what("a set of strides is damaged") }
      return .strides(layer: try event.argument("layer"), strides)
    case UInt8(ascii: "C") where event.isNamed("reads in flight"):
      return .event(
        .readsInFlight(count: try event.argument("reads"), time: try event.time("ts")))
    default: return nil
    }
  }

  /// The name of an event, quoted, or what is there instead.
  func name(_ bytes: [UInt8], _ range: Range<Int>) -> String {
    guard let event = try? TraceFields(bytes, range), let name = event.find("name") else {
      return "no event"
    }
    return String(decoding: bytes[name], as: UTF8.self)
  }

  private static let kinds: [(name: StaticString, kind: TraceSpan.Kind)] =
    TraceSpan.Kind.allCases.map { (TraceEncoder.name(of: $0), $0) }
  private static let purposes: [(name: StaticString, purpose: ReadLabel.Purpose)] =
    ReadLabel.Purpose.allCases.map { (TraceEncoder.name(of: $0), $0) }

  private func metadata(_ event: TraceFields) throws(Fault) -> TraceItem? {
    if event.isNamed("flashrun") {
      let format = try event.argument("format")
      guard format == TraceHeader.currentFormat else { throw .version(format) }
      return .header(try decoded(event))
    }
    return event.isNamed("totals") ? .totals(try decoded(event)) : nil
  }

  private func decoded<Value: Decodable>(_ event: TraceFields) throws(Fault) -> Value {
    guard let arguments = event.arguments else { throw .what("an event has no args") }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      return try decoder.decode(Value.self, from: Data(event.bytes[arguments]))
    } catch {
      throw .what("the args of \(Value.self) cannot be read: \(error)")
    }
  }

  private mutating func read(_ event: TraceFields) throws(Fault) -> TraceItem? {
    guard event.isNamed("read") else { return nil }
    let number = try event.integer("id")
    let time = try event.time("ts")
    if event.phase == UInt8(ascii: "e") {
      guard var read = openReads.removeValue(forKey: number) else {
        throw .what("read \(number) ends before it begins")
      }
      read.end = time
      return .event(.read(read))
    }
    let name = try event.text(ofArgument: "purpose")
    guard let purpose = Self.purposes.first(where: { event.matches(name, $0.name) })?.purpose
    else { throw .what("read \(number) has an unknown purpose") }
    openReads[number] = TraceRead(
      number: number, fileIndex: try event.argument("file"),
      extent: FileExtent(
        offset: try event.argument("offset"), byteCount: try event.argument("bytes")),
      label: ReadLabel(layer: try event.argument("layer"), purpose: purpose), start: time,
      end: time, isFailed: event.hasArgument("failed"))
    return nil
  }

  /// Beginnings and ends of chunks of tokens and of layers.
  private func token(_ event: TraceFields) throws(Fault) -> TraceItem? {
    let time = try event.time("ts")
    let isBeginning = event.phase == UInt8(ascii: "B")
    if event.isNamed("layer") {
      guard event.arguments != nil else { return nil }
      let index = try event.argument("layer")
      guard !isBeginning else { return .event(.layerBegan(layer: index, time: time)) }
      var layer = TraceLayer(layer: index, time: time)
      layer.hits = try event.argument("hits")
      layer.misses = try event.argument("misses")
      layer.neurons = try event.argument("neurons")
      layer.wantedByteCount = try event.argument("wanted")
      layer.askedByteCount = try event.argument("asked")
      layer.guessesIssued = try event.argument("guesses")
      layer.guessesUsed = try event.argument("guessed")
      return .event(.layerEnded(layer))
    }
    if event.isNamed("token"), !isBeginning {
      return .event(
        .forwardEnded(
          time: time, windowByteCount: try event.argument("window"),
          isWhole: try event.argument("whole") == 1))
    }
    guard isBeginning, event.isNamed("prompt") || event.isNamed("decode") else { return nil }
    return .event(
      .forwardBegan(
        TraceForward(
          index: try event.argument("index"), position: try event.argument("position"),
          tokenCount: try event.argument("tokens"), isPrompt: event.isNamed("prompt"),
          time: time)))
  }
}
