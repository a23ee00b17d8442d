import FlashIO
import FlashWeights

/// The sums behind each shape of run.
extension MemoryPlanner {
  func sum(_ items: [MemoryPlan.Item]) -> Int { items.reduce(0) { $0 + $1.byteCount } }

  /// Tensors so small that they are always resident: norms, biases, and what is under two pages.
  func isSmall(_ tensor: StoredTensor) -> Bool {
    tensor.rows == 1 || tensor.extent.byteCount <= 8192
  }

  static func pageRounded(_ byteCount: Int) -> Int { (byteCount + 4095) / 4096 * 4096 }

  func byteCount(where include: (StoredTensor) -> Bool) -> Int {
    manifest.tensors.reduce(0) {
      include($1) ? $0 + Self.pageRounded($1.extent.byteCount) : $0
    }
  }

  var bundleByteCount: Int {
    manifest.bundles.reduce(0) { $0 + Self.pageRounded($1.extent.byteCount) }
  }

  /// Deciding rows of all layers, as they lie in the arena.
  var decidingByteCount: Int {
    manifest.bundles.reduce(0) {
      $0 + Self.pageRounded($1.neuronCount * $1.lastPartByteCount)
    }
  }

  /// Experts of a token in a layer; 0 where there are none.
  var activeExpertCount: Int { manifest.configuration.routing?.activeCount ?? 0 }

  /// What a token uses of all layers: its experts.
  var cycleByteCount: Int {
    manifest.bundles.reduce(0) {
      $1.expertCount == nil ? $0 : $0 + Self.pageRounded(activeExpertCount * slotByteCount)
    }
  }

  /// Bytes of a window slot: the front of the widest stride, or all its parts where neurons are
  /// predicted, widened to whole units wherever in a unit the stride begins.
  var slotByteCount: Int {
    if let parts = options.separateParts { return parts.slotByteCount(unit: unit) }
    return manifest.bundles.map { bundle in
      let misalignment = bundle.stride % unit == 0 ? 0 : unit - 512
      let wanted = bundle.windowByteCount(of: windowUnit, isWhole: usesPredictors)
      return (wanted + misalignment + unit - 1) / unit * unit
    }.max() ?? 0
  }

  /// Slots for bundles that the window does not keep: enough for a full queue, and 2 MiB of them
  /// where the model is large. The same memory takes whole bundles while deciding rows are cut out
  /// of them.
  ///
  /// Of experts as many as a token has in a layer, and one, so that reads go on while the last is
  /// computed.
  var stagingSlots: Int {
    if windowUnit == .experts { return activeExpertCount + 1 }
    return slotByteCount > 0 ? max(64, min(2 << 20, bundleByteCount / 16) / slotByteCount) : 0
  }

  /// Bytes of the area for merged reads. A load's misses all fit, so that in prefill, where most of
  /// a layer is missing, reading is near sequential; a sixteenth of the bundles keeps the floor low
  /// for small models.
  var mergeByteCount: Int {
    guard slotByteCount > 0, options.mergeGapByteCount >= 0, windowUnit == .neurons else {
      return 0
    }
    return Self.pageRounded(min(8 << 20, max(64 << 10, bundleByteCount / 16)))
  }

  /// Guesses are reads beside others, of whole fronts, made from resident deciding rows or by
  /// predictors.
  var lookAheadSlots: Int {
    let isOff = options.lookAhead == .off || !options.overlapsReads
    if isOff || options.separateParts != nil { return 0 }
    return windowUnit == .experts ? max(1, activeExpertCount / 2) : LookAheadArea.slotCount
  }

  /// Ring buffers of a 64th of the model keep the floor low for small models; 4 MiB is where this
  /// kind of device reads at its sequential rate.
  var ring: StreamRingShape {
    let weights = byteCount { _ in true } + bundleByteCount
    let wanted = min(4 << 20, max(256 << 10, weights / 64))
    let groups = manifest.bundles.map { $0.stride * $0.stridesPerGroup }
    let rows = manifest.tensors.map(\.rowByteCount) + groups
    let needed = (rows.max() ?? 0) + 2 * unit
    return StreamRingShape(
      bufferCount: 4, bufferByteCount: Self.pageRounded(max(wanted, needed)))
  }

  /// Whole-unit buffers for rows that are looked up.
  var rowStagingByteCount: Int {
    let widest =
      manifest.tensors.filter { manifest.hasLookedUpRows($0) && !isSmall($0) }
      .map(\.rowByteCount).max() ?? 0
    guard widest > 0 else { return 0 }
    let perRow = ReadPlan.slotByteCount(forExtentOf: widest, unit: unit)
    return Self.pageRounded(demand.rowsPerChunk * perRow * 2)
  }

  /// The least a shape takes at a context length, item by item.
  func items(_ shape: Shape, _ contextLength: Int) -> [MemoryPlan.Item] {
    var items = demand.items(contextLength)
    if let extents = demand.predictorExtents {
      let byteCount = extents.reduce(0) { $0 + Self.pageRounded($1.byteCount) }
      items.append(.init("predictor", byteCount, "low-rank predictors"))
    }
    let small = byteCount(where: isSmall)
    let whole = byteCount { !isSmall($0) && !manifest.isLookedUp($0) }
    switch shape {
    case .resident:
      items.append(
        .init("weights", byteCount { _ in true } + bundleByteCount, "all tensors and bundles"))
    case .windowed:
      items.append(.init("weights", small + whole, "tensors used whole"))
      if !usesPredictors, windowUnit == .neurons {
        items.append(.init("deciding rows", decidingByteCount, "gates of every layer"))
      }
      items.append(
        .init(
          "window", Self.pageRounded(slotByteCount * stagingSlots) + mergeByteCount,
          "\(stagingSlots) staging slots, \(mergeByteCount) bytes for merged reads"))
      if lookAheadSlots > 0 {
        items.append(
          .init(
            "look-ahead", Self.pageRounded(slotByteCount * lookAheadSlots),
            "\(lookAheadSlots) slots for what the next layer may want"))
      }
      items.append(.init("window tables", windowTableByteCount, "tables of \(options.policy.name)"))
      items.append(.init("row buffers", rowStagingByteCount, "embedding rows"))
    case .streamed:
      if options.residency == .dense {
        items.append(.init("weights", small + whole, "tensors used whole"))
      } else {
        items.append(.init("weights", small, "norms and biases"))
      }
      items.append(
        .init("stream ring", ring.byteCount, "\(ring.bufferCount) buffers, layers in order"))
      items.append(.init("row buffers", rowStagingByteCount, "embedding rows"))
    }
    items.append(
      .init("kernel", Self.kernelByteCount(for: sum(items)), "page tables, registered memory"))
    return items
  }

  /// What the kernel itself takes for so much memory of ours: 0.16 to 0.24 % in runs of 0.05 to 3.3
  /// GB in a memory cgroup.
  static func kernelByteCount(for byteCount: Int) -> Int { byteCount / 400 }

  /// What the window's tables take before any slot: those of the policy, for each stride, and the
  /// lists of one layer's misses and of their reads, 160 bytes for each stride of the widest, in
  /// each file they are read from.
  var windowTableByteCount: Int {
    let strides = manifest.bundles.map { $0.windowUnitCount(windowUnit) }
    let files = options.separateParts?.paths.count ?? 1
    return (strides.max() ?? 0) * 160 * files
      + strides.reduce(0) {
        $0 + SlotTable.byteCount(strideCount: $1, slotCount: 0, policy: options.policy)
      }
  }

  /// The items of the smallest plan at a context length.
  func floorItems(_ contextLength: Int) -> [MemoryPlan.Item] {
    if let forcedShape { return items(forcedShape, contextLength) }
    let resident = items(.resident, contextLength)
    let floor = items(needsWindow ? .windowed : .streamed, contextLength)
    return sum(floor) < sum(resident) ? floor : resident
  }

  /// The items of the smallest dense plan.
  func denseFloorItems(_ contextLength: Int) -> [MemoryPlan.Item] {
    var dense = self
    dense.demand.exact = .no
    dense.demand.predictorExtents = nil
    return dense.floorItems(contextLength)
  }

  var modelByteCount: Int {
    manifest.tensors.reduce(0) { $0 + $1.extent.byteCount }
      + manifest.bundles.reduce(0) {
        $0 + $1.neuronCount * ($1.frontBytesPerNeuron + $1.lastPartByteCount)
      }
  }
}
