import FlashIO

/// Reads of bundles that the next layer may want, put in flight while the device has nothing else
/// to do.
///
/// A guess lands in a slot of its own. When it is demanded it is copied to the slot that the window
/// gave it, also where it is still in flight; otherwise it is dropped. A guess that cannot be read
/// is read again if it is demanded, so that only a demand fails. Nothing allocates after `init`.
@safe final class LookAheadArea {
  /// Guesses at a time: 32 reads of 4 to 7 KiB take this kind of device a third of a millisecond,
  /// which attention takes too.
  static let slotCount = 32

  private let engine: any ReadEngine
  private let base: UnsafeMutableRawPointer
  private let slotByteCount: Int
  private let unit: Int
  private let capacity: Int
  private let requests: UnsafeMutablePointer<ReadRequest>
  /// The guesses of `layer`, and those of them that were demanded, in the order they were: place
  /// among the guesses, where they go.
  private var layer = -1
  private var strides: [Int32] = []
  private var extents: [FileExtent] = []
  private var demands: [(guess: Int, slot: UnsafeMutableRawPointer)] = unsafe []
  private var batch: ReadBatch?
  private(set) var statistics = LookAheadStatistics()

  /// - Parameter base: `slotCount` slots of `slotByteCount` bytes, aligned to the file's unit.
  init(engine: any ReadEngine, base: UnsafeMutableRawPointer, slotByteCount: Int) {
    self.engine = engine
    unsafe self.base = unsafe base
    self.slotByteCount = slotByteCount
    unit = engine.files[WeightSchedule.FileIndex.bundles].unit
    // All of them are in flight at once: a demand never waits behind a guess that is queued.
    capacity = min(Self.slotCount, engine.description.queueDepth)
    unsafe requests = .allocate(capacity: Self.slotCount)
    strides.reserveCapacity(Self.slotCount)
    extents.reserveCapacity(Self.slotCount)
    unsafe demands.reserveCapacity(Self.slotCount)
  }

  deinit {
    unsafe requests.deallocate()
  }

  /// Whether the last guesses' reads came back, so that others may be read.
  var isFree: Bool {
    if let batch {
      guard engine.isComplete(batch) else { return false }
      close(batch)
    }
    return true
  }

  /// Forgets the guesses there were and begins to note those of a layer.
  ///
  /// - Precondition: `isFree`.
  func begin(layer: Int) {
    precondition(batch == nil, "guesses are dropped when their reads came back")
    self.layer = layer
    strides.removeAll(keepingCapacity: true)
    extents.removeAll(keepingCapacity: true)
    unsafe demands.removeAll(keepingCapacity: true)
  }

  var isFull: Bool { strides.count == capacity }

  func add(_ stride: Int32, _ extent: FileExtent) {
    let widened = extent.widened(toUnit: unit)
    let place = unsafe base + strides.count * slotByteCount
    let request = unsafe ReadRequest(
      fileIndex: WeightSchedule.FileIndex.bundles, extent: widened, destination: place)
    unsafe (requests + strides.count).initialize(to: request)
    strides.append(stride)
    extents.append(extent)
    statistics.issued += 1
    statistics.readByteCount += widened.byteCount
  }

  /// Puts the guesses in flight.
  func submit() {
    guard !strides.isEmpty else { return }
    let all = unsafe UnsafeBufferPointer(start: requests, count: strides.count)
    // A ring that takes no reads fails the next demand, which says so.
    batch = try? unsafe engine.submit(all)
    if batch == nil { strides.removeAll(keepingCapacity: true) }
  }

  /// Whether a stride was guessed; it then goes to `slot`, which holds it after `deliver`.
  func demand(_ stride: Int32, of layer: Int, slot: UnsafeMutableRawPointer) -> Bool {
    guard layer == self.layer, let guess = strides.firstIndex(of: stride) else { return false }
    unsafe demands.append((guess, slot))
    return true
  }

  /// Copies what was demanded to its slots, waiting for it where it is in flight, and drops the
  /// rest. Where a guess could not be read, calls `missing` with what was demanded instead.
  func deliver(missing: (FileExtent, UnsafeMutableRawPointer) -> Void) {
    if unsafe !demands.isEmpty {
      if let batch { close(batch) }
      for index in unsafe demands.indices {
        let demand = unsafe demands[index]
        let extent = unsafe extents[demand.guess]
        if strides.isEmpty {
          unsafe missing(extent, demand.slot)
          continue
        }
        let lead = extent.offset % unit
        unsafe (demand.slot + lead).copyMemory(
          from: base + demand.guess * slotByteCount + lead, byteCount: extent.byteCount)
        statistics.used += 1
        statistics.usedByteCount += extent.byteCount
      }
      unsafe demands.removeAll(keepingCapacity: true)
    }
    layer = -1
  }

  /// Forgets everything; the engine is drained already.
  func reset() {
    batch = nil
    begin(layer: -1)
  }

  /// Waits for the guesses; without one that failed they are worth nothing.
  private func close(_ batch: ReadBatch) {
    self.batch = nil
    do throws(ReadFailure) { try engine.wait(for: batch) } catch {
      strides.removeAll(keepingCapacity: true)
    }
  }
}

/// What looking ahead did.
package struct LookAheadStatistics: Sendable, Equatable {
  /// Bundles read on a guess, and those of them that were wanted.
  package var issued = 0
  package var used = 0
  /// Bytes asked of flash for guesses, and bytes of those that were wanted.
  package var readByteCount = 0
  package var usedByteCount = 0

  package init() {}

  package static func - (later: Self, earlier: Self) -> Self {
    var difference = later
    difference.issued -= earlier.issued
    difference.used -= earlier.used
    difference.readByteCount -= earlier.readByteCount
    difference.usedByteCount -= earlier.usedByteCount
    return difference
  }
}
