import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The steps of a feed-forward piece, each over all tokens of the group.
///
/// `scratch.deciding` first holds pre-activations by column and then outputs by place in the active
/// set: a place is never behind its column, so outputs are written over what was already used.
extension SparseFeedForward {
  /// Multiplies the deciding rows at `scratch.rowAddresses` into the group's columns of
  /// `scratch.deciding`.
  func decide(_ weights: LayerWeights, _ group: NeuronGroup) {
    let scratch = core.scratch
    let columns = 0..<group.neuronCount
    unsafe multiply(
      weights.bundles.inputFormats.gate, rows: scratch.rowAddresses, columns, group,
      group.decidingInputs, into: scratch.deciding)
    group.forEachRun(inColumns: columns) { run, columns in
      addDecidingBias(weights, group, run, columns)
    }
    observeDecision(group)
  }

  /// Adds the bias of a run's neurons to their columns of `scratch.deciding`.
  func addDecidingBias(
    _ weights: LayerWeights, _ group: NeuronGroup, _ run: NeuronRun, _ columns: Range<Int>
  ) {
    guard let bias = unsafe core.bias(weights.decidingBias) else { return }
    for token in 0..<group.tokenCount {
      unsafe core.kernels.add(
        bias + columns.lowerBound + run.shift,
        to: core.scratch.deciding + token * group.stride + columns.lowerBound,
        count: columns.count)
    }
  }

  /// The neurons that are computed: those that fire, in `exact` and `threshold` and where a meter
  /// wants to know.
  func activeSet(_ group: NeuronGroup) -> ActiveSet {
    let isSelective = mode != .dense || meter != nil && core.family.activation.isSparse
    if !isSelective, group.runCount == 1 { return unsafe .all(group.runs[0].neurons) }
    var count = 0
    group.forEachRun(inColumns: 0..<group.neuronCount) { run, columns in
      count = firing(run, columns, group, after: count)
    }
    return unsafe ActiveSet(neurons: core.scratch.activeNeurons, count: count)
  }

  /// Writes the neurons of some columns of a run that fire for some token behind the first `active`
  /// of `scratch.activeNeurons`; returns how many those are then.
  func firing(
    _ run: NeuronRun, _ columns: Range<Int>, _ group: NeuronGroup, after active: Int
  ) -> Int {
    let values = unsafe core.scratch.deciding
    let found = unsafe core.scratch.activeNeurons
    let bounds = bounds[group.layer]
    let shift = run.shift
    var active = active
    if group.tokenCount == 1 {
      // Written always and kept sometimes: one in twelve fires, which no branch predictor learns.
      // Without a dip there is one comparison less.
      if bounds.hasDip {
        for column in columns {
          unsafe found[active] = Int32(truncatingIfNeeded: column &+ shift)
          active &+= unsafe bounds.fires(values[column]) ? 1 : 0
        }
      } else {
        for column in columns {
          unsafe found[active] = Int32(truncatingIfNeeded: column &+ shift)
          active &+= unsafe values[column] <= bounds.bound ? 0 : 1
        }
      }
      return active
    }
    for column in columns {
      for token in 0..<group.tokenCount
      where unsafe bounds.fires(values[token * group.stride + column]) {
        unsafe found[active] = Int32(column + shift)
        active += 1
        break
      }
    }
    return active
  }

  /// Multiplies the up rows at `scratch.rowAddresses[columns]` into the same columns of
  /// `scratch.neuronOutputs`.
  func multiplyUp(_ weights: LayerWeights, _ group: NeuronGroup, columns: Range<Int>) {
    unsafe multiply(
      weights.bundles.inputFormats.up, rows: core.scratch.rowAddresses, columns, group,
      group.upInputs, into: core.scratch.neuronOutputs)
  }

  /// Turns pre-activations of the places `range` into the neurons' outputs.
  ///
  /// - Parameter columns: for each place, counted from the range's first, the column of its up
  ///   product; nil where they are in order.
  func activate(
    _ weights: LayerWeights, _ group: NeuronGroup, _ active: ActiveSet, _ range: Range<Int>,
    columns: UnsafePointer<Int32>?
  ) {
    let scratch = core.scratch
    let upBias = unsafe core.bias(weights.upBias)
    // Of a single token all that is computed fires.
    let bounds = mode == .threshold && group.tokenCount > 1 ? bounds[group.layer] : nil
    // Cut by places, so that one token uses all threads; moving a value to its place in the set
    // crosses the cuts, so that is done before.
    if !active.isAll { moveToPlaces(group, active, range) }
    core.split(range.count, granularity: 64) { part in
      for token in 0..<group.tokenCount {
        let values = unsafe scratch.deciding + token * group.stride + range.lowerBound
        var up = unsafe scratch.neuronOutputs + token * group.stride
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
        unsafe up += part.lowerBound
        if let bounds { unsafe silence(outputs, up: up, part.count, bounds) }
        unsafe activate(outputs, up: up, part.count, into: outputs)
      }
    }
  }

  /// Makes zero what does not fire, and its up product, which may be infinite: every smooth
  /// activation then makes zero of it.
  private func silence(
    _ values: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, _ count: Int,
    _ bounds: FiringBounds
  ) {
    for index in 0..<count where unsafe !bounds.fires(values[index]) {
      unsafe values[index] = 0
      unsafe up[index] = 0
    }
  }

  /// Moves pre-activations from their columns to the places `range`, which are never behind them.
  private func moveToPlaces(_ group: NeuronGroup, _ active: ActiveSet, _ range: Range<Int>) {
    group.forEachRun(of: active, range) { run, places in
      let shift = run.shift
      for token in 0..<group.tokenCount {
        let values = unsafe core.scratch.deciding + token * group.stride
        for place in places { unsafe values[place] = values[active[place] - shift] }
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
  /// `range`, in neuron order to the runs' accumulators; threads take columns, so every sum is one
  /// chain.
  ///
  /// - Precondition: the places are whole groups of neurons (`RowFormat.neuronsPerGroup`), counted
  ///   from each run's first.
  func addDown(
    _ bundles: BundleLayout, _ group: NeuronGroup, _ active: ActiveSet, _ range: Range<Int>
  ) {
    core.arithmetic = .down
    defer { core.arithmetic = .gateUp }
    let scratch = core.scratch
    let format = bundles.parts[bundles.part(.down)].format
    let granularity = core.kernels.columnGranularity(format, width: bundles.width)
    core.split(bundles.width, granularity: granularity) { columns in
      group.forEachRun(of: active, range) { run, places in
        unsafe core.kernels.accumulate(
          format, width: bundles.width, columns: columns,
          scatteredRows: scratch.downAddresses + places.lowerBound - range.lowerBound,
          rowCount: places.count,
          firstNeuron: (active.isAll ? active[places.lowerBound] : 0) - run.first,
          neurons: active.address(ofPlace: places.lowerBound),
          coefficients: scratch.deciding + places.lowerBound, coefficientStride: group.stride,
          tokenCount: group.tokenCount, accumulators: run.accumulators,
          accumulatorStride: bundles.width)
      }
    }
  }

  /// Puts the sums back into plain order and adds them, and the bias, to `output[t]`.
  func addSums(
    _ weights: LayerWeights, tokenCount: Int, to output: UnsafeMutablePointer<Float>
  ) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let format = bundles.parts[bundles.part(.down)].format
    let bias = unsafe core.bias(weights.downBias)
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

  /// Multiplies the rows at `rows[columns]` with the group's inputs into the same columns of
  /// `output`.
  func multiply(
    _ format: RowFormat, rows: UnsafePointer<UnsafeRawPointer>, _ columns: Range<Int>,
    _ group: NeuronGroup, _ inputs: UnsafeRawPointer, into output: UnsafeMutablePointer<Float>
  ) {
    guard !columns.isEmpty else { return }
    let shape = core.scratch.shape
    core.split(columns.count) { part in
      let first = columns.lowerBound + part.lowerBound
      unsafe core.kernels.dot(
        format, width: shape.width, scatteredRows: rows + first, rowCount: part.count,
        activations: inputs, activationStride: shape.activationByteCount,
        tokenCount: group.tokenCount, output: output + first, outputStride: group.stride)
    }
  }
}
