import FlashIO

/// Turns the misses of one load into reads: neighbours are read together where that is cheaper than
/// apart, and copied to their places afterwards.
///
/// Misses come in ascending order, so reads go out sorted. A miss that is read alone lands in its
/// slot; merged ones land in the staging area. Nothing allocates after `init`.
@safe final class MissReader {
  /// What of the store the reads are for.
  static let fileIndex = WeightSchedule.FileIndex.bundles
  /// Merged reads of 256 KiB reach the sequential rate of this kind of device, sixteen at a time.
  static let largestRead = 256 << 10

  private let engine: any ReadEngine
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
  /// Bytes that were wanted and that were asked of the device for them.
  private(set) var wantedByteCount = 0
  private(set) var readByteCount = 0

  /// - Parameters:
  ///   - capacity: the most misses of one load.
  ///   - staging: `stagingByteCount` bytes for merged reads, aligned to the file's unit.
  init(
    engine: any ReadEngine, capacity: Int, staging: UnsafeMutableRawPointer,
    stagingByteCount: Int, options: StorageOptions
  ) {
    let file = engine.files[Self.fileIndex]
    self.engine = engine
    self.capacity = capacity
    unsafe self.staging = unsafe staging
    limits = ReadPlan.Limits(
      unit: file.unit, memoryAlignment: file.memoryAlignment,
      mergeGap: options.mergeGapByteCount, readAmplification: options.readAmplificationLimit,
      readByteCount: Self.largestRead, stagingByteCount: stagingByteCount)
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

  /// Where an extent begins in its slot.
  func lead(of extent: FileExtent) -> Int { extent.offset % limits.unit }

  /// Notes a miss; misses of a load are in ascending order.
  func add(_ extent: FileExtent, slot: UnsafeMutableRawPointer) {
    precondition(!isFull, "a load has room for its misses")
    unsafe (wanted + count).initialize(to: extent)
    unsafe (slots + count).initialize(to: slot)
    count += 1
  }

  /// Puts the reads for the misses noted since the last call in flight.
  func submit() throws(ReadFailure) {
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
        fileIndex: Self.fileIndex, extent: read.extent, destination: place)
      unsafe (requests + index).initialize(to: request)
      readByteCount += read.extent.byteCount
    }
    wantedByteCount += plan.wantedByteCount - wantedBefore
    let fresh = unsafe UnsafeBufferPointer(start: requests + first, count: readCount - first)
    if let batch {
      if !fresh.isEmpty { try unsafe engine.submit(fresh, addingTo: batch) }
    } else {
      batch = try unsafe engine.submit(fresh)
    }
  }

  /// Whether `finish` would return at once; lets queued reads go in.
  var isComplete: Bool { batch.map { engine.isComplete($0) } ?? true }

  /// Waits for the reads of `submit` and copies merged misses to their slots.
  func finish() throws(ReadFailure) {
    guard let batch else { preconditionFailure("a load begins before it ends") }
    self.batch = nil
    try engine.wait(for: batch)
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
  }

  /// Forgets a load; the engine is drained already.
  func reset() {
    batch = nil
    forget()
  }

  private func forget() {
    count = 0
    submittedCount = 0
    readCount = 0
  }
}
