package import FlashIO
package import FlashWeights

/// Lends the decoder its weights, wherever they are: resident in the arena, passing through the
/// stream ring, or in slots of the window cache.
///
/// It knows tensors and bundles as extents and rows of bytes, not what they mean. One thread owns
/// it. After `open` nothing here allocates, unless it throws. After a call threw, or a forward pass
/// was left early, `reset` must be called before the next one.
@safe package final class WeightResidency {
  package let plan: MemoryPlan
  package let manifest: StoreManifest
  let engine: any ReadEngine
  let arena: DirectArena
  let map: ArenaMap
  let schedule: WeightSchedule
  let ring: StreamRing?
  let window: WindowLoader?
  let experts: ExpertLoader?
  let fronts: FrontPlaces
  /// What it was made with.
  package let options: StorageOptions
  private let rowRequests: UnsafeMutablePointer<ReadRequest>
  private let rowsPerChunk: Int
  /// Whether anything is not resident.
  private let readsWhileRunning: Bool

  /// Takes an engine whose files are the store's dense and bundle file, and the predictor file
  /// where the plan has predictors, and whose arena is `arena`; nothing is read yet.
  ///
  /// - Precondition: `arena` has at least `arenaByteCount` bytes.
  package init(
    manifest: StoreManifest, plan: MemoryPlan, engine: any ReadEngine, arena: DirectArena,
    rowsPerChunk: Int, options: StorageOptions
  ) {
    let units = engine.files.map(\.unit)
    let map = ArenaMap(
      manifest: manifest, plan: plan, unit: units.max() ?? 1, rowsPerChunk: rowsPerChunk)
    precondition(arena.byteCount >= map.byteCount, "the arena holds the plan")
    let schedule = WeightSchedule(manifest: manifest, plan: plan, map: map, units: units)
    self.plan = plan
    self.manifest = manifest
    self.engine = engine
    self.arena = arena
    self.map = map
    self.schedule = schedule
    self.rowsPerChunk = rowsPerChunk
    readsWhileRunning = plan.feedForward != .resident
    self.options = options
    fronts = FrontPlaces(
      bundles: manifest.bundles, parts: options.separateParts, isWhole: plan.usesPredictors,
      unit: units.max() ?? 1)
    ring =
      unsafe schedule.segments.isEmpty
      ? nil
      : StreamRing(
        engine: engine, segments: schedule.segments, bodyCount: schedule.bodyCount,
        shape: plan.ring, base: arena.base + map.ring, readsAhead: options.overlapsReads)
    window = unsafe Self.window(
      manifest, plan, fronts: fronts, engine: engine, base: arena.base, map: map, options: options)
    experts = unsafe Self.experts(
      manifest, plan, engine: engine, base: arena.base, map: map, options: options)
    unsafe rowRequests = .allocate(capacity: max(1, rowsPerChunk))
  }

  private static func window(
    _ manifest: StoreManifest, _ plan: MemoryPlan, fronts: FrontPlaces, engine: any ReadEngine,
    base: UnsafeMutableRawPointer, map: ArenaMap, options: StorageOptions
  ) -> WindowLoader? {
    guard case .windowed(let slots, let staging) = plan.feedForward, plan.windowUnit == .neurons
    else { return nil }
    let places = unsafe WindowLoader.Places(
      slotByteCount: plan.slotByteCount, slots: map.slots.map { unsafe base + $0 },
      staging: base + map.stagingSlots, stagingCount: staging,
      merge: base + map.mergeStaging, mergeByteCount: plan.mergeByteCount)
    return unsafe WindowLoader(
      bundles: manifest.bundles, fronts: fronts, slotsPerLayer: slots, places: places,
      engine: engine,
      lookAhead: plan.lookAheadSlots > 0
        ? LookAheadArea(
          engine: engine, base: base + map.lookAhead, slotByteCount: plan.slotByteCount)
        : nil,
      options: options)
  }

  private static func experts(
    _ manifest: StoreManifest, _ plan: MemoryPlan, engine: any ReadEngine,
    base: UnsafeMutableRawPointer, map: ArenaMap, options: StorageOptions
  ) -> ExpertLoader? {
    guard case .windowed(let slots, let staging) = plan.feedForward, plan.windowUnit == .experts
    else { return nil }
    let places = unsafe ExpertLoader.Places(
      byteCount: plan.slotByteCount, slots: map.slots.map { unsafe base + $0 },
      spare: base + map.stagingSlots, spareCount: staging,
      guess: base + map.lookAhead, guessCount: plan.lookAheadSlots)
    return unsafe ExpertLoader(
      bundles: manifest.bundles, slotsPerLayer: slots, places: places, engine: engine,
      options: options)
  }

  deinit {
    engine.drain()
    unsafe rowRequests.deallocate()
  }

  /// Bytes of the arena that a plan needs on files of the given direct-I/O unit.
  package static func arenaByteCount(
    manifest: StoreManifest, plan: MemoryPlan, unit: Int, rowsPerChunk: Int
  ) -> Int {
    max(
      1,
      ArenaMap(manifest: manifest, plan: plan, unit: unit, rowsPerChunk: rowsPerChunk).byteCount)
  }

  /// Calls `body` with all of the arena.
  package func withArena<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try unsafe body(UnsafeRawBufferPointer(arena.bytes))
  }

  /// Whether bundles, or their fronts beside deciding rows, lie in window slots.
  package var isWindowed: Bool { window != nil }

  /// Whether weights pass through in order, each there once a forward pass.
  package var isStreamed: Bool { ring != nil }

  package var statistics: ReadStatistics { engine.statistics }

  /// Whether reads go on while there is arithmetic.
  package var overlapsReads: Bool { options.overlapsReads }

  /// Books reads that came back and lets queued ones go in, and guesses that are next; a few loads
  /// where nothing is in flight.
  package func look() {
    engine.look()
    experts?.readGuesses()
  }

  package var engineDescription: ReadEngineDescription { engine.description }

  /// Is told of reads and waits; set where no read is outstanding.
  package var recorder: TraceRecorder? {
    get { engine.recorder }
    set { engine.recorder = newValue }
  }

  /// Tells the recorder of the reads that came back.
  package func collectReads() { engine.collectReads() }

  // MARK: Passing through in order

  /// Starts a forward pass; tensors and bundles are then asked for in layer order.
  package func beginForward(includesHead: Bool) throws(ReadFailure) {
    window?.beginForward()
    experts?.beginForward()
    try ring?.begin(includesHead: includesHead)
  }

  /// Ends a forward pass that used everything it began with.
  ///
  /// - Throws: `FileFailure` when the store changed under a run that reads it, so that what was
  ///   computed may be of two stores.
  package func endForward() throws(FileFailure) {
    if readsWhileRunning {
      for file in engine.files { try file.checkUnchanged() }
    }
    ring?.end()
  }

  /// Makes the residency usable after a failure or a cancelled pass; waits for reads in flight.
  package func reset() {
    engine.drain()
    ring?.reset()
    window?.reset()
    experts?.reset()
  }

  /// Calls `body` with each piece of a tensor in ascending order of rows: the rows, and the address
  /// of the first of them. Rows lie `rowByteCount` apart.
  package func withRows(
    ofTensor index: Int, _ body: (Range<Int>, UnsafeRawPointer) -> Void
  ) throws(ReadFailure) {
    for piece in schedule.tensors[index] {
      try unsafe lend(piece, to: body)
    }
  }

  /// Calls `body` with each piece of a layer's bundles in ascending order of strides: the strides,
  /// the address of the first of them, and whether their parts lie apart.
  ///
  /// - Precondition: the feed-forward part is not windowed.
  package func withStrides(
    ofLayer layer: Int, _ body: (Range<Int>, UnsafeRawPointer, Bool) -> Void
  ) throws(ReadFailure) {
    let partsLieApart = map.partsLieApart(layer: layer)
    for piece in schedule.bundles[layer] {
      try unsafe lend(piece) { strides, base in unsafe body(strides, base, partsLieApart) }
    }
  }

  private func lend(
    _ piece: WeightPiece, to body: (Range<Int>, UnsafeRawPointer) -> Void
  ) throws(ReadFailure) {
    guard let segment = piece.segment, let ring else {
      unsafe body(piece.rows, UnsafeRawPointer(arena.base + piece.offset))
      return
    }
    let buffer = try unsafe ring.acquire(segment)
    unsafe body(piece.rows, buffer + piece.offset)
    try ring.release()
  }

  // MARK: What is not in order

  /// Where a part of a neuron lies from the address that `beginLoading` gives its stride's front;
  /// `neuron` counts within the stride.
  package func frontOffset(ofPart part: Int, neuron: Int, layer: Int) -> Int {
    fronts.offset(ofPart: part, neuron: neuron, layer: layer)
  }

  /// The address of a tensor that is resident as a whole.
  ///
  /// - Precondition: the plan says so.
  package func address(ofTensor index: Int) -> UnsafeRawPointer {
    guard let offset = map.tensors[index] else {
      preconditionFailure("tensor \(manifest.tensors[index].name) is not resident")
    }
    return unsafe UnsafeRawPointer(arena.base + offset)
  }

  /// The address of a layer's deciding rows, `lastPartByteCount` apart.
  ///
  /// - Precondition: `isWindowed`, and neurons are not predicted.
  package func decidingRows(ofLayer layer: Int) -> UnsafeRawPointer {
    guard let offset = map.decidingRows[layer] else {
      preconditionFailure("deciding rows lie in their bundles")
    }
    return unsafe UnsafeRawPointer(arena.base + offset)
  }

  /// The address of one of the plan's predictor extents.
  package func predictor(_ index: Int) -> UnsafeRawPointer {
    unsafe UnsafeRawPointer(arena.base + map.predictors[index])
  }

  /// Lets `body` rearrange one of the plan's predictor extents after it was loaded.
  package func withPredictor(_ index: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    unsafe body(arena.base + map.predictors[index])
  }

  /// Finds rows of a looked-up tensor, reading those that are not resident.
  ///
  /// - Parameters:
  ///   - rows: at most `rowsPerChunk` of them.
  ///   - table: 0 or 1: which half of the row buffers to use, so that two tables can be looked up
  ///     for one chunk.
  ///   - addresses: filled with one address for each row, valid until the next call for `table`.
  package func lookUp(
    rows: UnsafeBufferPointer<Int32>, ofTensor index: Int, table: Int,
    addresses: UnsafeMutablePointer<UnsafeRawPointer>
  ) throws(ReadFailure) {
    precondition(rows.count <= rowsPerChunk && (0...1).contains(table), "rows fit")
    let tensor = manifest.tensors[index]
    let stride = tensor.rowByteCount
    if let offset = map.tensors[index] {
      for unsafe(position, row) in unsafe rows.enumerated() {
        unsafe addresses[position] = UnsafeRawPointer(arena.base + offset + Int(row) * stride)
      }
      return
    }
    let file = WeightSchedule.FileIndex.dense
    let unit = engine.files[file].unit
    for unsafe(position, row) in unsafe rows.enumerated() {
      let wanted = FileExtent(
        offset: tensor.extent.offset + Int(row) * stride, byteCount: stride)
      let widened = wanted.widened(toUnit: unit)
      let place = map.rows + (table * rowsPerChunk + position) * map.rowByteCount
      let destination = unsafe arena.base + place
      let request = unsafe ReadRequest(
        fileIndex: file, extent: widened, destination: destination)
      unsafe (rowRequests + position).initialize(to: request)
      unsafe addresses[position] = UnsafeRawPointer(
        destination + (wanted.offset - widened.offset))
    }
    engine.recorder?.label = ReadLabel(layer: -1, purpose: .row)
    let batch = try unsafe engine.submit(
      UnsafeBufferPointer(start: rowRequests, count: rows.count))
    try engine.wait(for: batch)
  }
}
