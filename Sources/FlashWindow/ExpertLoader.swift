import FlashIO
import FlashWeights

/// The reads that an expert is cut into.
package enum ExpertReads {
  /// About what each brings: 256 KiB reads reach the sequential rate of this kind of device,
  /// sixteen at a time.
  package static let byteCount = 256 << 10

  /// Reads of about equal length for so many bytes: their lengths are near `byteCount`.
  package static func count(_ byteCount: Int) -> Int {
    max(1, (byteCount + Self.byteCount / 2) / Self.byteCount)
  }
}

/// Brings a layer's experts into slots of the window cache, each by itself, so that the first of
/// them is computed while the others fly.
///
/// An expert that is cached is a hit. One that is not is read whole into a slot that is free or
/// that the policy gives up; where there is none, into a spare place that is given up after use.
/// Reads go out in ascending order, as many as there are places for, others as places come free.
/// Every place holds any expert, so a guess that was right is not copied: its place and the slot's
/// are exchanged. Nothing allocates after `init`.
@safe final class ExpertLoader {
  /// Where in memory experts go: `byteCount` bytes each.
  @unsafe struct Places {
    var byteCount: Int
    /// For each layer its first slot.
    var slots: [UnsafeMutableRawPointer]
    /// For experts that the window does not keep; at least one.
    var spare: UnsafeMutableRawPointer
    var spareCount: Int
    /// For experts that the next layer may want.
    var guess: UnsafeMutableRawPointer
    var guessCount: Int
  }

  /// An expert of the load under way.
  private struct Entry {
    var expert: Int32 = 0
    /// -1 for none yet.
    var place: Int32 = -1
    var batch: ReadBatch?
    var isHit = false
    var isGuess = false
    /// Whether its place is given back after use.
    var isSpare = false
    /// The slot of the layer that it keeps; -1 for none.
    var slot: Int32 = -1
  }

  private struct Guess {
    var layer: Int32 = -1
    var expert: Int32 = 0
    var place: Int32
    var batch: ReadBatch?
  }

  /// Experts in flight at a time: each is a batch, of which an engine takes 64.
  private static let flyingLimit = 16
  private static let fileIndex = WeightSchedule.FileIndex.bundles

  let bundles: [BundleLayout]
  private(set) var cache: WindowCache
  private let engine: any ReadEngine
  private let unit: Int
  private let overlapsReads: Bool
  /// Reads that may be in flight.
  private let readLimit: Int
  /// The address of each place.
  private let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer>
  /// For each layer the places of its slots.
  private var slotPlaces: [[Int32]] = []
  private var spares: [Int32] = []
  private var guesses: [Guess] = []
  private var entries: [Entry]
  private let requests: UnsafeMutablePointer<ReadRequest>
  private var layer = 0
  private var count = 0
  /// The first entry whose read was not submitted.
  private var next = 0
  private var flyingCount = 0
  private var flyingReadCount = 0
  private var wantedByteCount = 0
  private var readByteCount = 0
  private var lookAhead = LookAheadStatistics()

  init(
    bundles: [BundleLayout], slotsPerLayer: [Int], places: Places, engine: any ReadEngine,
    options: StorageOptions
  ) {
    self.bundles = bundles
    self.engine = engine
    unit = engine.files[Self.fileIndex].unit
    overlapsReads = options.overlapsReads
    readLimit = max(1, engine.description.capacity / 2)
    let byteCount = unsafe places.byteCount
    cache = WindowCache(
      stridesPerLayer: bundles.map { $0.windowUnitCount(.experts) }, slotsPerLayer: slotsPerLayer,
      policy: options.resolvedPolicy(windowByteCount: slotsPerLayer.reduce(0, +) * byteCount))
    let runs =
      unsafe zip(places.slots, slotsPerLayer).map { unsafe ($0, $1) }
      + [(places.spare, places.spareCount), (places.guess, places.guessCount)]
    let placeCount = unsafe slotsPerLayer.reduce(places.spareCount + places.guessCount, +)
    unsafe addresses = .allocate(capacity: max(1, placeCount))
    var numbers: [[Int32]] = []
    var place = 0
    for unsafe(first, count) in unsafe runs {
      numbers.append((place..<place + count).map { Int32($0) })
      for index in 0..<count {
        unsafe (addresses + place + index).initialize(to: first + index * byteCount)
      }
      place += count
    }
    guesses = numbers.removeLast().map { Guess(place: $0) }
    spares = numbers.removeLast()
    slotPlaces = numbers
    let mostExperts = max(1, bundles.map { $0.windowUnitCount(.experts) }.max() ?? 1)
    entries = Array(repeating: Entry(), count: mostExperts)
    unsafe requests = .allocate(capacity: max(1, byteCount / ExpertReads.byteCount + 2))
  }

  deinit {
    unsafe addresses.deallocate()
    unsafe requests.deallocate()
  }

  var statistics: WindowStatistics {
    var statistics = cache.statistics
    statistics.wantedByteCount = wantedByteCount
    statistics.readByteCount = readByteCount
    statistics.lookAhead = lookAhead
    return statistics
  }

  /// Begins a token: what only older ones used may go.
  func beginForward() { cache.advanceToken() }

  /// Begins to bring in experts of a layer; all are then taken by `take` and given back by
  /// `release`, those that are missing in ascending order.
  ///
  /// - Parameter experts: ascending, each once, at least one.
  /// - Precondition: `finish` ended the last load.
  func begin(layer: Int, experts: UnsafeBufferPointer<Int32>) throws(ReadFailure) {
    precondition(count == 0 && !experts.isEmpty, "one load at a time, of something")
    self.layer = layer
    next = 0
    unsafe cache.use(Span(_unsafeElements: experts), in: LayerIndex(layer))
    for index in experts.indices {
      let expert = unsafe experts[index]
      var entry = Entry()
      entry.expert = expert
      switch cache.request(StrideIndex(Int(expert)), in: LayerIndex(layer)) {
      case .hit(let slot):
        entry.isHit = true
        entry.place = slotPlaces[layer][slot.value]
      case .miss(let slot):
        entry.slot = Int32(slot.value)
        takeGuess(&entry)
        entry.place = slotPlaces[layer][slot.value]
      case .noSlot:
        takeGuess(&entry)
      }
      entries[count] = entry
      count += 1
    }
    engine.recorder?.label = ReadLabel(layer: layer, purpose: .demand)
    try pump()
  }

  /// Whether an expert of the load is in DRAM, so that `take` does not wait; lets queued reads go
  /// in.
  func isReady(_ index: Int) -> Bool {
    if entries[index].isHit { return true }
    guard let batch = entries[index].batch else { return false }
    return engine.isComplete(batch)
  }

  func isHit(_ index: Int) -> Bool { entries[index].isHit }

  /// Waits for an expert of the load. Returns the address of its first stride, valid until
  /// `release`.
  func take(_ index: Int) throws(ReadFailure) -> UnsafeRawPointer {
    if !entries[index].isHit {
      if entries[index].batch == nil { try pump() }
      guard let batch = entries[index].batch else {
        preconditionFailure("missing experts are taken in ascending order")
      }
      try wait(batch, index)
      try pump()
    }
    let extent = bundles[layer].extent(ofExpert: Int(entries[index].expert))
    return unsafe UnsafeRawPointer(addresses[Int(entries[index].place)] + extent.offset % unit)
  }

  /// Gives up an expert that was taken.
  func release(_ index: Int) throws(ReadFailure) {
    guard entries[index].isSpare else { return }
    spares.append(entries[index].place)
    entries[index].isSpare = false
    try pump()
  }

  /// Ends the load, all of which was taken and released.
  func finish() {
    precondition(next == count && flyingCount == 0, "everything of a load is taken")
    cache.finishLoading()
    count = 0
    next = 0
  }

  /// Whether no read of the load under way is in flight or to come.
  var isComplete: Bool { next == count && flyingCount == 0 }

  /// Puts reads of experts in flight that a later layer may want, the likeliest first, as many as
  /// there are places whose last guess came back.
  ///
  /// - Precondition: `isComplete`, so that no demand waits behind a guess.
  func look(atLayer layer: Int, experts: UnsafeBufferPointer<Int32>) {
    precondition(isComplete, "no guess goes before a demand")
    engine.recorder?.label = ReadLabel(layer: layer, purpose: .guess)
    var place = 0
    for index in experts.indices {
      let expert = unsafe experts[index]
      if cache.holds(StrideIndex(Int(expert)), in: LayerIndex(layer)) { continue }
      if guesses.contains(where: { $0.layer == layer && $0.expert == expert }) { continue }
      while place < guesses.count, !free(place) { place += 1 }
      guard place < guesses.count else { return }
      let extent = bundles[layer].extent(ofExpert: Int(expert))
      // A ring that takes no reads fails the next demand, which says so.
      guard let batch = try? submit(extent, into: guesses[place].place) else { return }
      guesses[place].layer = Int32(layer)
      guesses[place].expert = expert
      guesses[place].batch = batch
      lookAhead.issued += 1
      lookAhead.readByteCount += extent.widened(toUnit: unit).byteCount
    }
  }

  /// Forgets a load that failed or was abandoned; the engine is drained already.
  func reset() {
    for index in 0..<count where entries[index].isSpare { spares.append(entries[index].place) }
    for index in guesses.indices {
      guesses[index].batch = nil
      guesses[index].layer = -1
    }
    count = 0
    next = 0
    flyingCount = 0
    flyingReadCount = 0
    cache.cancelLoading()
  }

  // MARK: Reads

  /// Submits reads in ascending order while there are places and the queue is not full.
  private func pump() throws(ReadFailure) {
    while next < count {
      if entries[next].isHit || entries[next].batch != nil {
        next += 1
        continue
      }
      let extent = bundles[layer].extent(ofExpert: Int(entries[next].expert))
      let reads = ExpertReads.count(extent.widened(toUnit: unit).byteCount)
      guard
        flyingCount == 0 || flyingCount < Self.flyingLimit && flyingReadCount + reads <= readLimit
      else { return }
      if entries[next].slot < 0 {
        guard let place = spares.popLast() else { return }
        entries[next].place = place
        entries[next].isSpare = true
      }
      entries[next].batch = try submit(extent, into: entries[next].place)
      flyingCount += 1
      flyingReadCount += reads
      wantedByteCount += extent.byteCount
      readByteCount += extent.widened(toUnit: unit).byteCount
      let index = next
      next += 1
      if !overlapsReads, let batch = entries[index].batch { try wait(batch, index) }
    }
  }

  private func submit(
    _ extent: FileExtent, into place: Int32
  ) throws(ReadFailure) -> ReadBatch {
    let address = unsafe addresses[Int(place)]
    let widened = extent.widened(toUnit: unit)
    let share = widened.byteCount / ExpertReads.count(widened.byteCount)
    let length = (share + unit) / unit * unit
    var count = 0
    for start in stride(from: 0, to: widened.byteCount, by: length) {
      let piece = FileExtent(
        offset: widened.offset + start, byteCount: min(length, widened.byteCount - start))
      let request = unsafe ReadRequest(
        fileIndex: Self.fileIndex, extent: piece, destination: address + start)
      unsafe (requests + count).initialize(to: request)
      count += 1
    }
    return try unsafe engine.submit(UnsafeBufferPointer(start: requests, count: count))
  }

  /// Waits for an entry's read; it is then as a hit. A guess that failed is read again, so that
  /// only a demand fails.
  private func wait(_ batch: ReadBatch, _ index: Int) throws(ReadFailure) {
    entries[index].batch = nil
    let extent = bundles[layer].extent(ofExpert: Int(entries[index].expert))
    if entries[index].isGuess {
      do throws(ReadFailure) { try engine.wait(for: batch) } catch {
        try engine.wait(for: try submit(extent, into: entries[index].place))
      }
    } else {
      flyingCount -= 1
      flyingReadCount -= ExpertReads.count(extent.widened(toUnit: unit).byteCount)
      try engine.wait(for: batch)
    }
    entries[index].isHit = true
  }

  // MARK: Guesses

  /// Gives an entry the place of a guess that was right, for its own.
  private func takeGuess(_ entry: inout Entry) {
    let expert = entry.expert
    guard
      let index = guesses.firstIndex(where: { $0.layer == layer && $0.expert == expert })
    else { return }
    let place = guesses[index].place
    if entry.slot >= 0 {
      let slot = Int(entry.slot)
      guesses[index].place = slotPlaces[layer][slot]
      slotPlaces[layer][slot] = place
    } else {
      // One is left for those that come before it.
      guard spares.count > 1, let spare = spares.popLast() else { return }
      guesses[index].place = spare
      entry.place = place
      entry.isSpare = true
    }
    entry.isGuess = true
    entry.batch = guesses[index].batch
    // A guess whose read was booked already is there.
    entry.isHit = entry.batch == nil
    guesses[index].batch = nil
    guesses[index].layer = -1
    lookAhead.used += 1
    let byteCount = bundles[layer].extent(ofExpert: Int(expert)).byteCount
    lookAhead.usedByteCount += byteCount
    wantedByteCount += byteCount
    readByteCount += byteCount
  }

  /// Whether a guess's place may be read into: its last read came back, or there was none.
  private func free(_ index: Int) -> Bool {
    guard let batch = guesses[index].batch else { return true }
    guard engine.isComplete(batch) else { return false }
    guesses[index].batch = nil
    guesses[index].layer = -1
    // What failed is worth nothing; it is read again if it is demanded.
    try? engine.wait(for: batch)
    return true
  }
}
