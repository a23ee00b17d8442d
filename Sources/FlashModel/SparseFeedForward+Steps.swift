import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The steps of a feed-forward piece, each over all tokens of the chunk.
///
/// `scratch.deciding` first holds pre-activations by neuron and then outputs by place in the active
/// set: a place is never behind its neuron, so outputs are written over what was already used.
extension SparseFeedForward {
  /// Multiplies the deciding rows at `scratch.rowAddresses` into `deciding[t][0..<count]`.
  func decide(_ weights: LayerWeights, first: Int, count: Int, tokenCount: Int) {
    let scratch = core.scratch
    let parts = weights.bundles.parts
    let part = parts[parts.count - 1]
    if first == 0 || parts.contains(where: { $0.format != part.format }) {
      prepareNormed(part.format, tokenCount: tokenCount)
    }
    unsafe multiply(
      part.format, rows: scratch.rowAddresses, count: count, tokenCount: tokenCount,
      into: scratch.deciding)
    unsafe addDecidingBias(
      weights, first: first, count: count, tokenCount: tokenCount, to: scratch.deciding)
  }

  /// Adds the bias of `count` neurons from `first` on to `values[t][0..<count]`.
  func addDecidingBias(
    _ weights: LayerWeights, first: Int, count: Int, tokenCount: Int,
    to values: UnsafeMutablePointer<Float>
  ) {
    guard let bias = weights.decidingBias else { return }
    let biases = unsafe core.residency.address(ofTensor: bias).assumingMemoryBound(to: Float.self)
    for token in 0..<tokenCount {
      unsafe core.kernels.add(
        biases + first, to: values + token * core.scratch.shape.feedForwardWidth, count: count)
    }
  }

  /// The neurons of a piece that are computed, counted from the piece's first: those that fire, in
  /// `exact` and where a meter wants to know.
  func activeSet(count: Int, tokenCount: Int) -> ActiveSet {
    guard mode == .exact || meter != nil && core.family.activation.isSparse else {
      core.neuronCount += count
      return .all(count)
    }
    let active = firing(0..<count, tokenCount: tokenCount, after: 0)
    core.neuronCount += active
    return unsafe ActiveSet(neurons: core.scratch.activeNeurons, count: active)
  }

  /// Writes the neurons of a range that fire for some token behind the first `active` of
  /// `scratch.activeNeurons`; returns how many those are then.
  func firing(_ neurons: Range<Int>, tokenCount: Int, after active: Int) -> Int {
    let values = unsafe core.scratch.deciding
    let found = unsafe core.scratch.activeNeurons
    let threshold = core.family.firingThreshold
    let stride = core.scratch.shape.feedForwardWidth
    var active = active
    if tokenCount == 1 {
      // Written always and kept sometimes: one in twelve fires, which no branch predictor learns.
      for neuron in neurons {
        unsafe found[active] = Int32(truncatingIfNeeded: neuron)
        active &+= unsafe values[neuron] > threshold ? 1 : 0
      }
      return active
    }
    for neuron in neurons {
      for token in 0..<tokenCount where unsafe values[token * stride + neuron] > threshold {
        unsafe found[active] = Int32(neuron)
        active += 1
        break
      }
    }
    return active
  }

  /// Multiplies the up rows at `scratch.rowAddresses[columns]` into the same columns of
  /// `scratch.neuronOutputs`.
  func multiplyUp(_ weights: LayerWeights, columns: Range<Int>, tokenCount: Int) {
    guard !columns.isEmpty else { return }
    let scratch = core.scratch
    let parts = weights.bundles.parts
    let format = parts[weights.bundles.part(.up)].format
    if format != parts[parts.count - 1].format {
      prepareNormed(format, tokenCount: tokenCount)
    }
    unsafe multiply(
      format, rows: scratch.rowAddresses + columns.lowerBound, count: columns.count,
      tokenCount: tokenCount, into: scratch.neuronOutputs + columns.lowerBound)
  }

  /// Turns pre-activations of the places `range` into the neurons' outputs.
  ///
  /// - Parameter columns: for each place, counted from the range's first, the column of its up
  ///   product; nil where they are in order.
  func activate(
    _ weights: LayerWeights, _ active: ActiveSet, first: Int, _ range: Range<Int>,
    columns: UnsafePointer<Int32>?, tokenCount: Int
  ) {
    let scratch = core.scratch
    let stride = scratch.shape.feedForwardWidth
    let upBias = unsafe weights.upBias.map {
      unsafe core.residency.address(ofTensor: $0).assumingMemoryBound(to: Float.self) + first
    }
    // Cut by places, so that one token uses all threads; moving a value to its place in the set
    // crosses the cuts, so that is done before.
    for token in 0..<tokenCount where !active.isAll {
      let values = unsafe scratch.deciding + token * stride
      for place in range { unsafe values[place] = values[active[place]] }
    }
    core.split(range.count, granularity: 64) { part in
      for token in 0..<tokenCount {
        let values = unsafe scratch.deciding + token * stride + range.lowerBound
        var up = unsafe scratch.neuronOutputs + token * stride
        if let columns = unsafe columns {
          for index in part {
            unsafe scratch.orderedUp[index] = up[Int(columns[index])]
          }
          unsafe up = scratch.orderedUp
        }
        if let upBias = unsafe upBias {
          for index in part { unsafe up[index] += upBias[active[range.lowerBound + index]] }
        }
        let outputs = unsafe values + part.lowerBound
        unsafe activate(outputs, up: up + part.lowerBound, part.count, into: outputs)
      }
    }
  }

  /// Turns pre-activations, and with a gate up products, into outputs.
  func activate(
    _ values: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, _ count: Int,
    into outputs: UnsafeMutablePointer<Float>
  ) {
    let family = core.family
    guard family.isGated else {
      unsafe core.kernels.activate(
        family.activation, threshold: family.firingThreshold, values, count: count)
      if unsafe outputs != values { unsafe outputs.update(from: values, count: count) }
      return
    }
    unsafe core.kernels.activate(
      family.activation, threshold: family.firingThreshold, gate: values, up: up, count: count,
      into: outputs)
  }

  /// Adds the down columns at `scratch.downAddresses`, weighted by the outputs of the places
  /// `range`, in neuron order; threads take columns, so every sum is one chain.
  ///
  /// - Parameter first: the layer's neuron that `active` counts from.
  /// - Precondition: the places are whole groups of neurons (`RowFormat.neuronsPerGroup`).
  func addDown(
    _ bundles: BundleLayout, _ active: ActiveSet, first: Int, _ range: Range<Int>, tokenCount: Int
  ) {
    core.arithmetic = .down
    defer { core.arithmetic = .gateUp }
    let scratch = core.scratch
    let format = bundles.parts[bundles.part(.down)].format
    let granularity = core.kernels.columnGranularity(format, width: bundles.width)
    core.split(bundles.width, granularity: granularity) { columns in
      unsafe core.kernels.accumulate(
        format, width: bundles.width, columns: columns, scatteredRows: scratch.downAddresses,
        rowCount: range.count, firstNeuron: first + (active.isAll ? range.lowerBound : 0),
        neurons: active.neurons.map { unsafe $0 + range.lowerBound },
        coefficients: scratch.deciding + range.lowerBound,
        coefficientStride: scratch.shape.feedForwardWidth, tokenCount: tokenCount,
        accumulators: scratch.accumulators, accumulatorStride: bundles.width)
    }
  }

  /// Puts the sums back into plain order and adds them, and the bias, to `output[t]`.
  func addSums(
    _ weights: LayerWeights, tokenCount: Int, to output: UnsafeMutablePointer<Float>
  ) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let format = bundles.parts[bundles.part(.down)].format
    let bias = unsafe weights.downBias.map {
      unsafe core.residency.address(ofTensor: $0).assumingMemoryBound(to: Float.self)
    }
    for token in 0..<tokenCount {
      let row = unsafe output + token * bundles.width
      unsafe core.kernels.addUnpacked(
        format, width: bundles.width,
        accumulator: scratch.accumulators + token * bundles.width, to: row)
      if let bias = unsafe bias {
        unsafe core.kernels.add(bias, to: row, count: bundles.width)
      }
    }
  }

  func prepareNormed(_ format: RowFormat, tokenCount: Int) {
    unsafe core.prepareActivations(
      core.scratch.normed, width: core.configuration.width, tokenCount: tokenCount,
      format: format)
  }

  func multiply(
    _ format: RowFormat, rows: UnsafePointer<UnsafeRawPointer>, count: Int, tokenCount: Int,
    into output: UnsafeMutablePointer<Float>
  ) {
    let shape = core.scratch.shape
    core.split(count) { part in
      unsafe core.kernels.dot(
        format, width: shape.width, scatteredRows: rows + part.lowerBound, rowCount: part.count,
        activations: core.scratch.activations, activationStride: shape.activationByteCount,
        tokenCount: tokenCount, output: output + part.lowerBound,
        outputStride: shape.feedForwardWidth)
    }
  }
}
