/// Which reads bring a set of wanted extents: neighbours merged, everything widened to whole units.
///
/// A read of one wanted extent lands where that extent is to live: at `wanted.offset % unit` behind
/// the start of a destination of `slotByteCount` bytes. A read of several lands in a staging region
/// and each extent is copied out. Sized at `init`; planning allocates nothing.
package struct ReadPlan: Sendable {
  /// What decides whether neighbours are read together.
  package struct Limits: Sendable, Equatable {
    /// The file's direct-I/O unit (`FlashFile.unit`).
    package var unit: Int
    /// The file's `memoryAlignment`.
    package var memoryAlignment: Int
    /// Unwanted bytes between two extents that cost less than a second read:
    /// `DeviceProfile.mergeGap`.
    package var mergeGap: Int
    /// A merged read brings at most this many times the bytes of separate reads; at least 1.
    package var readAmplification: Double
    /// A merged read has at most this many bytes.
    package var readByteCount: Int
    /// Bytes of the staging region: where it is full, extents are read one by one.
    package var stagingByteCount: Int

    package init(
      unit: Int, memoryAlignment: Int, mergeGap: Int, readAmplification: Double = 1.5,
      readByteCount: Int = 1 << 20, stagingByteCount: Int
    ) {
      precondition(unit > 0 && memoryAlignment > 0, "units are positive")
      precondition(readAmplification >= 1, "a read brings at least what was wanted")
      self.unit = unit
      self.memoryAlignment = memoryAlignment
      self.mergeGap = mergeGap
      self.readAmplification = readAmplification
      self.readByteCount = readByteCount
      self.stagingByteCount = stagingByteCount
    }
  }

  /// One read of the plan.
  package struct Read: Sendable, Equatable {
    /// What is read; whole units.
    package var extent: FileExtent
    /// The wanted extents that it brings, as indices.
    package var wanted: Range<Int>
    /// Where in the staging region it lands; nil where it brings one extent, to its own place.
    package var stagingOffset: Int?

    package init(extent: FileExtent, wanted: Range<Int>, stagingOffset: Int?) {
      self.extent = extent
      self.wanted = wanted
      self.stagingOffset = stagingOffset
    }
  }

  /// In ascending order; together they bring every wanted extent once.
  package private(set) var reads: [Read] = []
  /// Bytes of the wanted extents.
  package private(set) var wantedByteCount = 0
  private let capacity: Int
  private var wantedCount = 0
  /// Reads that are merged with nothing more.
  private var settledCount = 0
  /// The end of the last wanted extent.
  private var wantedEnd = 0
  /// What the extents of the last read would take one by one.
  private var separateByteCount = 0
  /// From where the staging region is free, apart from the last read.
  private var stagingEnd = 0

  /// - Parameter capacity: the most extents that are wanted at a time.
  package init(capacity: Int) {
    self.capacity = capacity
    reads.reserveCapacity(capacity)
  }

  /// Bytes that the plan reads.
  package var readByteCount: Int { reads.reduce(0) { $0 + $1.extent.byteCount } }

  /// Bytes read for each wanted byte; 1 for an empty plan.
  package var readAmplification: Double {
    wantedByteCount == 0 ? 1 : Double(readByteCount) / Double(wantedByteCount)
  }

  /// Bytes a destination needs, so that any extent of `byteCount` bytes lands in it, widened.
  package static func slotByteCount(forExtentOf byteCount: Int, unit: Int) -> Int {
    (byteCount + 2 * (unit - 1)) / unit * unit
  }

  /// Plans anew.
  ///
  /// - Parameter wanted: of one file, in ascending order, disjoint and none empty; at most
  ///   `capacity` of them.
  package mutating func cover(_ wanted: Span<FileExtent>, limits: Limits) {
    reads.removeAll(keepingCapacity: true)
    wantedCount = 0
    wantedByteCount = 0
    wantedEnd = 0
    stagingEnd = 0
    separateByteCount = 0
    extend(wanted, limits: limits)
  }

  /// Adds extents behind those planned already, whose reads stay as they are: in flight, maybe.
  ///
  /// - Parameter wanted: as for `cover`, and behind everything that is planned.
  package mutating func extend(_ wanted: Span<FileExtent>, limits: Limits) {
    precondition(wantedCount + wanted.count <= capacity, "a plan covers at most its capacity")
    stagingEnd = lastStagingEnd ?? stagingEnd
    settledCount = reads.count
    wantedCount += wanted.count
    for index in wanted.indices { append(wanted[index], limits: limits) }
  }

  private mutating func append(_ extent: FileExtent, limits: Limits) {
    precondition(extent.byteCount > 0, "a wanted extent has at least one byte")
    precondition(extent.offset >= wantedEnd, "wanted extents are disjoint and in ascending order")
    wantedEnd = extent.end
    wantedByteCount += extent.byteCount
    let widened = extent.widened(toUnit: limits.unit)
    separateByteCount += widened.byteCount
    if let merged = mergingLast(with: widened, limits: limits) {
      reads[reads.count - 1] = merged
      return
    }
    let index = reads.last?.wanted.upperBound ?? 0
    stagingEnd = lastStagingEnd ?? stagingEnd
    separateByteCount = widened.byteCount
    reads.append(Read(extent: widened, wanted: index..<index + 1, stagingOffset: nil))
  }

  /// The end of the last read in the staging region, where it lands there.
  private var lastStagingEnd: Int? {
    guard let last = reads.last, let offset = last.stagingOffset else { return nil }
    return offset + last.extent.byteCount
  }

  /// The last read together with the next extent; nil where they are better read apart.
  private func mergingLast(with extent: FileExtent, limits: Limits) -> Read? {
    guard reads.count > settledCount, let last = reads.last,
      extent.offset - last.extent.end <= limits.mergeGap
    else {
      return nil
    }
    let byteCount = extent.end - last.extent.offset
    let alignment = limits.memoryAlignment
    let stagingOffset = (stagingEnd + alignment - 1) / alignment * alignment
    guard byteCount <= limits.readByteCount,
      Double(byteCount) <= limits.readAmplification * Double(separateByteCount),
      stagingOffset + byteCount <= limits.stagingByteCount
    else { return nil }
    return Read(
      extent: FileExtent(offset: last.extent.offset, byteCount: byteCount),
      wanted: last.wanted.lowerBound..<last.wanted.upperBound + 1, stagingOffset: stagingOffset)
  }
}
