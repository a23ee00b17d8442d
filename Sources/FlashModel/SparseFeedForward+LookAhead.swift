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

  /// Multiplies deciding rows of the next layer until this layer's reads came back, and ranks the
  /// strides that probably fire and are not in DRAM into `scratch.guessedStrides`, the likeliest
  /// first. Returns how many there are.
  func guessNext(after layer: Int) -> Int {
    let bundles = core.residency.manifest.bundles
    guard layer + 1 < bundles.count else { return 0 }
    let next = bundles[layer + 1]
    let format = next.parts[next.parts.count - 1].format
    // The prepared activation is this layer's, for its up rows.
    guard bundles[layer].parts.allSatisfy({ $0.format == format }) else { return 0 }
    let scratch = core.scratch
    let rowByteCount = next.lastPartByteCount
    let rows = unsafe core.residency.decidingRows(ofLayer: layer + 1)
    let step = Self.rowsPerLook * core.pool.threadCount * next.neuronsPerStride
    var done = 0
    while done < next.neuronCount, !core.residency.isLoadComplete {
      let neurons = done..<min(done + step, next.neuronCount)
      let parts = core.pool.threadCount
      // Not on the core, which would count it as arithmetic: it is no part of the answer.
      core.pool.run(parts) { part in
        let range = WorkerPool.split(
          count: neurons.count, parts: parts, granularity: 16, index: part)
        guard !range.isEmpty else { return }
        let first = neurons.lowerBound + range.lowerBound
        unsafe core.kernels.dot(
          format, width: next.width, rows: rows + first * rowByteCount, rowStride: rowByteCount,
          rowCount: range.count, activations: scratch.activations,
          activationStride: scratch.shape.activationByteCount, tokenCount: 1,
          output: scratch.guesses + first, outputStride: scratch.shape.feedForwardWidth)
      }
      done = neurons.upperBound
    }
    return rank(next, layer: layer + 1, neuronCount: done)
  }

  /// The same by the next layer's predictor, all at once; nothing where the reads are back already.
  func predictNext(_ predictor: SparsityPredictor, after layer: Int) -> Int {
    let bundles = core.residency.manifest.bundles
    guard layer + 1 < bundles.count, !core.residency.isLoadComplete,
      predictor.guess(layer: layer + 1, core: core)
    else { return 0 }
    return rank(bundles[layer + 1], layer: layer + 1, neuronCount: bundles[layer + 1].neuronCount)
  }

  /// Begins to read what was guessed.
  func lookAhead(after layer: Int, guessCount: Int) {
    unsafe core.residency.lookAhead(
      layer: layer + 1,
      strides: UnsafeBufferPointer(start: core.scratch.guessedStrides, count: guessCount))
  }

  /// Ranks the strides of the first `neuronCount` neurons by their largest guess above zero.
  private func rank(_ bundles: BundleLayout, layer: Int, neuronCount: Int) -> Int {
    let guesses = unsafe core.scratch.guesses
    let strides = unsafe core.scratch.guessedStrides
    let values = unsafe core.scratch.guessedValues
    let perStride = bundles.neuronsPerStride
    var count = 0
    var first = 0
    while first < neuronCount {
      let stride = first / perStride
      let end = min(neuronCount, first + perStride)
      var value = unsafe guesses[first]
      for neuron in first + 1..<max(end, first + 1) { value = unsafe max(value, guesses[neuron]) }
      first = end
      let isFull = count == DecoderScratch.guessCapacity
      guard value > 0, unsafe !isFull || value > values[count - 1],
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
    return count
  }
}
