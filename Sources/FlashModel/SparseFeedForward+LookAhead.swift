import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// Guesses of what the next layer will want, made where this layer would wait for its reads.
///
/// The residual stream changes little from layer to layer, so the next layer's deciding rows times
/// this layer's normed state tell which of its neurons probably fire; where neurons are predicted,
/// its predictor tells. The answer never depends on a guess: it only says what is read early.
extension SparseFeedForward {
  /// Rows multiplied between two looks at the device, for each thread: some ten microseconds.
  private static let rowsPerLook = 64

  /// Waits for the load under way. What would be a wait goes to guessing the next layer, whose
  /// reads begin when the last demand is in DRAM.
  ///
  /// - Parameter isLast: whether the group wants nothing of the layer after it.
  func finishLoading(_ group: NeuronGroup, isLast: Bool) throws(ReadFailure) {
    let looksAhead = isLast && group.isWholeToken && core.residency.looksAhead
    let guessCount = looksAhead ? try guess(after: group) : 0
    try core.residency.finishLoading()
    if guessCount > 0 { core.lookingAhead { lookAhead(after: group, guessCount: guessCount) } }
  }

  private func guess(after group: NeuronGroup) throws(ReadFailure) -> Int {
    try core.lookingAhead { () throws(ReadFailure) in
      guard let predictor else { return try guessNext(after: group) }
      return try predictNext(predictor, after: group)
    }
  }

  /// Multiplies deciding rows of the next layer until this layer's reads came back, and ranks the
  /// strides that probably fire and are not in DRAM into `scratch.guessedStrides`, the likeliest
  /// first. Returns how many there are.
  private func guessNext(after group: NeuronGroup) throws(ReadFailure) -> Int {
    guard let next = try guessedGroup(after: group) else { return 0 }
    let bundles = layers[next.layer].bundles
    // The prepared state is for this layer's rows.
    guard bundles.inputFormats.gate == layers[group.layer].bundles.inputFormats.gate else {
      return 0
    }
    let step = Self.rowsPerLook * core.pool.threadCount * bundles.neuronsPerStride
    var done = 0
    while done < next.neuronCount, !core.residency.isLoadComplete {
      let columns = done..<min(done + step, next.neuronCount)
      let parts = core.pool.threadCount
      // Not on the core, which would count it as arithmetic: it is no part of the answer.
      core.pool.run(parts) { part in
        let range = WorkerPool.split(
          count: columns.count, parts: parts, granularity: 16, index: part)
        unsafe multiplyResident(
          bundles, next,
          columns.lowerBound + range.lowerBound..<columns.lowerBound + range.upperBound,
          into: core.scratch.guesses)
      }
      done = columns.upperBound
    }
    return rank(bundles, next, columnCount: done)
  }

  /// The same by the next layer's predictor, all at once; nothing where the reads are back already.
  private func predictNext(
    _ predictor: SparsityPredictor, after group: NeuronGroup
  ) throws(ReadFailure) -> Int {
    guard !core.residency.isLoadComplete, let next = try guessedGroup(after: group),
      predictor.guess(next, core: core)
    else { return 0 }
    return rank(layers[next.layer].bundles, next, columnCount: next.neuronCount)
  }

  /// The neurons of the next layer that may fire: all, or those of the experts that its router
  /// would choose; nil where there are none.
  private func guessedGroup(after group: NeuronGroup) throws(ReadFailure) -> NeuronGroup? {
    let layer = group.layer + 1
    guard layer < layers.count, layers[layer].bundles.neuronCount > 0 else { return nil }
    let bundles = layers[layer].bundles
    let experts = try unsafe ExpertRouter(core: core).guess(layers[layer])
    let runs = unsafe core.scratch.guessedRuns
    let count = bundles.neuronsPerExpert
    for index in 0..<max(1, experts) {
      let expert = experts == 0 ? 0 : unsafe Int(core.scratch.experts.guesses[index])
      unsafe runs[index] = NeuronRun(
        first: expert * count, count: count, column: index * count,
        accumulators: core.scratch.accumulators)
    }
    return unsafe group.with(layer: layer, runs: UnsafePointer(runs), runCount: max(1, experts))
  }

  /// Begins to read what was guessed.
  private func lookAhead(after group: NeuronGroup, guessCount: Int) {
    unsafe core.residency.lookAhead(
      layer: group.layer + 1,
      strides: UnsafeBufferPointer(start: core.scratch.guessedStrides, count: guessCount))
  }

  /// Ranks the strides of the first `columnCount` columns by their largest guess that would fire;
  /// what fires below zero, by a threshold, is too near to not firing to be guessed.
  private func rank(_ bundles: BundleLayout, _ group: NeuronGroup, columnCount: Int) -> Int {
    var count = 0
    group.forEachRun(inColumns: 0..<columnCount) { run, columns in
      rank(bundles, layer: group.layer, run, columns, &count)
    }
    return count
  }

  private func rank(
    _ bundles: BundleLayout, layer: Int, _ run: NeuronRun, _ columns: Range<Int>,
    _ count: inout Int
  ) {
    let guesses = unsafe core.scratch.guesses
    let strides = unsafe core.scratch.guessedStrides
    let values = unsafe core.scratch.guessedValues
    let perStride = bundles.neuronsPerStride
    let least = mode == .threshold ? self.bounds[layer].bound : 0
    var first = columns.lowerBound
    while first < columns.upperBound {
      let stride = (first + run.shift) / perStride
      let end = min(columns.upperBound, first + perStride)
      var value = unsafe guesses[first]
      for column in first + 1..<max(end, first + 1) { value = unsafe max(value, guesses[column]) }
      first = end
      let isFull = count == DecoderScratch.guessCapacity
      guard value > least, unsafe !isFull || value > values[count - 1],
        !core.residency.holds(layer: layer, stride: stride)
      else { continue }
      var place = isFull ? count - 1 : count
      while place > 0, unsafe values[place - 1] < value {
        unsafe values[place] = unsafe values[place - 1]
        unsafe strides[place] = unsafe strides[place - 1]
        place -= 1
      }
      unsafe values[place] = value
      unsafe strides[place] = Int32(stride)
      if !isFull { count += 1 }
    }
  }
}
