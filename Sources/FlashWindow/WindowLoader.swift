package import FlashIO
import FlashWeights

/// Where the strides of one load are: those counted are lent until the next `beginLoading`.
@safe package struct WindowLoad {
  /// How many strides the load has: of those asked for, from the first on, as many as there was
  /// room for; at least one.
  package let strideCount: Int
  /// For each of them the address of its front, behind which a whole bundle goes on; valid at once
  /// for hits, otherwise after `finishLoading`.
  package let addresses: UnsafePointer<UnsafeRawPointer>
  package let isHit: UnsafePointer<Bool>
}

/// Brings the fronts of bundles that fire, or bundles that are predicted to, into slots of the
/// window cache.
///
/// A stride that is cached is a hit. One that is not is read into a slot that is free or that the
/// policy gives up; where there is none, into a staging slot that is given up after use. So a
/// working set larger than the window costs its misses and nothing more, and what is cached stays.
@safe final class WindowLoader {
  /// Where in memory what is loaded goes.
  @unsafe struct Places {
    var slotByteCount: Int
    /// For each layer its first slot.
    var slots: [UnsafeMutableRawPointer]
    /// Slots for strides that the window does not keep.
    var staging: UnsafeMutableRawPointer
    var stagingCount: Int
    /// Where merged reads land.
    var merge: UnsafeMutableRawPointer
    var mergeByteCount: Int
  }

  let bundles: [BundleLayout]
  let fronts: [FrontPlaces.Layer]
  let places: Places
  var cache: WindowCache
  let reader: MissReader
  private let engine: any ReadEngine
  private let lookAhead: LookAheadArea?
  private let addresses: UnsafeMutablePointer<UnsafeRawPointer>
  private let isHit: UnsafeMutablePointer<Bool>
  /// What the load under way holds.
  private var strideCount = 0
  private var stagedCount = 0

  init(
    bundles: [BundleLayout], fronts: FrontPlaces, slotsPerLayer: [Int], places: Places,
    engine: any ReadEngine, lookAhead: LookAheadArea?, options: StorageOptions
  ) {
    self.bundles = bundles
    self.engine = engine
    self.lookAhead = lookAhead
    self.fronts = fronts.layers
    unsafe self.places = unsafe places
    cache = WindowCache(
      stridesPerLayer: bundles.map(\.strideCount), slotsPerLayer: slotsPerLayer,
      policy: unsafe options.resolvedPolicy(
        windowByteCount: slotsPerLayer.reduce(0, +) * places.slotByteCount))
    let widest = max(1, bundles.map(\.strideCount).max() ?? 1)
    let most = unsafe Self.missCapacity(places, engine, options) / fronts.fileIndices.count
    reader = unsafe MissReader(
      engine: engine, fronts: fronts, capacity: max(1, min(widest, most)),
      staging: places.merge, stagingByteCount: places.mergeByteCount, options: options)
    unsafe addresses = .allocate(capacity: widest)
    unsafe isHit = .allocate(capacity: widest)
  }

  deinit {
    unsafe addresses.deallocate()
    unsafe isHit.deallocate()
  }

  /// Misses of one load: as many as can be merged, so that a layer that is missing whole is read
  /// near sequentially, and at most half of what the engine takes at a time.
  private static func missCapacity(
    _ places: Places, _ engine: any ReadEngine, _ options: StorageOptions
  ) -> Int {
    let most = max(1, engine.description.capacity / 2)
    guard unsafe places.mergeByteCount > 0 else { return most }
    let wanted = unsafe Double(places.mergeByteCount) / options.readAmplificationLimit
    return min(most, max(64, Int(wanted) / max(1, unsafe places.slotByteCount)))
  }

  var statistics: WindowStatistics {
    var statistics = cache.statistics
    statistics.wantedByteCount = reader.wantedByteCount
    statistics.readByteCount = reader.readByteCount
    if let lookAhead {
      statistics.lookAhead = lookAhead.statistics
      statistics.wantedByteCount += lookAhead.statistics.usedByteCount
      statistics.readByteCount += lookAhead.statistics.readByteCount
    }
    return statistics
  }

  /// Counts from zero again.
  func forgetStatistics() {
    cache.statistics = WindowStatistics()
    reader.forgetStatistics()
  }

  /// Begins a token: what only older ones used may go.
  func beginForward() { cache.advanceToken() }

  /// Begins a load; see `extend`.
  ///
  /// - Precondition: `finish` ended the last load.
  func begin(
    layer: Int, strides: UnsafeBufferPointer<Int32>, isAll: Bool = true
  ) throws(ReadFailure) -> WindowLoad {
    precondition(!strides.isEmpty, "a load wants something")
    strideCount = 0
    stagedCount = 0
    return try unsafe extend(layer: layer, strides: strides, isAll: isAll)
  }

  /// Finds as many of the strides, from the first on, as there is room for, and puts reads in
  /// flight for those that are not in DRAM.
  ///
  /// - Parameter isAll: whether the token wants nothing of the layer behind them.
  /// - Precondition: `strides` are ascending, and behind those that the load has.
  func extend(
    layer: Int, strides: UnsafeBufferPointer<Int32>, isAll: Bool
  ) throws(ReadFailure) -> WindowLoad {
    engine.recorder?.label = ReadLabel(layer: layer, purpose: .demand)
    unsafe cache.use(Span(_unsafeElements: strides), in: LayerIndex(layer), isAll: isAll)
    let fronts = fronts[layer]
    let slots = unsafe places.slots[layer]
    let slotByteCount = unsafe places.slotByteCount
    var next = 0
    // Full staging or a full queue: the strides that are left come in the next load.
    while next < strides.count, !reader.isFull, unsafe stagedCount < places.stagingCount {
      let stride = unsafe Int(strides[next])
      let placement = cache.request(StrideIndex(stride), in: LayerIndex(layer))
      let slot: UnsafeMutableRawPointer
      switch placement {
      case .hit(let index), .miss(let index):
        unsafe slot = slots + index.value * slotByteCount
      case .noSlot:
        unsafe slot = places.staging + stagedCount * slotByteCount
        stagedCount += 1
      }
      let front = fronts[stride: stride]
      let isHit = if case .hit = placement { true } else { false }
      if !isHit {
        let isGuessed =
          unsafe lookAhead?.demand(Int32(stride), of: layer, slot: slot) ?? false
        if !isGuessed { unsafe reader.add(front, slot: slot) }
      }
      unsafe self.isHit[strideCount] = isHit
      unsafe addresses[strideCount] = UnsafeRawPointer(slot + reader.lead(of: front))
      strideCount += 1
      next += 1
    }
    try reader.submit()
    return unsafe WindowLoad(strideCount: strideCount, addresses: addresses, isHit: isHit)
  }

  /// Waits for the reads of the last `begin`; its misses are then cached.
  func finish() throws(ReadFailure) {
    try reader.finish()
    if let lookAhead {
      var isMissing = false
      unsafe lookAhead.deliver { extent, slot in
        isMissing = true
        unsafe reader.add(extent, slot: slot)
      }
      if isMissing {
        try reader.submit()
        try reader.finish()
      }
    }
    cache.finishLoading()
  }

  /// Whether every read of the load came back.
  var isComplete: Bool { reader.isComplete }

  func holds(layer: Int, stride: Int) -> Bool {
    cache.holds(StrideIndex(stride), in: LayerIndex(layer))
  }

  /// Puts reads in flight for the first of the strides that are not in DRAM, as many as there are
  /// slots for guesses; none while the last guesses are in flight.
  ///
  /// - Precondition: no load is under way, so that no demand waits behind a guess.
  func look(atLayer layer: Int, strides: UnsafeBufferPointer<Int32>) {
    guard let lookAhead, lookAhead.isFree else { return }
    engine.recorder?.label = ReadLabel(layer: layer, purpose: .guess)
    lookAhead.begin(layer: layer)
    for index in strides.indices where !lookAhead.isFull {
      let stride = unsafe strides[index]
      guard !holds(layer: layer, stride: Int(stride)) else { continue }
      lookAhead.add(stride, fronts[layer][stride: Int(stride)])
    }
    lookAhead.submit()
  }

  /// Forgets a load that failed or was abandoned; the engine is drained already.
  func reset() {
    reader.reset()
    lookAhead?.reset()
    cache.cancelLoading()
  }
}

extension WeightResidency {
  /// Finds or begins to read the fronts of strides; see `WindowLoad`.
  ///
  /// - Parameters:
  ///   - strides: ascending, each once, at least one.
  ///   - isAll: whether the token wants nothing of the layer behind them.
  /// - Precondition: `isWindowed`, and the last load was finished.
  package func beginLoading(
    layer: Int, strides: UnsafeBufferPointer<Int32>, isAll: Bool
  ) throws(ReadFailure) -> WindowLoad {
    guard let window else { preconditionFailure("bundles are not windowed") }
    return try unsafe window.begin(layer: layer, strides: strides, isAll: isAll)
  }

  /// Adds strides of the layer to the load under way; what it lent before stays lent.
  ///
  /// - Parameters:
  ///   - strides: ascending, each once, and behind those that the load has. Where it has no more
  ///     room, it takes fewer, and none from then on.
  ///   - isAll: whether the token wants nothing of the layer behind them.
  package func extendLoading(
    layer: Int, strides: UnsafeBufferPointer<Int32>, isAll: Bool
  ) throws(ReadFailure) -> WindowLoad {
    guard let window else { preconditionFailure("bundles are not windowed") }
    return try unsafe window.extend(layer: layer, strides: strides, isAll: isAll)
  }

  /// Waits until everything that the load lent is valid.
  package func finishLoading() throws(ReadFailure) {
    guard let window else { preconditionFailure("bundles are not windowed") }
    try window.finish()
  }

  /// Whether every read of the load under way came back; lets queued reads go in.
  package var isLoadComplete: Bool { window?.isComplete ?? true }

  /// Whether `lookAhead` reads anything.
  package var looksAhead: Bool { plan.lookAheadSlots > 0 }

  /// Whether the front of a stride is in DRAM.
  package func holds(layer: Int, stride: Int) -> Bool {
    window?.holds(layer: layer, stride: stride) ?? true
  }

  /// Begins to read what a later layer may want into slots for guesses; what that layer then asks
  /// for is taken from there, the rest is dropped. Never changes what is computed.
  ///
  /// - Parameter strides: each once, the likeliest first; those in DRAM already are passed over,
  ///   and those beyond `plan.lookAheadSlots` too.
  /// - Precondition: `isWindowed`, and no load is under way.
  package func lookAhead(layer: Int, strides: UnsafeBufferPointer<Int32>) {
    guard let window else { preconditionFailure("bundles are not windowed") }
    unsafe window.look(atLayer: layer, strides: strides)
  }

  package var windowStatistics: WindowStatistics {
    window?.statistics ?? experts?.statistics ?? WindowStatistics()
  }

  /// The window's policy, with a length where it has one; nil where there is no window.
  package var windowPolicy: ReplacementPolicy? { (window?.cache ?? experts?.cache)?.policy }

  /// Bytes of the window's slots that hold something.
  package var filledWindowByteCount: Int {
    ((window?.cache ?? experts?.cache)?.filledSlotCount ?? 0) * plan.slotByteCount
  }
}
