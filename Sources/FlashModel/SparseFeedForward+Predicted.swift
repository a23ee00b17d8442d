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
  /// Adds what is predicted to `scratch.accumulators`.
  func forwardPredicted(
    _ predictor: SparsityPredictor, _ weights: LayerWeights, layer: Int, tokenCount: Int
  ) throws(ReadFailure) {
    let bundles = weights.bundles
    let sets = core.predicting {
      predictor.activeNeurons(
        layer: layer, neuronCount: bundles.neuronCount, tokenCount: tokenCount, core: core)
    }
    if computesResidentGates {
      nameResident(weights, layer: layer, sets, tokenCount: tokenCount)
    }
    let active = unsafe sets.union(
      tokenCount: tokenCount, count: bundles.neuronCount, into: core.scratch.activeNeurons)
    meter?.record(active, first: 0, layer: layer)
    trace(active, first: 0, bundles, layer: layer)
    core.neuronCount += active.count
    guard core.residency.isWindowed else {
      return try addInOrder(weights, layer: layer, active, sets, tokenCount: tokenCount)
    }
    var done = 0
    while done < active.count {
      done = try loadAndAdd(
        predictor, weights, layer: layer, active, sets, from: done, tokenCount: tokenCount)
    }
  }

  /// Adds to each token's set the neurons whose bundles happen to be in DRAM and whose gates are
  /// positive for it: the one thing here that depends on the cache.
  private func nameResident(
    _ weights: LayerWeights, layer: Int, _ sets: PredictedSets, tokenCount: Int
  ) {
    guard sets.isSelective else { return }
    let bundles = weights.bundles
    let scratch = core.scratch
    let part = bundles.parts.count - 1
    let gate = offset(ofPart: part, neuron: 0, bundles, layer: layer)
    let distance = offset(ofPart: part, neuron: 1, bundles, layer: layer) - gate
    var count = 0
    unsafe core.residency.forEachResidentStride(ofLayer: layer) { stride, base in
      let first = stride * bundles.neuronsPerStride
      for neuron in first..<min(first + bundles.neuronsPerStride, bundles.neuronCount) {
        let tokens = 0..<tokenCount
        if tokens.allSatisfy({ sets.contains(neuron, token: $0) }) { continue }
        unsafe scratch.activeNeurons[count] = Int32(neuron)
        unsafe scratch.rowAddresses[count] = base + gate + (neuron - first) * distance
        count += 1
      }
    }
    let format = bundles.parts[bundles.parts.count - 1].format
    prepareNormed(format, tokenCount: tokenCount)
    unsafe multiply(
      format, rows: scratch.rowAddresses, count: count, tokenCount: tokenCount,
      into: scratch.deciding)
    let bias = unsafe bias(weights.decidingBias)
    let threshold = core.family.firingThreshold
    for token in 0..<tokenCount {
      let gates = unsafe scratch.deciding + token * scratch.shape.feedForwardWidth
      for index in 0..<count {
        let neuron = unsafe Int(scratch.activeNeurons[index])
        let gate = unsafe gates[index] + (bias.map { unsafe $0[neuron] } ?? 0)
        if gate > threshold { sets.insert(neuron, token: token) }
      }
    }
  }

  /// All bundles are resident.
  private func addInOrder(
    _ weights: LayerWeights, layer: Int, _ active: ActiveSet, _ sets: PredictedSets,
    tokenCount: Int
  ) throws(ReadFailure) {
    let bundles = weights.bundles
    let scratch = core.scratch
    try unsafe core.residency.withStrides(ofLayer: layer) { strides, base, partsLieApart in
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
      multiplyRows(weights, columns: 0..<range.count, tokenCount: tokenCount)
      activatePredicted(weights, active, sets, range, tokenCount: tokenCount)
      addDown(bundles, active, first: 0, range, tokenCount: tokenCount)
    }
  }

  /// Loads as many of the active neurons as there is room for, computing those that are in DRAM
  /// while the others fly, and adds them. Returns the place of the first one that is left.
  private func loadAndAdd(
    _ predictor: SparsityPredictor, _ weights: LayerWeights, layer: Int, _ active: ActiveSet,
    _ sets: PredictedSets, from start: Int, tokenCount: Int
  ) throws(ReadFailure) -> Int {
    let bundles = weights.bundles
    let strides = unsafe core.scratch.activeStrides
    let strideCount = unsafe active.collectStrides(
      from: start, neuronsPerStride: bundles.neuronsPerStride, into: strides)
    let load = try unsafe core.residency.beginLoading(
      layer: layer, strides: UnsafeBufferPointer(start: strides, count: strideCount), isAll: true)
    let lastStride = unsafe Int(strides[load.strideCount - 1])
    let loaded = active.firstPlace(
      atLeast: (lastStride + 1) * bundles.neuronsPerStride, from: start)
    let end = wholeGroups(start..<loaded, active, bundles).upperBound
    let hits = fillBundles(load, active, start..<end, bundles, layer: layer)
    multiplyRows(weights, columns: 0..<hits, tokenCount: tokenCount)
    let looksAhead = core.residency.looksAhead && tokenCount == 1 && end == active.count
    let guessCount =
      looksAhead ? core.lookingAhead { predictNext(predictor, after: layer) } : 0
    try core.residency.finishLoading()
    if guessCount > 0 { core.lookingAhead { lookAhead(after: layer, guessCount: guessCount) } }
    multiplyRows(weights, columns: hits..<(end - start), tokenCount: tokenCount)
    activatePredicted(weights, active, sets, start..<end, tokenCount: tokenCount)
    addDown(bundles, active, first: 0, start..<end, tokenCount: tokenCount)
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
  /// both by column.
  private func multiplyRows(_ weights: LayerWeights, columns: Range<Int>, tokenCount: Int) {
    guard !columns.isEmpty else { return }
    let scratch = core.scratch
    let parts = weights.bundles.parts
    let deciding = parts[parts.count - 1].format
    prepareNormed(deciding, tokenCount: tokenCount)
    unsafe multiply(
      deciding, rows: scratch.rowAddresses + columns.lowerBound, count: columns.count,
      tokenCount: tokenCount, into: scratch.deciding + columns.lowerBound)
    guard core.configuration.isGated else { return }
    let up = parts[weights.bundles.part(.up)].format
    if up != deciding { prepareNormed(up, tokenCount: tokenCount) }
    unsafe multiply(
      up, rows: scratch.upAddresses + columns.lowerBound, count: columns.count,
      tokenCount: tokenCount, into: scratch.neuronOutputs + columns.lowerBound)
  }

  /// Turns the products of the places `range` into outputs `scratch.deciding[t][place]`, zero where
  /// a token's own set lacks the neuron.
  private func activatePredicted(
    _ weights: LayerWeights, _ active: ActiveSet, _ sets: PredictedSets, _ range: Range<Int>,
    tokenCount: Int
  ) {
    let scratch = core.scratch
    let stride = scratch.shape.feedForwardWidth
    let decidingBias = unsafe bias(weights.decidingBias)
    let upBias = unsafe bias(weights.upBias)
    let isGated = core.configuration.isGated
    core.run(scratch.shape.threadCount) { part in
      let tokens = WorkerPool.split(
        count: tokenCount, parts: scratch.shape.threadCount, granularity: 1, index: part)
      let deciding = unsafe scratch.orderedProducts + 2 * part * stride
      let up = unsafe deciding + stride
      for token in tokens {
        let products = unsafe scratch.deciding + token * stride
        let upProducts = unsafe scratch.neuronOutputs + token * stride
        for index in 0..<range.count {
          let neuron = active[range.lowerBound + index]
          let column = unsafe Int(scratch.upColumns[index])
          var value = unsafe products[column]
          if let decidingBias = unsafe decidingBias { unsafe value += decidingBias[neuron] }
          unsafe deciding[index] = sets.contains(neuron, token: token) ? value : 0
          guard isGated else { continue }
          unsafe up[index] = upProducts[column] + (upBias.map { unsafe $0[neuron] } ?? 0)
        }
        unsafe activate(
          deciding, up: up, range.count, into: products + range.lowerBound)
      }
    }
  }

  private func bias(_ tensor: Int?) -> UnsafePointer<Float>? {
    unsafe tensor.map {
      unsafe core.residency.address(ofTensor: $0).assumingMemoryBound(to: Float.self)
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
