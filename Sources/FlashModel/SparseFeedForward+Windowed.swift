import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The feed-forward part where deciding rows are resident and fronts of bundles are in window slots
/// or on flash.
///
/// For a token the deciding rows are multiplied in slices, cut by neuron: while the pool multiplies
/// one, this thread asks the window for what fired in the one before, so that the device reads from
/// the first slice on. The active set and the order of additions do not depend on it.
extension SparseFeedForward {
  /// Tokens up to which a layer is sliced: with more of them most of a layer is wanted, and is read
  /// best when all of it is asked for at once.
  private static let slicedTokenCount = 4
  /// Parts of a slice for each thread, so that the others do more of it while this one asks.
  private static let partsPerThread = 4

  /// What the load under way has of the active set.
  private struct Progress {
    /// The load's places in the active set.
    var places = 0..<0
    var strideCount = 0
    /// Columns of up products: those of hits from the first on, those of misses from the last down.
    var hitCount = 0
    var missCount = 0
    /// Whether it has no room for what comes next.
    var isFull = false
  }

  /// What the slices so far came to.
  private struct Asked {
    var progress = Progress()
    var activeCount = 0
    /// Why the window could not be asked for more.
    var failure: ReadFailure?
  }

  private static func slice(_ index: Int, of count: Int, _ columns: Int, perStride: Int) -> Range<
    Int
  > {
    WorkerPool.split(count: columns, parts: count, granularity: 64 * perStride, index: index)
  }

  /// Finds what fires in columns that were multiplied, and begins to load it.
  private func ask(
    _ asked: inout Asked, _ columns: Range<Int>, _ weights: LayerWeights, _ group: NeuronGroup
  ) {
    guard !columns.isEmpty, asked.failure == nil else { return }
    group.forEachRun(inColumns: columns) { run, columns in
      addDecidingBias(weights, group, run, columns)
      asked.activeCount = firing(run, columns, group, after: asked.activeCount)
    }
    let active = unsafe ActiveSet(neurons: core.scratch.activeNeurons, count: asked.activeCount)
    do throws(ReadFailure) {
      try extend(
        &asked.progress, by: active, weights.bundles, group,
        isAll: columns.upperBound == group.neuronCount)
    } catch {
      asked.failure = error
    }
  }

  func forwardWindowed(_ weights: LayerWeights, _ group: NeuronGroup) throws(ReadFailure) {
    let bundles = weights.bundles
    let (count, perStride) = (group.neuronCount, bundles.neuronsPerStride)
    let sliceCount =
      group.tokenCount > Self.slicedTokenCount || !core.residency.overlapsReads
      ? 1 : max(1, count * bundles.lastPartByteCount / sliceByteCount)
    var asked = Asked()
    for index in 0..<sliceCount {
      // An empty range before the first slice. A closure here, and no local function: those keep
      // what they capture on the heap.
      let last =
        index == 0
        ? 0..<0 : Self.slice(index - 1, of: sliceCount, count, perStride: perStride)
      let columns = Self.slice(index, of: sliceCount, count, perStride: perStride)
      decide(bundles, group, columns) { ask(&asked, last, weights, group) }
    }
    let last = Self.slice(sliceCount - 1, of: sliceCount, count, perStride: perStride)
    ask(&asked, last, weights, group)
    if let failure = asked.failure { throw failure }
    observeDecision(group)
    var progress = asked.progress
    let active = unsafe ActiveSet(neurons: core.scratch.activeNeurons, count: asked.activeCount)
    note(active, bundles, layer: group.layer)
    while !progress.places.isEmpty {
      progress.places = wholeGroups(progress.places, active, bundles, group)
      try finish(progress, weights, group, active)
      progress = Progress(places: progress.places.upperBound..<progress.places.upperBound)
      try extend(&progress, by: active, bundles, group, isAll: true)
    }
  }

  /// Places of a load without the group of neurons that it has in part: the next load finds those
  /// again. A load has room for more than a group.
  func wholeGroups(
    _ places: Range<Int>, _ active: ActiveSet, _ bundles: BundleLayout, _ group: NeuronGroup
  ) -> Range<Int> {
    guard places.upperBound < active.count else { return places }
    let size = bundles.parts[bundles.part(.down)].format.neuronsPerGroup
    let neuron = active[places.upperBound]
    let first = group.firstNeuron(ofRunWith: neuron)
    let next = first + (neuron - first) / size * size
    let end = active.firstPlace(atLeast: next, from: places.lowerBound)
    precondition(end > places.lowerBound, "a load has room for a group of neurons")
    return places.lowerBound..<end
  }

  /// Multiplies the resident deciding rows of some columns into those of `scratch.deciding`.
  private func decide(
    _ bundles: BundleLayout, _ group: NeuronGroup, _ columns: Range<Int>,
    beside aside: () -> Void
  ) {
    let partCount = core.pool.threadCount * Self.partsPerThread
    core.run(partCount, beside: aside) { part in
      let range = WorkerPool.split(
        count: columns.count, parts: partCount, granularity: 16, index: part)
      unsafe multiplyResident(
        bundles, group,
        columns.lowerBound + range.lowerBound..<columns.lowerBound + range.upperBound,
        into: core.scratch.deciding)
    }
  }

  /// The same, one thread's part, into `output[t][columns]`.
  func multiplyResident(
    _ bundles: BundleLayout, _ group: NeuronGroup, _ columns: Range<Int>,
    into output: UnsafeMutablePointer<Float>
  ) {
    let rowByteCount = bundles.lastPartByteCount
    let rows = unsafe core.residency.decidingRows(ofLayer: group.layer)
    group.forEachRun(inColumns: columns) { run, columns in
      unsafe core.kernels.dot(
        bundles.inputFormats.gate, width: bundles.width,
        rows: rows + (columns.lowerBound + run.shift) * rowByteCount, rowStride: rowByteCount,
        rowCount: columns.count, activations: group.decidingInputs,
        activationStride: core.scratch.shape.activationByteCount, tokenCount: group.tokenCount,
        output: output + columns.lowerBound, outputStride: group.stride)
    }
  }

  /// Asks the window for the active neurons behind those that the load has, as far as there is
  /// room, and notes where their rows are or will be.
  ///
  /// - Parameter isAll: whether the set is the group's whole set.
  private func extend(
    _ progress: inout Progress, by active: ActiveSet, _ bundles: BundleLayout,
    _ group: NeuronGroup, isAll: Bool
  ) throws(ReadFailure) {
    let layer = group.layer
    let isAll = isAll && group.endsLayer
    let start = progress.places.upperBound
    guard !progress.isFull, start < active.count else { return }
    let known = progress.strideCount
    let strides = unsafe core.scratch.activeStrides + known
    let count = unsafe active.collectStrides(
      from: start, neuronsPerStride: bundles.neuronsPerStride, into: strides)
    let wanted = unsafe UnsafeBufferPointer(start: strides, count: count)
    let load =
      known == 0
      ? try unsafe core.residency.beginLoading(layer: layer, strides: wanted, isAll: isAll)
      : try unsafe core.residency.extendLoading(layer: layer, strides: wanted, isAll: isAll)
    progress.strideCount = load.strideCount
    progress.isFull = load.strideCount < known + count
    guard load.strideCount > known else { return }
    let end =
      progress.isFull
      ? active.firstPlace(
        atLeast: unsafe Int(strides[load.strideCount - known - 1] + 1) * bundles.neuronsPerStride,
        from: start)
      : active.count
    placeRows(&progress, load, active, start..<end, firstStride: known, bundles, group)
    progress.places = progress.places.lowerBound..<end
  }

  /// Writes the addresses of down columns in order of places, and those of up rows by columns.
  private func placeRows(
    _ progress: inout Progress, _ load: WindowLoad, _ active: ActiveSet, _ places: Range<Int>,
    firstStride: Int, _ bundles: BundleLayout, _ group: NeuronGroup
  ) {
    let scratch = core.scratch
    let layer = group.layer
    let perStride = bundles.neuronsPerStride
    func offset(_ part: Int, neuron: Int = 0) -> Int {
      core.residency.frontOffset(ofPart: part, neuron: neuron, layer: layer)
    }
    let neuronByteCount = offset(0, neuron: 1) - offset(0)
    let down = offset(bundles.part(.down))
    let up = core.configuration.isGated ? offset(bundles.part(.up)) : 0
    let lastColumn = group.neuronCount - 1
    var stride = firstStride
    for place in places {
      let neuron = active[place]
      var front: UnsafeRawPointer
      if perStride == 1 {
        unsafe front = load.addresses[stride]
      } else {
        while unsafe Int(scratch.activeStrides[stride]) < neuron / perStride { stride += 1 }
        unsafe front = load.addresses[stride] + neuron % perStride * neuronByteCount
      }
      let column: Int
      if unsafe load.isHit[stride] {
        column = progress.hitCount
        progress.hitCount += 1
      } else {
        column = lastColumn - progress.missCount
        progress.missCount += 1
      }
      let index = place - progress.places.lowerBound
      unsafe scratch.downAddresses[index] = front + down
      unsafe scratch.rowAddresses[column] = front + up
      unsafe scratch.upColumns[index] = Int32(truncatingIfNeeded: column)
      if perStride == 1 { stride += 1 }
    }
  }

  /// Computes what the load has in DRAM while the rest flies, then the rest, and adds all of it.
  private func finish(
    _ progress: Progress, _ weights: LayerWeights, _ group: NeuronGroup, _ active: ActiveSet
  ) throws(ReadFailure) {
    let isGated = core.configuration.isGated
    if isGated { multiplyUp(weights, group, columns: 0..<progress.hitCount) }
    try finishLoading(group, isLast: progress.places.upperBound == active.count)
    let end = group.neuronCount
    if isGated { multiplyUp(weights, group, columns: end - progress.missCount..<end) }
    unsafe activate(
      weights, group, active, progress.places, columns: core.scratch.upColumns)
    observeOutputs(group, active, progress.places)
    addDown(weights.bundles, group, active, progress.places)
  }
}
