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
/// that the policy gives up; where there is none, into a place that is given up after use. Reads go
/// out in ascending order, as many as there are places for, others as places come free.
///
/// Every place holds any expert, and a slot has one only while it holds something. So a guess that
/// was right is not copied: its place becomes the slot's; and while a window fills, what it has no
/// use for yet is room to read ahead. Nothing allocates after `init`.
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
  struct Entry {
    var expert: Int32 = 0
    var place = ExpertLoader.none
    var batch: ReadBatch?
    /// Whether it is in DRAM.
    var isHit = false
    var isGuess = false
    var isTaken = false
    /// The slot of the layer that it is given; `none` where it keeps none, or had one before.
    var slot = ExpertLoader.none
    /// Whether its place is given back after use.
    var isSpare = false
  }

  /// Experts in flight at a time: each is a batch, of which an engine takes 64.
  private static let flyingLimit = 16
  private static let fileIndex = WeightSchedule.FileIndex.bundles
  /// Places that a chunk reads into, and of how many slots of a layer one is lent for it.
  ///
  /// With 13 the chunk of a model of 128 experts a layer, of which 26 fit, waited for 16 % of its
  /// time; half of the places are computed while the other half is read.
  private static let chunkPlaceCount = 32
  private static let slotsPerBorrowed = 16
  /// No place, no slot.
  static let none: Int32 = -1

  let bundles: [BundleLayout]
  private(set) var cache: WindowCache
  let engine: any ReadEngine
  let queueDepth: Int
  let unit: Int
  private let overlapsReads: Bool
  /// Reads that may be in flight.
  private let readLimit: Int
  /// The address of each place.
  private let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer>
  /// For each layer the places of its slots; `none` for a slot that never held anything.
  private var slotPlaces: [[Int32]] = []
  /// Places that hold nothing of use.
  var free: [Int32] = []
  var guesses: ExpertGuesses
  private var entries: [Entry]
  private let requests: UnsafeMutablePointer<ReadRequest>
  private var layer = 0
  private var count = 0
  /// Whether the window lacked something of the load.
  private(set) var isMissing = false
  /// The first entry whose read was not submitted.
  private var next = 0
  private var flyingCount = 0
  private var flyingReadCount = 0
  private var wantedByteCount = 0
  private var readByteCount = 0
  var lookAhead = LookAheadStatistics()

  init(
    bundles: [BundleLayout], slotsPerLayer: [Int], places: Places, engine: any ReadEngine,
    options: StorageOptions
  ) {
    self.bundles = bundles
    self.engine = engine
    queueDepth = engine.description.queueDepth
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
    var place = 0
    for unsafe(first, count) in unsafe runs {
      for index in 0..<count {
        unsafe (addresses + place + index).initialize(to: first + index * byteCount)
      }
      place += count
    }
    free = (0..<placeCount).map { Int32($0) }
    slotPlaces = slotsPerLayer.map { Array(repeating: Self.none, count: $0) }
    guesses = ExpertGuesses(tokenLimit: unsafe places.guessCount)
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
  /// `release`, those that are missing in ascending order or as `best` says.
  ///
  /// - Parameter experts: ascending, each once, at least one.
  /// - Precondition: `finish` ended the last load.
  func begin(layer: Int, experts: UnsafeBufferPointer<Int32>) throws(ReadFailure) {
    precondition(count == 0 && !experts.isEmpty, "one load at a time, of something")
    self.layer = layer
    next = 0
    isMissing = false
    unsafe cache.use(Span(_unsafeElements: experts), in: LayerIndex(layer))
    for index in experts.indices {
      let expert = unsafe experts[index]
      var entry = Entry()
      entry.expert = expert
      let placement = cache.request(StrideIndex(Int(expert)), in: LayerIndex(layer))
      switch placement {
      case .hit(let slot):
        entry.isHit = true
        entry.place = slotPlaces[layer][slot.value]
      case .miss(let slot):
        entry.slot = Int32(slot.value)
        entry.place = slotPlaces[layer][slot.value]
        takeGuess(&entry)
      case .noSlot:
        takeGuess(&entry)
      }
      if case .hit = placement {} else { isMissing = true }
      entries[count] = entry
      count += 1
    }
    guesses.end()
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

  /// The expert of the load that is best taken next, of those that were not: one that came from
  /// flash and is given up after use, so that its place is read into again; else one that is in
  /// DRAM; else the one that was asked for first.
  ///
  /// So what the window keeps is computed when nothing else is there. On a device that hands reads
  /// back in bursts, of 64 every 8 ms, a prompt that computed it first waited for 22 % of its time.
  func best() throws(ReadFailure) -> Int {
    try bookReads()
    var inMemory: Int?
    var flying: Int?
    for index in 0..<count where !entries[index].isTaken {
      if entries[index].isHit {
        if entries[index].isSpare { return index }
        inMemory = inMemory ?? index
      } else {
        flying = flying ?? index
      }
    }
    guard let index = inMemory ?? flying else { preconditionFailure("all were taken") }
    return index
  }

  /// Waits for an expert of the load. Returns the address of its first stride, valid until
  /// `release`.
  func take(_ index: Int) throws(ReadFailure) -> UnsafeRawPointer {
    entries[index].isTaken = true
    if !entries[index].isHit {
      if entries[index].batch == nil { try pump() }
      while entries[index].batch == nil {
        precondition(
          index == next && awaitGuess(), "missing experts are taken in ascending order")
        try pump()
      }
      if let batch = entries[index].batch { try wait(batch, index) }
      try pump()
    }
    let extent = bundles[layer].extent(ofExpert: Int(entries[index].expert))
    return unsafe UnsafeRawPointer(addresses[Int(entries[index].place)] + extent.offset % unit)
  }

  /// Gives up an expert that was taken.
  func release(_ index: Int) throws(ReadFailure) {
    guard entries[index].isSpare else { return }
    free.append(entries[index].place)
    entries[index].isSpare = false
    try pump()
  }

  /// Ends the load, all of which was taken and released.
  ///
  /// - Parameter isChunk: whether a chunk of tokens used it: their next layer reads ahead into what
  ///   some slots of this one give up.
  func finish(isChunk: Bool = false) {
    precondition(isComplete, "everything of a load is taken")
    cache.finishLoading()
    count = 0
    next = 0
    if isChunk, isMissing { borrowPlaces() }
  }

  /// Lets a few slots of the layer go where there are fewer places than a chunk can use: what they
  /// kept is read once more, and every layer's reads wait less.
  private func borrowPlaces() {
    let slots = slotPlaces[layer].count
    for _ in 0..<slots / Self.slotsPerBorrowed
    where free.count + guesses.heldCount < Self.chunkPlaceCount {
      guard let slot = cache.giveUp(in: LayerIndex(layer)) else { return }
      free.append(slotPlaces[layer][slot.value])
      slotPlaces[layer][slot.value] = Self.none
    }
  }

  /// Whether no read of the load under way is in flight or to come.
  var isComplete: Bool { next == count && flyingCount == 0 }

  /// Forgets a load that failed or was abandoned; the engine is drained already.
  func reset() {
    for index in 0..<count {
      let entry = entries[index]
      if entry.slot != Self.none { slotPlaces[layer][Int(entry.slot)] = Self.none }
      if entry.place != Self.none, entry.slot != Self.none || entry.isSpare {
        free.append(entry.place)
      }
    }
    dropGuesses()
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
      let reads = readCount(extent)
      guard
        flyingCount == 0 || flyingCount < Self.flyingLimit && flyingReadCount + reads <= readLimit
      else { return }
      if entries[next].place == Self.none {
        guard let place = freePlace() else { return }
        give(place, to: &entries[next])
      }
      entries[next].batch = try submit(
        extent, into: entries[next].place, for: ReadLabel(layer: layer, purpose: .demand))
      flyingCount += 1
      flyingReadCount += reads
      wantedByteCount += extent.byteCount
      readByteCount += extent.widened(toUnit: unit).byteCount
      let index = next
      next += 1
      if !overlapsReads, let batch = entries[index].batch { try wait(batch, index) }
    }
  }

  /// Gives an entry a place, which its slot keeps.
  private func give(_ place: Int32, to entry: inout Entry) {
    entry.place = place
    entry.isSpare = entry.slot == Self.none
    if !entry.isSpare { slotPlaces[layer][Int(entry.slot)] = place }
  }

  /// The reads that an expert is cut into.
  func readCount(_ extent: FileExtent) -> Int {
    ExpertReads.count(extent.widened(toUnit: unit).byteCount)
  }

  func submit(
    _ extent: FileExtent, into place: Int32, for label: ReadLabel
  ) throws(ReadFailure) -> ReadBatch {
    engine.recorder?.label = label
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

  /// Books the reads that came back and puts others in flight.
  private func bookReads() throws(ReadFailure) {
    for index in 0..<count {
      guard let batch = entries[index].batch, engine.isComplete(batch) else { continue }
      try wait(batch, index)
    }
    try pump()
  }

  /// Waits for an entry's read; it is then as a hit. A guess that failed is read again, so that
  /// only a demand fails.
  private func wait(_ batch: ReadBatch, _ index: Int) throws(ReadFailure) {
    entries[index].batch = nil
    let extent = bundles[layer].extent(ofExpert: Int(entries[index].expert))
    flyingCount -= 1
    flyingReadCount -= readCount(extent)
    do throws(ReadFailure) { try engine.wait(for: batch) } catch {
      guard entries[index].isGuess else { throw error }
      let label = ReadLabel(layer: layer, purpose: .demand)
      try engine.wait(for: try submit(extent, into: entries[index].place, for: label))
    }
    entries[index].isHit = true
  }

  /// Gives an entry the place of a guess that was right.
  private func takeGuess(_ entry: inout Entry) {
    guard let guess = guesses.remove(entry.expert, of: layer) else { return }
    if entry.place != Self.none { free.append(entry.place) }
    give(guess.place, to: &entry)
    let extent = bundles[layer].extent(ofExpert: Int(entry.expert))
    entry.isGuess = true
    entry.batch = guess.batch
    // A guess whose read was booked already is there.
    entry.isHit = guess.batch == nil
    if !entry.isHit {
      flyingCount += 1
      flyingReadCount += readCount(extent)
    }
    lookAhead.used += 1
    lookAhead.usedByteCount += extent.byteCount
    wantedByteCount += extent.byteCount
    readByteCount += extent.byteCount
  }
}
