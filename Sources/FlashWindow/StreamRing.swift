import FlashIO

/// Brings the weights that are not resident through a few buffers, in the order in which a forward
/// pass needs them, as far ahead as there are buffers.
///
/// Every forward pass uses the same segments in the same order (those of the output head only when
/// logits are wanted), so what comes next is always known and the device never waits for the
/// arithmetic longer than it takes to free a buffer.
@safe final class StreamRing {
  /// A run of bytes that is read at once and used at once.
  struct Segment {
    var fileIndex: Int
    /// Widened to the file's unit.
    var extent: FileExtent
    /// The layer that uses it; nil outside the layers.
    var layer: Int?
  }

  /// Requests are cut at 1 MiB: with four buffers of 4 MiB that keeps 16 reads in flight, with
  /// sixteen 64, which is the usual queue depth. A probe read 2.5 GB/s with 16 and 2.8 with 64.
  static let requestByteCount = 1 << 20
  /// Buffers of a plan that has room for them.
  static let largestBufferCount = 16

  private let engine: any ReadEngine
  private let segments: [Segment]
  /// Segments before the output head's; every forward pass uses them.
  private let bodyCount: Int
  private let shape: StreamRingShape
  private let base: UnsafeMutableRawPointer
  /// Whether segments are read before they are wanted.
  private let readsAhead: Bool
  private let requests: UnsafeMutablePointer<ReadRequest>
  private var batches: [ReadBatch?]
  /// Segments of this forward pass, and where in the ring its first one lies.
  private var segmentCount = 0
  private var firstBuffer = 0
  /// Segments of this pass that were put in flight and used; `issued` may run ahead into the next.
  private var issued = 0
  private var consumed = 0

  init(
    engine: any ReadEngine, segments: [Segment], bodyCount: Int, shape: StreamRingShape,
    base: UnsafeMutableRawPointer, readsAhead: Bool = true
  ) {
    self.engine = engine
    self.segments = segments
    self.bodyCount = bodyCount
    self.shape = shape
    self.readsAhead = readsAhead
    unsafe self.base = unsafe base
    batches = Array(repeating: nil, count: shape.bufferCount)
    let perSegment = shape.bufferByteCount / Self.requestByteCount + 1
    unsafe requests = .allocate(capacity: perSegment)
  }

  deinit {
    unsafe requests.deallocate()
  }

  /// Starts a forward pass; the reads that the last one put in flight for it are kept.
  func begin(includesHead: Bool) throws(ReadFailure) {
    segmentCount = includesHead ? segments.count : bodyCount
    if readsAhead { try fill() }
  }

  /// Waits for `segment` and lends its bytes until `release`.
  ///
  /// - Precondition: segments are asked for in order, one at a time.
  func acquire(_ segment: Int) throws(ReadFailure) -> UnsafeRawPointer {
    if !readsAhead, segment == issued { try fillAndWait() }
    precondition(segment == consumed && consumed < issued, "segments are used in order")
    let buffer = (firstBuffer + consumed) % shape.bufferCount
    if let batch = batches[buffer] {
      batches[buffer] = nil
      try engine.wait(for: batch)
    }
    return unsafe UnsafeRawPointer(base + buffer * shape.bufferByteCount)
  }

  /// Gives the buffer of the segment in use back and puts the next reads in flight.
  func release() throws(ReadFailure) {
    consumed += 1
    if readsAhead { try fill() }
  }

  /// Ends a forward pass that used all its segments.
  func end() {
    precondition(consumed == segmentCount, "a forward pass uses every segment")
    firstBuffer = (firstBuffer + segmentCount) % shape.bufferCount
    issued -= segmentCount
    consumed = 0
  }

  /// Forgets what is in flight after a failure or a cancelled pass. Waits for the device.
  func reset() {
    engine.drain()
    for buffer in batches.indices { batches[buffer] = nil }
    issued = 0
    consumed = 0
  }

  /// Fills all buffers and waits for all of them, so that the device works at its full rate and
  /// arithmetic not at all.
  private func fillAndWait() throws(ReadFailure) {
    try fill()
    for buffer in batches.indices {
      guard let batch = batches[buffer] else { continue }
      batches[buffer] = nil
      try engine.wait(for: batch)
    }
  }

  /// Reads as far ahead as there are free buffers, into the next pass by its body only.
  private func fill() throws(ReadFailure) {
    let horizon = segmentCount + (readsAhead ? bodyCount : 0)
    while issued < min(horizon, consumed + shape.bufferCount) {
      let segment = issued < segmentCount ? issued : issued - segmentCount
      let buffer = (firstBuffer + issued) % shape.bufferCount
      batches[buffer] = try submit(segments[segment], buffer: buffer)
      issued += 1
    }
  }

  private func submit(_ segment: Segment, buffer: Int) throws(ReadFailure) -> ReadBatch {
    engine.recorder?.label = ReadLabel(layer: segment.layer ?? -1, purpose: .stream)
    let destination = unsafe base + buffer * shape.bufferByteCount
    var count = 0
    var done = 0
    while done < segment.extent.byteCount {
      let part = min(Self.requestByteCount, segment.extent.byteCount - done)
      let request = unsafe ReadRequest(
        fileIndex: segment.fileIndex,
        extent: FileExtent(offset: segment.extent.offset + done, byteCount: part),
        destination: destination + done)
      unsafe (requests + count).initialize(to: request)
      count += 1
      done += part
    }
    return try unsafe engine.submit(UnsafeBufferPointer(start: requests, count: count))
  }
}
