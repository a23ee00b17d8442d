internal import Glibc

/// The device's side of the table: what goes in next, and what came back.
extension ReadTable {
  /// How often a read may come back without progress before it counts as failed.
  package static let fruitlessLimit = 100
  private static let largestRead = 1 << 30

  /// What to put in flight next: a request, or the rest of one.
  @unsafe package struct Read {
    /// The engine gives this back in `complete`.
    package let entry: Int
    package let fileIndex: Int
    package let offset: Int
    /// At most 1 GiB.
    package let byteCount: Int
    package let destination: UnsafeMutableRawPointer
  }

  /// The next read to put in flight, or nil where none is queued.
  package mutating func take() -> Read? {
    guard queuedCount > 0 else { return nil }
    var slot = Self.none
    if let favoredBatch, batches[favoredBatch.slot].queuedCount > 0 {
      slot = favoredBatch.slot
    } else {
      if currentSlot == Self.none || batches[currentSlot].queuedCount == 0 {
        currentSlot = oldestWaitingSlot()
      }
      slot = currentSlot
    }
    let index = popQueued(batch: slot)
    unsafe entries[index].isInFlight = true
    if unsafe entries[index].trace?.start == 0 {
      unsafe entries[index].trace?.start = MonotonicClock.nanoseconds
    }
    inFlightCount += 1
    batches[slot].inFlightCount += 1
    statistics.maximumInFlight = max(statistics.maximumInFlight, inFlightCount)
    let entry = unsafe entries[index]
    return unsafe Read(
      entry: index, fileIndex: entry.fileIndex, offset: entry.extent.offset + entry.doneByteCount,
      byteCount: min(entry.extent.byteCount - entry.doneByteCount, Self.largestRead),
      destination: entry.destination! + entry.doneByteCount)
  }

  /// Books what a read that was taken brought.
  ///
  /// The rest of a short read is queued again, before the batch's other reads, in whole units: the
  /// bytes of a torn unit are read again.
  /// - Parameter result: bytes read (0 at the end of the file), or a negated error number.
  package mutating func complete(entry index: Int, result: Int) {
    let slot = unsafe entries[index].batch
    unsafe precondition(entries[index].isInFlight, "a read completes once")
    unsafe entries[index].isInFlight = false
    inFlightCount -= 1
    batches[slot].inFlightCount -= 1
    let file = unsafe files[entries[index].fileIndex]
    let expected = unsafe file.expectedByteCount(entries[index].extent)
    if result > 0 {
      let found = unsafe entries[index].doneByteCount + result
      if found >= expected {
        finish(index, byteCount: expected)
      } else {
        let done = found - found % file.unit
        let isProgress = unsafe done > entries[index].doneByteCount
        unsafe entries[index].doneByteCount = done
        retry(index, isProgress: isProgress, code: EIO)
      }
    } else if result == 0 {
      fail(index, code: nil)
    } else if -result == Int(EINTR) || -result == Int(EAGAIN) {
      retry(index, isProgress: false, code: Int32(-result))
    } else {
      fail(index, code: Int32(-result))
    }
  }

  /// How many completions to block for, once as many reads are in flight as the depth allows: the
  /// batch's own where none of it is queued; else half a queue, so that the other half keeps the
  /// device busy while the next reads go in with the same call.
  package func completionsToAwait(for batch: ReadBatch, queueDepth: Int) -> Int {
    queuedCount(of: batch) == 0
      ? inFlightCount(of: batch) : min(inFlightCount, (queueDepth + 1) / 2)
  }

  /// Gives up every read in flight: the device answers no more.
  package mutating func failInFlight(code: Int32) {
    for index in unsafe entries.indices where unsafe entries[index].isInFlight {
      complete(entry: index, result: -Int(code))
    }
  }

  /// Empties the queue of one batch.
  mutating func dropQueued(batch slot: Int) {
    while batches[slot].queuedCount > 0 { release(popQueued(batch: slot)) }
  }

  private mutating func finish(_ index: Int, byteCount: Int) {
    statistics.readCount += 1
    statistics.byteCount += byteCount
    trace(index, byteCount: byteCount, isFailed: false)
    unsafe files[entries[index].fileIndex].forgetPages(of: entries[index].extent)
    release(index)
  }

  private func trace(_ index: Int, byteCount: Int, isFailed: Bool) {
    guard let recorder, let trace = unsafe entries[index].trace else { return }
    let offset = unsafe entries[index].extent.offset
    recorder.note(
      TraceRead(
        number: trace.number, fileIndex: unsafe entries[index].fileIndex,
        extent: FileExtent(offset: offset, byteCount: byteCount), label: trace.label,
        start: trace.start, end: MonotonicClock.nanoseconds, isFailed: isFailed))
  }

  private mutating func retry(_ index: Int, isProgress: Bool, code: Int32) {
    let slot = unsafe entries[index].batch
    if !isProgress { unsafe entries[index].fruitlessCount += 1 }
    if unsafe entries[index].fruitlessCount >= Self.fruitlessLimit {
      fail(index, code: code)
    } else if batches[slot].failure != nil {
      release(index)
    } else {
      statistics.retryCount += 1
      pushQueued(index, batch: slot)
    }
  }

  private mutating func fail(_ index: Int, code: Int32?) {
    let entry = unsafe entries[index]
    let slot = unsafe entry.batch
    let earlierOrder = batches[slot].failure?.order ?? Int.max
    if unsafe entry.order < earlierOrder {
      batches[slot].failure = unsafe Failure(
        order: entry.order, code: code, fileIndex: entry.fileIndex, extent: entry.extent,
        foundByteCount: entry.doneByteCount)
    }
    unsafe trace(index, byteCount: entry.doneByteCount, isFailed: true)
    release(index)
    dropQueued(batch: slot)
  }

  private func oldestWaitingSlot() -> Int {
    var oldest = Self.none
    for slot in batches.indices where batches[slot].isOpen && batches[slot].queuedCount > 0 {
      if oldest == Self.none || batches[slot].generation < batches[oldest].generation {
        oldest = slot
      }
    }
    return oldest
  }

  private mutating func popQueued(batch slot: Int) -> Int {
    let index = batches[slot].firstQueued
    batches[slot].firstQueued = unsafe entries[index].next
    batches[slot].queuedCount -= 1
    queuedCount -= 1
    return index
  }

  /// Puts a read before the others of its batch.
  private mutating func pushQueued(_ index: Int, batch slot: Int) {
    unsafe entries[index].next = batches[slot].firstQueued
    if batches[slot].queuedCount == 0 { batches[slot].lastQueued = index }
    batches[slot].firstQueued = index
    batches[slot].queuedCount += 1
    queuedCount += 1
  }

  private mutating func release(_ index: Int) {
    unsafe entries[index].next = firstFree
    firstFree = index
    freeCount += 1
  }
}
