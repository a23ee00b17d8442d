import FlashIO
import FlashWeights

/// Fills what a limit leaves above a shape's floor.
extension MemoryPlanner {
  func make(_ shape: Shape, contextLength: Int) -> MemoryPlan {
    var items = items(shape, contextLength)
    let floor = sum(items)
    let unclaimed = max(0, (options.memoryLimit ?? Int.max) - floor)
    let spare = unclaimed - Self.kernelByteCount(for: unclaimed)
    var resident = manifest.tensors.map { shape == .resident || isSmall($0) }
    var notes: [String] = []
    var ring = ring
    let feedForward: MemoryPlan.FeedForwardResidency
    switch shape {
    case .resident:
      feedForward = .resident
    case .windowed:
      keepTensors(&resident)
      let slots = windowSlots(spare: spare)
      let bytes = slots.reduce(0) { $0 + Self.pageRounded($1 * slotByteCount) }
      let slotCount = slots.reduce(0, +)
      add(bytes, to: "window", "\(slotCount) slots", &items)
      add(
        slotCount * SlotTable.byteCountPerSlot, to: "window tables", "and for the slots", &items)
      feedForward = .windowed(slotsPerLayer: slots, stagingSlots: stagingSlots)
      if slots.allSatisfy({ $0 == 0 }) {
        notes.append(
          windowUnit == .experts
            ? "no window: \(cycleByteCount) bytes would hold one token's experts of all layers, "
              + "and with less every policy misses; experts are read for every token"
            : "no memory is left for a window: fired neurons are read for every token")
      }
    case .streamed where options.residency != .whatFits:
      if options.residency == .dense { keepTensors(&resident) }
      _ = addBuffers(&ring, spare: spare, items: &items)
      feedForward = .streamed(residentStrides: manifest.bundles.map { _ in 0 })
    case .streamed:
      let more = addBuffers(&ring, spare: spare, items: &items)
      let left = fillTensors(&resident, spare: spare - more, items: &items)
      let strides = residentStrides(spare: left)
      let bytes = zip(strides, manifest.bundles).reduce(0) {
        $0 + Self.pageRounded($1.0 * $1.1.stride)
      }
      add(bytes, to: "weights", "and \(bytes) bytes of bundles", &items)
      feedForward = .streamed(residentStrides: strides)
      notes.append("weights that are not resident are read in order for every token")
    }
    add(
      Self.kernelByteCount(for: sum(items) - floor), to: "kernel", "and for what fills the limit",
      &items)
    let residentItems = self.items(.resident, floorContext)
    return MemoryPlan(
      limit: options.memoryLimit, items: items, contextLength: contextLength,
      feedForward: feedForward, windowUnit: windowUnit, residentTensors: resident, ring: ring,
      slotByteCount: slotByteCount, predictorExtents: demand.predictorExtents,
      mergeByteCount: mergeByteCount,
      lookAheadSlots: shape == .windowed ? lookAheadSlots : 0,
      modelByteCount: modelByteCount,
      minimumByteCount: sum(floorItems(floorContext)),
      residentByteCount: sum(residentItems), notes: notes)
  }

  /// Gives the ring a sixteenth of what is left, up to sixteen buffers: reads are then in flight
  /// through the arithmetic on a layer's resident part and on the head. `decilm-6b` in q4_0 at 50 %
  /// decoded 0.95 tok/s with four buffers, 1.25 with eight, 1.41 with sixteen. Returns the bytes.
  private func addBuffers(
    _ ring: inout StreamRingShape, spare: Int, items: inout [MemoryPlan.Item]
  ) -> Int {
    let added = min(
      StreamRing.largestBufferCount - ring.bufferCount, spare / 16 / ring.bufferByteCount)
    ring.bufferCount += added
    add(added * ring.bufferByteCount, to: "stream ring", "and \(added) more", &items)
    return added * ring.bufferByteCount
  }

  /// Makes every tensor resident that is used whole.
  private func keepTensors(_ resident: inout [Bool]) {
    for index in resident.indices where !manifest.isLookedUp(manifest.tensors[index]) {
      resident[index] = true
    }
  }

  /// The same fraction of every layer's strides.
  private func windowSlots(spare: Int) -> [Int] {
    let strides = manifest.bundles.map { $0.windowUnitCount(windowUnit) }
    let all = strides.reduce(0, +)
    guard all > 0, slotByteCount > 0, options.residency != .decidingRows else {
      return strides.map { _ in 0 }
    }
    // A page of each layer is kept back for rounding it up.
    let affordable = min(
      all,
      max(0, spare - 4096 * strides.count) / (slotByteCount + SlotTable.byteCountPerSlot))
    guard windowUnit == .experts else { return strides.map { $0 * affordable / all } }
    let layers = strides.count { $0 > 0 }
    let slots = strides.enumerated().map { layer, count in
      min(count, affordable / layers + (layer < affordable % layers ? 1 : 0))
    }
    return affordable / max(1, layers) >= activeExpertCount ? slots : strides.map { _ in 0 }
  }

  /// Tensors used whole become resident in layer order, the head first: it is the largest and its
  /// rows come last in a token, when the ring should already read the next token's layers.
  private func fillTensors(
    _ resident: inout [Bool], spare: Int, items: inout [MemoryPlan.Item]
  ) -> Int {
    var spare = spare
    let order = manifest.tensors.indices.sorted {
      (rank($0), $0) < (rank($1), $1)
    }
    var count = 0
    var bytes = 0
    for index in order where !resident[index] && !manifest.isLookedUp(manifest.tensors[index]) {
      let byteCount = Self.pageRounded(manifest.tensors[index].extent.byteCount)
      guard byteCount <= spare else { continue }
      spare -= byteCount
      bytes += byteCount
      count += 1
      resident[index] = true
    }
    add(bytes, to: "weights", "and \(count) tensors used whole", &items)
    return spare
  }

  private func rank(_ index: Int) -> Int {
    manifest.tensors[index].role == .outputHead ? 0 : 1
  }

  /// The same fraction of every layer, in whole groups, so that arithmetic and reads alternate in
  /// each.
  private func residentStrides(spare: Int) -> [Int] {
    let all = bundleByteCount
    guard all > 0 else { return manifest.bundles.map { _ in 0 } }
    let fraction = min(1, Double(spare) / Double(all))
    return manifest.bundles.map { bundle in
      // A page is kept back for rounding the layer up.
      let bytes = max(0, Int(fraction * Double(Self.pageRounded(bundle.extent.byteCount))) - 4096)
      let group = bundle.stridesPerGroup
      return min(bundle.strideCount, bytes / (bundle.stride * group) * group)
    }
  }

  private func add(
    _ byteCount: Int, to name: String, _ detail: String, _ items: inout [MemoryPlan.Item]
  ) {
    guard byteCount > 0, let index = items.firstIndex(where: { $0.name == name }) else { return }
    items[index].byteCount += byteCount
    items[index].detail += ", " + detail
  }
}
