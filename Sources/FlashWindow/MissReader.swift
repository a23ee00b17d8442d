import FlashIO

/// Turns the misses of one load into reads: neighbours are read together where that is cheaper than
/// apart, and copied to their places afterwards.
///
/// Misses come in ascending order, so reads go out sorted. A miss that is read alone lands in its
/// slot; merged ones land in the staging area. Where parts of neurons lie in files of their own,
/// each file has its reader, and every miss goes through all of them. Nothing allocates after
/// `init`.
@safe final class MissReader {
  /// Merged reads of 256 KiB reach the sequential rate of this kind of device, sixteen at a time.
  static let largestRead = 256 << 10

  private let engine: any ReadEngine
  private let fileIndex: Int
  /// Reads the same extents of the next file, to `slotOffset` bytes further on in each slot.
  private let next: MissReader?
  private let slotOffset: Int
  private let overlapsReads: Bool
  private let limits: ReadPlan.Limits
  private let staging: UnsafeMutableRawPointer
  private let capacity: Int
  private var plan: ReadPlan
  private var count = 0
  /// Misses whose reads are in flight, and how many reads those are.
  private var submittedCount = 0
  private var readCount = 0
  /// `[capacity]`: what is wanted, and where its widened extent is to lie.
  private let wanted: UnsafeMutablePointer<FileExtent>
  private let slots: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let requests: UnsafeMutablePointer<ReadRequest>
  private var batch: ReadBatch?
  private var isLoading = false
  private var ownWantedByteCount = 0
  private var ownReadByteCount = 0

  /// - Parameters:
  ///   - fronts: the files that misses are read from.
  ///   - file: which of them, counted from the first.
  ///   - capacity: the most misses of one load.
  ///   - staging: `stagingByteCount` bytes for merged reads, aligned to the file's unit.
  init(
    engine: any ReadEngine, fronts: FrontPlaces, file: Int = 0, capacity: Int,
    staging: UnsafeMutableRawPointer, stagingByteCount: Int, options: StorageOptions
  ) {
    let fileCount = fronts.fileIndices.count
    let ownByteCount = stagingByteCount / (fileCount - file) / 4096 * 4096
    next =
      unsafe file + 1 < fileCount
      ? MissReader(
        engine: engine, fronts: fronts, file: file + 1, capacity: capacity,
        staging: staging + ownByteCount, stagingByteCount: stagingByteCount - ownByteCount,
        options: options)
      : nil
    fileIndex = fronts.fileIndices.lowerBound + file
    slotOffset = fronts.slotOffset(ofFile: 1)
    overlapsReads = options.overlapsReads
    let file = engine.files[fileIndex]
    self.engine = engine
    self.capacity = capacity
    unsafe self.staging = unsafe staging
    limits = ReadPlan.Limits(
      unit: file.unit, memoryAlignment: file.memoryAlignment,
      mergeGap: options.mergeGapByteCount, readAmplification: options.readAmplificationLimit,
      readByteCount: Self.largestRead, stagingByteCount: ownByteCount)
    plan = ReadPlan(capacity: capacity)
    unsafe wanted = .allocate(capacity: capacity)
    unsafe slots = .allocate(capacity: capacity)
    unsafe requests = .allocate(capacity: capacity)
  }

  deinit {
    unsafe wanted.deallocate()
    unsafe slots.deallocate()
    unsafe requests.deallocate()
  }

  var isFull: Bool { count == capacity }

  /// Bytes that were wanted and that were asked of the device for them.
  var wantedByteCount: Int { ownWantedByteCount + (next?.wantedByteCount ?? 0) }
  var readByteCount: Int { ownReadByteCount + (next?.readByteCount ?? 0) }

  /// Where an extent begins in its slot.
  func lead(of extent: FileExtent) -> Int { extent.offset % limits.unit }

  /// Notes a miss; misses of a load are in ascending order.
  func add(_ extent: FileExtent, slot: UnsafeMutableRawPointer) {
    precondition(!isFull, "a load has room for its misses")
    unsafe (wanted + count).initialize(to: extent)
    unsafe (slots + count).initialize(to: slot)
    count += 1
    if let next { unsafe next.add(extent, slot: slot + slotOffset) }
  }

  /// Puts the reads for the misses noted since the last call in flight.
  func submit() throws(ReadFailure) {
    try submitOwn()
    try next?.submit()
    if !overlapsReads { try wait() }
  }

  private func submitOwn() throws(ReadFailure) {
    isLoading = true
    let wantedBefore = submittedCount == 0 ? 0 : plan.wantedByteCount
    let added = unsafe Span(
      _unsafeElements: UnsafeBufferPointer(
        start: wanted + submittedCount, count: count - submittedCount))
    if submittedCount == 0 {
      plan.cover(added, limits: limits)
    } else {
      plan.extend(added, limits: limits)
    }
    submittedCount = count
    let first = readCount
    readCount = plan.reads.count
    for index in first..<readCount {
      let read = plan.reads[index]
      let place =
        if let offset = read.stagingOffset { unsafe staging + offset } else {
          unsafe slots[read.wanted.lowerBound]
        }
      let request = unsafe ReadRequest(
        fileIndex: fileIndex, extent: read.extent, destination: place)
      unsafe (requests + index).initialize(to: request)
      ownReadByteCount += read.extent.byteCount
    }
    ownWantedByteCount += plan.wantedByteCount - wantedBefore
    let fresh = unsafe UnsafeBufferPointer(start: requests + first, count: readCount - first)
    if let batch {
      if !fresh.isEmpty { try unsafe engine.submit(fresh, addingTo: batch) }
    } else {
      batch = try unsafe engine.submit(fresh)
    }
  }

  /// Whether `finish` would return at once; lets queued reads go in.
  var isComplete: Bool {
    (batch.map { engine.isComplete($0) } ?? true) && (next?.isComplete ?? true)
  }

  private func wait() throws(ReadFailure) {
    guard let batch else { return }
    self.batch = nil
    try engine.wait(for: batch)
  }

  /// Waits for the reads of `submit` and copies merged misses to their slots.
  func finish() throws(ReadFailure) {
    precondition(isLoading, "a load begins before it ends")
    try wait()
    for read in plan.reads {
      guard let offset = read.stagingOffset else { continue }
      for index in read.wanted {
        let extent = unsafe wanted[index]
        unsafe (slots[index] + lead(of: extent)).copyMemory(
          from: staging + offset + (extent.offset - read.extent.offset),
          byteCount: extent.byteCount)
      }
    }
    forget()
    try next?.finish()
  }

  /// Counts from zero again.
  func forgetStatistics() {
    ownWantedByteCount = 0
    ownReadByteCount = 0
    next?.forgetStatistics()
  }

  /// Forgets a load; the engine is drained already.
  func reset() {
    batch = nil
    forget()
    next?.reset()
  }

  private func forget() {
    isLoading = false
    count = 0
    submittedCount = 0
    readCount = 0
  }
}
