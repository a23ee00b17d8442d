/// Takes the events of a recording in order: what writes them to a file.
package protocol TraceSink: AnyObject {
  /// Called on the thread that records, when a chunk of tokens is through or the recorder is full.
  /// Allocates nothing.
  ///
  /// - Parameter text: what `TraceStrides.text` counts in.
  func write(_ events: UnsafeBufferPointer<TraceEvent>, text: UnsafeBufferPointer<UInt8>)
}

/// Notes what happens in a run, in memory that is reserved at `init`, and hands it to a sink
/// between chunks of tokens, or before where it is full: nothing is dropped.
///
/// One thread records: the one that runs the decoder. Only `note`, for reads that came back, may be
/// called by another, under the lock that the read engine holds anyway. Noting an event copies some
/// 80 bytes; after `init` nothing allocates.
@safe package final class TraceRecorder {
  /// Events between two calls of the sink.
  private static let eventCapacity = 8192

  /// The layer at work, for spans; -1 outside the layers.
  package private(set) var layer = -1
  /// What the reads submitted from here on are for.
  package var label = ReadLabel(layer: -1, purpose: .row)
  private let sink: any TraceSink
  private let events: UnsafeMutablePointer<TraceEvent>
  private var eventCount = 0
  private let text: UnsafeMutablePointer<UInt8>
  private let textCapacity: Int
  /// The most that one layer's set takes.
  private let setCapacity: Int
  private var textCount = 0
  /// Reads that came back and were not yet collected.
  private let completed: UnsafeMutablePointer<TraceRead>
  private let completedCapacity: Int
  private var completedCount = 0
  private var forwardCount = 0
  private var readCount = 0
  private var lastInFlightCount = 0

  /// - Parameters:
  ///   - readCapacity: the most reads that may be outstanding (`ReadEngineDescription.capacity`).
  ///   - strideCapacity: the most strides that a layer has.
  package init(sink: any TraceSink, readCapacity: Int, strideCapacity: Int) {
    self.sink = sink
    completedCapacity = readCapacity
    textCapacity = Self.textCapacity(strideCapacity)
    setCapacity = StrideGaps.capacity(limit: strideCapacity)
    unsafe events = .allocate(capacity: Self.eventCapacity)
    unsafe text = .allocate(capacity: textCapacity)
    unsafe completed = .allocate(capacity: readCapacity)
  }

  deinit {
    unsafe events.deallocate()
    unsafe text.deallocate()
    unsafe completed.deallocate()
  }

  /// Bytes that a recorder takes, for the memory plan.
  package static func byteCount(readCapacity: Int, strideCapacity: Int) -> Int {
    eventCapacity * MemoryLayout<TraceEvent>.stride + textCapacity(strideCapacity)
      + readCapacity * MemoryLayout<TraceRead>.stride
  }

  private static func textCapacity(_ strideCapacity: Int) -> Int {
    max(128 << 10, 2 * StrideGaps.capacity(limit: strideCapacity))
  }

  // MARK: The decoder's side

  package func record(_ event: TraceEvent) {
    if eventCount == Self.eventCapacity { flush() }
    append(event)
  }

  private func append(_ event: TraceEvent) {
    unsafe (events + eventCount).initialize(to: event)
    eventCount += 1
  }

  package func record(_ kind: TraceSpan.Kind, from start: Int, to end: Int) {
    record(.span(TraceSpan(kind: kind, layer: layer, start: start, end: end)))
  }

  package func beginForward(position: Int, tokenCount: Int, isPrompt: Bool) {
    record(
      .forwardBegan(
        TraceForward(
          index: forwardCount, position: position, tokenCount: tokenCount, isPrompt: isPrompt,
          time: MonotonicClock.nanoseconds)))
    forwardCount += 1
  }

  /// Hands everything to the sink and ends the chunk, in that order: what writing costs is part of
  /// the chunk's time. The reads that came back were collected.
  package func endForward(windowByteCount: Int, isWhole: Bool) {
    layer = -1
    flush()
    record(
      .forwardEnded(
        time: MonotonicClock.nanoseconds, windowByteCount: windowByteCount, isWhole: isWhole))
  }

  package func begin(layer: Int) {
    self.layer = layer
    record(.layerBegan(layer: layer, time: MonotonicClock.nanoseconds))
  }

  package func end(_ layer: TraceLayer) {
    record(.layerEnded(layer))
    self.layer = -1
  }

  /// Notes the strides that a layer wants.
  ///
  /// - Parameters:
  ///   - neurons: ascending.
  ///   - perStride: neurons of a stride.
  /// - Complexity: O(1) for each neuron.
  package func record(
    neurons: UnsafeBufferPointer<Int32>, perStride: Int, layer: Int
  ) {
    // Both at once: an event and its text go to the sink together.
    if eventCount == Self.eventCapacity || textCapacity - textCount < setCapacity { flush() }
    let start = textCount
    var count = 0
    var last = -1
    for place in neurons.indices {
      let neuron = Int(unsafe neurons[place])
      let stride = perStride == 1 ? neuron : neuron / perStride
      if stride == last { continue }
      unsafe textCount += StrideGaps.write(gap: stride - last - 1, to: text + textCount)
      last = stride
      count += 1
    }
    append(.strides(TraceStrides(layer: layer, count: count, text: start..<textCount)))
  }

  /// Hands everything to the sink.
  package func flush() {
    guard eventCount > 0 else { return }
    let start = MonotonicClock.nanoseconds
    unsafe sink.write(
      UnsafeBufferPointer(start: events, count: eventCount),
      text: UnsafeBufferPointer(start: text, count: textCount))
    eventCount = 0
    textCount = 0
    append(
      .span(
        TraceSpan(kind: .trace, layer: layer, start: start, end: MonotonicClock.nanoseconds)))
  }

  // MARK: The read engine's side

  /// The number of the next read that is submitted.
  func nextReadNumber() -> Int {
    readCount += 1
    return readCount
  }

  /// Notes a read that came back; the engine's lock is held.
  func note(_ read: TraceRead) {
    precondition(completedCount < completedCapacity, "reads are collected before others go in")
    unsafe (completed + completedCount).initialize(to: read)
    completedCount += 1
  }

  /// Puts the reads that came back among the events; called with the engine's lock held.
  package func collect() {
    for index in 0..<completedCount { record(.read(unsafe completed[index])) }
    completedCount = 0
  }

  func note(readsInFlight count: Int, at time: Int) {
    guard count != lastInFlightCount else { return }
    lastInFlightCount = count
    record(.readsInFlight(count: count, time: time))
  }
}
