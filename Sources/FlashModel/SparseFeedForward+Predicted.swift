import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The feed-forward part of neurons that a predictor names: their bundles are read whole, because
/// nothing else of them is resident.
///
/// Gate and up rows are multiplied for the union of the chunk's sets; a neuron that a token's own
/// set lacks has output zero for it, as one whose gate is not positive. So what is loaded, and with
/// whom a token shares a chunk, changes nothing.
extension SparseFeedForward {
  /// Adds what is predicted of a group to its accumulators.
  func forwardPredicted(
    _ predictor: SparsityPredictor, _ weights: LayerWeights, _ group: NeuronGroup
  ) throws(ReadFailure) {
    let sets = core.predicting { predictor.activeNeurons(group, core: core) }
    if computesResidentGates { nameResident(weights, group, sets) }
    let active = unsafe sets.union(group, into: core.scratch.activeNeurons)
    note(active, weights.bundles, layer: group.layer)
    guard core.residency.isWindowed else {
      return try addInOrder(weights, group, active, sets)
    }
    var done = 0
    while done < active.count {
      done = try loadAndAdd(weights, group, active, sets, from: done)
    }
  }

  /// Adds to each token's set the neurons whose bundles happen to be in DRAM and whose gates are
  /// positive for it: the one thing here that depends on the cache.
  private func nameResident(_ weights: LayerWeights, _ group: NeuronGroup, _ sets: PredictedSets) {
    guard sets.isSelective else { return }
    let bundles = weights.bundles
    let scratch = core.scratch
    let part = bundles.parts.count - 1
    let gate = offset(ofPart: part, neuron: 0, bundles, layer: group.layer)
    let distance = offset(ofPart: part, neuron: 1, bundles, layer: group.layer) - gate
    let tokens = 0..<group.tokenCount
    var count = 0
    unsafe core.residency.forEachResidentStride(ofLayer: group.layer) { stride, base in
      let neurons = bundles.neurons(ofStride: stride)
      for index in 0..<group.runCount {
        let run = unsafe group.runs[index]
        for neuron in neurons.clamped(to: run.neurons) {
          let column = neuron - run.shift
          if tokens.allSatisfy({ sets.contains(column, token: $0) }) { continue }
          unsafe scratch.activeNeurons[count] = Int32(column)
          unsafe scratch.rowAddresses[count] =
            base + gate + (neuron - neurons.lowerBound) * distance
          count += 1
        }
      }
    }
    unsafe multiply(
      bundles.inputFormats.gate, rows: scratch.rowAddresses, 0..<count, group,
      group.decidingInputs, into: scratch.deciding)
    let bias = unsafe core.bias(weights.decidingBias)
    let threshold = core.family.firingThreshold
    for token in tokens {
      let gates = unsafe scratch.deciding + token * group.stride
      for index in 0..<count {
        let column = unsafe Int(scratch.activeNeurons[index])
        let gate = unsafe gates[index] + (bias.map { unsafe $0[group.neuron(at: column)] } ?? 0)
        if gate > threshold { sets.insert(column, token: token) }
      }
    }
  }

  /// All bundles are resident.
  private func addInOrder(
    _ weights: LayerWeights, _ group: NeuronGroup, _ active: ActiveSet, _ sets: PredictedSets
  ) throws(ReadFailure) {
    let bundles = weights.bundles
    let scratch = core.scratch
    try unsafe core.residency.withStrides(ofLayer: group.layer) { strides, base, partsLieApart in
      precondition(!partsLieApart, "what is predicted lies in bundles")
      let first = strides.lowerBound * bundles.neuronsPerStride
      let end = min(bundles.neuronCount, strides.upperBound * bundles.neuronsPerStride)
      let start = active.firstPlace(atLeast: first, from: 0)
      let range = start..<active.firstPlace(atLeast: end, from: start)
      guard !range.isEmpty else { return }
      let rows = RowOffsets(bundles) { bundles.offset(ofPart: $0, neuron: $1) }
      for place in range {
        let neuron = active[place]
        let bundle = unsafe base + (neuron - first) / bundles.neuronsPerStride * bundles.stride
        let column = place - start
        unsafe scratch.upColumns[column] = Int32(column)
        unsafe note(bundle, rows, neuron, column: column, index: column)
      }
      multiplyRows(weights, group, columns: 0..<range.count)
      activatePredicted(weights, group, active, sets, range)
      addDown(bundles, group, active, range)
    }
  }

  /// Loads as many of the active neurons as there is room for, computing those that are in DRAM
  /// while the others fly, and adds them. Returns the place of the first one that is left.
  private func loadAndAdd(
    _ weights: LayerWeights, _ group: NeuronGroup, _ active: ActiveSet, _ sets: PredictedSets,
    from start: Int
  ) throws(ReadFailure) -> Int {
    let bundles = weights.bundles
    let layer = group.layer
    let strides = unsafe core.scratch.activeStrides
    let strideCount = unsafe active.collectStrides(
      from: start, neuronsPerStride: bundles.neuronsPerStride, into: strides)
    let load = try unsafe core.residency.beginLoading(
      layer: layer, strides: UnsafeBufferPointer(start: strides, count: strideCount),
      isAll: group.endsLayer)
    let lastStride = unsafe Int(strides[load.strideCount - 1])
    let loaded = active.firstPlace(
      atLeast: (lastStride + 1) * bundles.neuronsPerStride, from: start)
    let end = wholeGroups(start..<loaded, active, bundles, group).upperBound
    let hits = fillBundles(load, active, start..<end, bundles, layer: layer)
    multiplyRows(weights, group, columns: 0..<hits)
    try finishLoading(group, isLast: end == active.count)
    multiplyRows(weights, group, columns: hits..<(end - start))
    activatePredicted(weights, group, active, sets, start..<end)
    addDown(bundles, group, active, start..<end)
    return end
  }

  /// Finds the rows of the places `range`: those in DRAM in the first columns, down columns in
  /// order. Returns how many are in DRAM.
  private func fillBundles(
    _ load: WindowLoad, _ active: ActiveSet, _ range: Range<Int>, _ bundles: BundleLayout,
    layer: Int
  ) -> Int {
    let scratch = core.scratch
    let rows = RowOffsets(bundles) {
      core.residency.frontOffset(ofPart: $0, neuron: $1, layer: layer)
    }
    var columns = 0
    var hits = 0
    for wanted in [true, false] {
      var stride = 0
      for place in range {
        let neuron = active[place]
        while unsafe Int(scratch.activeStrides[stride]) < neuron / bundles.neuronsPerStride {
          stride += 1
        }
        guard unsafe load.isHit[stride] == wanted else { continue }
        let index = place - range.lowerBound
        unsafe scratch.upColumns[index] = Int32(columns)
        unsafe note(load.addresses[stride], rows, neuron, column: columns, index: index)
        columns += 1
      }
      if wanted { hits = columns }
    }
    return hits
  }

  /// Notes where a neuron's rows are, given its stride's address.
  private func note(
    _ bundle: UnsafeRawPointer, _ rows: RowOffsets, _ neuron: Int, column: Int, index: Int
  ) {
    let scratch = core.scratch
    let inside = neuron % rows.neuronsPerStride
    unsafe scratch.rowAddresses[column] = bundle + rows.deciding + inside * rows.decidingDistance
    unsafe scratch.downAddresses[index] = bundle + rows.down + inside * rows.downDistance
    if core.configuration.isGated {
      unsafe scratch.upAddresses[column] = bundle + rows.up + inside * rows.upDistance
    }
  }

  /// Where a part of a neuron lies from its stride's first byte: in a slot, parts may lie as files
  /// of their own have them.
  private func offset(
    ofPart part: Int, neuron: Int, _ bundles: BundleLayout, layer: Int
  ) -> Int {
    core.residency.isWindowed
      ? core.residency.frontOffset(ofPart: part, neuron: neuron, layer: layer)
      : bundles.offset(ofPart: part, neuron: neuron)
  }

  /// Multiplies deciding rows into `scratch.deciding` and up rows into `scratch.neuronOutputs`,
  /// both by column of the load.
  private func multiplyRows(_ weights: LayerWeights, _ group: NeuronGroup, columns: Range<Int>) {
    let scratch = core.scratch
    let formats = weights.bundles.inputFormats
    unsafe multiply(
      formats.gate, rows: scratch.rowAddresses, columns, group, group.decidingInputs,
      into: scratch.deciding)
    guard core.configuration.isGated else { return }
    unsafe multiply(
      formats.up, rows: scratch.upAddresses, columns, group, group.upInputs,
      into: scratch.neuronOutputs)
  }

  /// Turns the products of the places `range` into outputs `scratch.deciding[t][place]`, zero where
  /// a token's own set lacks the neuron.
  private func activatePredicted(
    _ weights: LayerWeights, _ group: NeuronGroup, _ active: ActiveSet, _ sets: PredictedSets,
    _ range: Range<Int>
  ) {
    let scratch = core.scratch
    let decidingBias = unsafe core.bias(weights.decidingBias)
    let upBias = unsafe core.bias(weights.upBias)
    let isGated = core.configuration.isGated
    core.run(scratch.shape.threadCount) { part in
      let tokens = WorkerPool.split(
        count: group.tokenCount, parts: scratch.shape.threadCount, granularity: 1, index: part)
      let deciding = unsafe scratch.orderedProducts + 2 * part * scratch.shape.groupWidth
      let up = unsafe deciding + scratch.shape.groupWidth
      for token in tokens {
        let products = unsafe scratch.deciding + token * group.stride
        let upProducts = unsafe scratch.neuronOutputs + token * group.stride
        group.forEachRun(of: active, range) { run, places in
          for place in places {
            let neuron = active[place]
            let index = place - range.lowerBound
            let column = unsafe Int(scratch.upColumns[index])
            var value = unsafe products[column]
            if let decidingBias = unsafe decidingBias { unsafe value += decidingBias[neuron] }
            unsafe deciding[index] = sets.contains(neuron - run.shift, token: token) ? value : 0
            guard isGated else { continue }
            unsafe up[index] = upProducts[column] + (upBias.map { unsafe $0[neuron] } ?? 0)
          }
        }
        unsafe activate(
          deciding, up: up, range.count, into: products + range.lowerBound)
      }
    }
  }
}

/// Where the rows of a stride's neurons lie from its first byte, and how far apart.
private struct RowOffsets {
  let neuronsPerStride: Int
  let deciding: Int
  let decidingDistance: Int
  let down: Int
  let downDistance: Int
  /// Zero where there is no gate.
  let up: Int
  let upDistance: Int

  /// - Parameter offset: of a part and a neuron of the stride.
  init(_ bundles: BundleLayout, offset: (Int, Int) -> Int) {
    func distance(_ part: Int) -> Int { offset(part, 1) - offset(part, 0) }
    let last = bundles.parts.count - 1
    let downPart = bundles.part(.down)
    let isGated = bundles.parts.contains { $0.role == .gate }
    neuronsPerStride = bundles.neuronsPerStride
    deciding = offset(last, 0)
    decidingDistance = distance(last)
    down = offset(downPart, 0)
    downDistance = distance(downPart)
    up = isGated ? offset(bundles.part(.up), 0) : 0
    upDistance = isGated ? distance(bundles.part(.up)) : 0
  }
}
