/// Measuring a device briefly, where no profile of it was saved.
extension DeviceProfile {
  /// Measures a file's device with an engine that has nothing else to do.
  ///
  /// - Parameters:
  ///   - fileIndex: the engine's file; the longer it is, the less its device's own memory helps.
  ///   - buffer: where the bytes go, in the engine's arena; at least 1 MiB, and more is better.
  ///   - readByteCount: the size of a random read, rounded up to whole units.
  ///   - duration: of both parts together.
  /// - Throws: `ReadFailure`.
  package static func measure(
    engine: any ReadEngine, fileIndex: Int, buffer: UnsafeMutableRawBufferPointer,
    readByteCount: Int, duration: Duration = .milliseconds(100)
  ) throws(ReadFailure) -> DeviceProfile {
    let unit = engine.files[fileIndex].unit
    let size = (readByteCount + unit - 1) / unit * unit
    let random = try unsafe rate(
      engine: engine, fileIndex: fileIndex, buffer: buffer, readByteCount: size,
      isRandom: true, duration: duration / 2)
    let long = try unsafe rate(
      engine: engine, fileIndex: fileIndex, buffer: buffer, readByteCount: 1 << 20,
      isRandom: false, duration: duration / 2)
    return DeviceProfile(
      bandwidth: long.bytes, readsPerSecond: random.reads, readByteCount: size)
  }

  /// Batches outstanding at a time: while one is waited for, the others keep the device busy.
  private static let batchCount = 4

  /// Reads and bytes a second.
  private static func rate(
    engine: any ReadEngine, fileIndex: Int, buffer: UnsafeMutableRawBufferPointer,
    readByteCount: Int, isRandom: Bool, duration: Duration
  ) throws(ReadFailure) -> (reads: Double, bytes: Double) {
    let file = engine.files[fileIndex]
    let placeCount = max(1, file.byteCount / readByteCount)
    let largest = FileExtent(offset: 0, byteCount: file.byteCount).widened(toUnit: file.unit)
    let byteCount = min(readByteCount, largest.byteCount)
    precondition(byteCount > 0 && buffer.count >= byteCount, "the file and the buffer hold a read")
    let room = min(buffer.count / byteCount, engine.description.capacity)
    let batchCount = min(room, Self.batchCount)
    let readCount = min(room / batchCount, max(1, engine.description.queueDepth / 2))
    // Where a measurement begins differs each time, so that no host's memory knows it.
    var place = UInt64.random(in: 0..<UInt64(placeCount))
    var requests: [ReadRequest] = unsafe []
    var batches: [ReadBatch?] = Array(repeating: nil, count: batchCount)
    var batch = 0
    let before = engine.statistics
    let start = ContinuousClock.now
    repeat {
      if let outstanding = batches[batch] { try engine.wait(for: outstanding) }
      unsafe requests.removeAll(keepingCapacity: true)
      for index in batch * readCount..<(batch + 1) * readCount {
        // Knuth's MMIX generator; its high bits are random enough to scatter reads.
        place =
          isRandom ? place &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 : place + 1
        let number = Int((isRandom ? place >> 33 : place) % UInt64(placeCount))
        unsafe requests.append(
          ReadRequest(
            fileIndex: fileIndex,
            extent: FileExtent(offset: number * byteCount, byteCount: byteCount),
            destination: buffer.baseAddress! + index * byteCount))
      }
      batches[batch] = try unsafe engine.submit(requests)
      batch = (batch + 1) % batchCount
    } while ContinuousClock.now - start < duration
    for case .some(let outstanding) in batches { try engine.wait(for: outstanding) }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let total = engine.statistics - before
    return (Double(total.readCount) / seconds, Double(total.byteCount) / seconds)
  }
}
