import FlashIO

/// The line or lines of each event.
extension TraceEncoder {
  /// Appends an event; that of strides up to its text, which the caller appends.
  func append(_ event: TraceEvent) {
    switch event {
    case .forwardBegan(let forward): append(forward)
    case .forwardEnded(let time, let windowByteCount, let isWhole):
      endForward(at: time, windowByteCount: windowByteCount, isWhole: isWhole)
    case .layerBegan(let layer, let time): begin(layer: layer, at: time)
    case .layerEnded(let layer): append(layer)
    case .span(let span): append(span)
    case .read(let read): append(read)
    case .strides(let strides):
      open("wanted", "i", track: Track.wanted)
      field("s", "t")
      arguments("layer", strides.layer)
      field("count", strides.count)
      text.append(",\"gaps\":\"")
    case .readsInFlight(let count, let time):
      counter("reads in flight", "reads", count, at: time)
    }
  }

  func endStrides() { text.append("\"}}") }

  private func append(_ forward: TraceForward) {
    open(forward.isPrompt ? "prompt" : "decode", "B", track: Track.tokens, at: forward.time)
    field("cat", "token")
    arguments("index", forward.index)
    field("position", forward.position)
    field("tokens", forward.tokenCount)
    closeArguments()
  }

  private func endForward(at time: Int, windowByteCount: Int, isWhole: Bool) {
    if openLayer != nil {
      // The layer in which the chunk was left early.
      open("layer", "E", track: Track.tokens, at: time)
      field("cat", "layer")
      close()
      openLayer = nil
    }
    counter("bytes resident", "window", windowByteCount, at: time)
    open("token", "E", track: Track.tokens, at: time)
    field("cat", "token")
    arguments("whole", isWhole ? 1 : 0)
    field("window", windowByteCount)
    closeArguments()
  }

  private func begin(layer: Int, at time: Int) {
    open("layer", "B", track: Track.tokens, at: time)
    field("cat", "layer")
    arguments("layer", layer)
    closeArguments()
    openLayer = layer
    flowed.removeAll(keepingCapacity: true)
    for read in ahead where read.label.layer == layer { appendFlow(read, arrival: time) }
    ahead.removeAll { $0.label.layer == layer }
  }

  private func append(_ layer: TraceLayer) {
    if layer.hits + layer.misses > 0 {
      counter(
        "hit rate", "percent", layer.hits * 100 / (layer.hits + layer.misses), at: layer.time)
    }
    open("layer", "E", track: Track.tokens, at: layer.time)
    field("cat", "layer")
    arguments("layer", layer.layer)
    field("hits", layer.hits)
    field("misses", layer.misses)
    field("neurons", layer.neurons)
    field("wanted", layer.wantedByteCount)
    field("asked", layer.askedByteCount)
    field("guesses", layer.guessesIssued)
    field("guessed", layer.guessesUsed)
    closeArguments()
    openLayer = nil
  }

  private func append(_ span: TraceSpan) {
    open(Self.name(of: span.kind), "X", track: Self.track(of: span.kind), at: span.start)
    text.append(",\"dur\":")
    text.append(microseconds: span.duration)
    field("cat", "work")
    arguments("layer", span.layer)
    closeArguments()
    now = max(now, span.end)
  }

  // Nine of ten lines are a read's. Few long pieces make them in half the time of many short ones.

  private func append(_ read: TraceRead) {
    text.append(",\n{\"name\":\"read\",\"cat\":\"read\",\"ph\":\"b\",\"tid\":8,\"ts\":")
    stamp(read.start, read.number)
    text.append(",\"args\":{\"layer\":")
    text.append(read.label.layer)
    switch read.label.purpose {
    case .demand: text.append(",\"purpose\":\"demand\",\"file\":")
    case .guess: text.append(",\"purpose\":\"guess\",\"file\":")
    case .stream: text.append(",\"purpose\":\"stream\",\"file\":")
    case .row: text.append(",\"purpose\":\"row\",\"file\":")
    }
    text.append(read.fileIndex)
    text.append(",\"offset\":")
    text.append(read.extent.offset)
    text.append(",\"bytes\":")
    text.append(read.extent.byteCount)
    if read.isFailed { field("failed", 1) }
    text.append("}},\n{\"name\":\"read\",\"cat\":\"read\",\"ph\":\"e\",\"tid\":8,\"ts\":")
    stamp(read.end, read.number)
    close()
    guard !read.isFailed, read.label.layer >= 0, read.label.purpose != .guess else { return }
    // One for each layer and purpose: hundreds between the same two slices would be one to the eye,
    // and two of five bytes of the file.
    if openLayer == read.label.layer {
      if flowed.insert(read.label.purpose).inserted { appendFlow(read, arrival: read.end) }
    } else if ahead.count < Self.aheadCapacity,
      !ahead.contains(where: { $0.label == read.label })
    {
      ahead.append(read)
    }
  }

  /// An arrow from where a read began to where its layer had its bytes.
  private func appendFlow(_ read: TraceRead, arrival: Int) {
    text.append(",\n{\"name\":\"bytes\",\"cat\":\"flow\",\"ph\":\"s\",\"tid\":1,\"ts\":")
    stamp(read.start, read.number)
    text.append(
      "},\n{\"name\":\"bytes\",\"cat\":\"flow\",\"ph\":\"f\",\"bp\":\"e\",\"tid\":1,\"ts\":")
    stamp(arrival, read.number)
    close()
  }

  /// A time, the run and an id.
  private func stamp(_ time: Int, _ number: Int) {
    now = max(now, time)
    text.append(microseconds: time - base)
    text.append(",\"pid\":")
    text.append(run)
    text.append(",\"id\":")
    text.append(number)
  }

  private func counter(_ name: StaticString, _ series: StaticString, _ value: Int, at time: Int) {
    open(name, "C", track: 0, at: time)
    arguments(series, value)
    closeArguments()
  }
}
