import FlashIO
import FlashKernels
import FlashWeights

/// What experts that are there whole answer.
extension ExpertFeedForward {
  /// Rows multiplied at a time, gate and then up: those of a stride, which lie side by side.
  private static let rowsPerBlock = 64

  /// Adds what the first `count` experts of the group answer to `answers`. Of one token's as many
  /// as go round belong to a thread each, which reads them from end to end; all threads share the
  /// others.
  func compute(_ weights: LayerWeights, _ count: Int, tokenCount: Int) {
    let scratch = core.scratch
    let group = unsafe scratch.experts.group
    // An observer is shown what decides before it becomes outputs.
    let isAlone = tokenCount == 1 && core.observer == nil
    let aloneCount = isAlone ? count - count % core.pool.threadCount : 0
    if aloneCount > 0 {
      core.arithmetic = .experts
      core.run(aloneCount) { index in
        let next = index + core.pool.threadCount
        unsafe computeAlone(
          group[index], before: next < aloneCount ? group[next] : nil, weights, slot: index)
      }
    }
    if aloneCount < count {
      computeTogether(weights, aloneCount..<count, isOneToken: tokenCount == 1)
    }
    core.arithmetic = .gateUp
  }

  /// Computes one token's answer of an expert on this thread.
  ///
  /// While a block is computed the next one is brought into the second-level cache in the order in
  /// which it lies in DRAM, whatever the order of the arithmetic: bundles of 3.4 KB in thirds move
  /// at 22 GB/s on two cores of Zen 4, so at 29 to 35, where reading alone reaches 34 to 48.
  ///
  /// - Parameters:
  ///   - next: the expert that this thread probably computes afterwards.
  ///   - slot: its place in the group.
  private func computeAlone(
    _ work: ExpertWork, before next: ExpertWork?, _ weights: LayerWeights, slot: Int
  ) {
    let bundles = weights.bundles
    let count = bundles.neuronsPerExpert
    let format = bundles.parts[bundles.part(.down)].format
    let blockCount = bundles.stridesPerGroup * bundles.neuronsPerStride
    for first in stride(from: 0, to: count, by: blockCount) {
      let block = first..<min(first + blockCount, count)
      var ahead: BytesAhead?
      if block.upperBound < count {
        ahead = unsafe BytesAhead(work, bundles, neuron: block.upperBound, block.count)
      } else if let next = unsafe next {
        ahead = unsafe BytesAhead(next, bundles, neuron: 0, block.count)
      }
      unsafe multiply(work, weights, block, slot: slot, isOneToken: true, &ahead)
      unsafe addDecidingBias(work, weights, block)
      unsafe activate(work, weights, block)
      let (place, value) = unsafe (slot * count + first, work.firstRow * count + first)
      unsafe core.kernels.accumulate(
        format, width: bundles.width, columns: 0..<bundles.width,
        scatteredRows: core.scratch.downAddresses + place, rowCount: block.count,
        firstNeuron: first, coefficients: core.scratch.deciding + value, coefficientStride: count,
        tokenCount: 1,
        accumulators: core.scratch.experts.answers + work.firstPair * bundles.width,
        accumulatorStride: bundles.width, ahead: ahead?.take(bundles.part(.down)))
    }
  }

  /// Computes some experts of the group on all threads, which meet between up and down.
  private func computeTogether(_ weights: LayerWeights, _ places: Range<Int>, isOneToken: Bool) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let width = bundles.width
    let group = unsafe scratch.experts.group
    if !isOneToken { for index in places { unsafe gather(group[index].pairs) } }
    let neurons = bundles.neuronsPerExpert
    core.arithmetic = .gateUp
    core.split(places.count * neurons, granularity: 16) { range in
      for index in range.lowerBound / neurons...(range.upperBound - 1) / neurons {
        let part = range.clamped(to: index * neurons..<(index + 1) * neurons)
        let first = part.lowerBound - index * neurons
        unsafe multiply(
          group[places.lowerBound + index], weights, first..<first + part.count,
          slot: places.lowerBound + index, isOneToken: isOneToken)
      }
    }
    if let observer = core.observer {
      for index in places { unsafe show(group[index], weights, to: observer) }
    }
    core.arithmetic = .down
    let format = bundles.parts[bundles.part(.down)].format
    let granularity = core.kernels.columnGranularity(format, width: width)
    core.split(width, granularity: granularity) { columns in
      for index in places {
        let work = unsafe group[index]
        unsafe core.kernels.accumulate(
          format, width: width, columns: columns,
          scatteredRows: scratch.downAddresses + index * neurons, rowCount: neurons,
          coefficients: scratch.deciding + work.firstRow * neurons,
          coefficientStride: neurons, tokenCount: work.pairCount,
          accumulators: scratch.experts.answers + work.firstPair * width,
          accumulatorStride: width)
      }
    }
  }

  /// Copies the prepared states of an expert's tokens side by side.
  func gather(_ pairs: Range<Int>) {
    let scratch = core.scratch
    let stride = scratch.shape.activationByteCount
    core.split(pairs.count, granularity: 8) { part in
      for row in part {
        let token = unsafe Int(scratch.experts.tokenOfPair[pairs.lowerBound + row])
        unsafe (scratch.experts.gateInputs + row * stride).copyMemory(
          from: scratch.activations + token * stride, byteCount: stride)
        guard scratch.shape.hasMixedInputs else { continue }
        unsafe (scratch.experts.upInputs + row * stride).copyMemory(
          from: scratch.upActivations + token * stride, byteCount: stride)
      }
    }
  }

  /// Turns an expert's tokens into outputs of some of its neurons, in `deciding`, and notes where
  /// their down columns are.
  ///
  /// - Parameter slot: its place in the group.
  private func multiply(
    _ work: ExpertWork, _ weights: LayerWeights, _ neurons: Range<Int>, slot: Int,
    isOneToken: Bool
  ) {
    var ahead: BytesAhead?
    for first in stride(from: neurons.lowerBound, to: neurons.upperBound, by: Self.rowsPerBlock) {
      let block = first..<min(first + Self.rowsPerBlock, neurons.upperBound)
      unsafe multiply(work, weights, block, slot: slot, isOneToken: isOneToken, &ahead)
    }
    unsafe addDecidingBias(work, weights, neurons)
    // An observer is shown what decides before it becomes outputs.
    if core.observer == nil { unsafe activate(work, weights, neurons) }
  }

  /// Multiplies an expert's tokens with the gate rows of a block of its neurons, and then with the
  /// up rows.
  private func multiply(
    _ work: ExpertWork, _ weights: LayerWeights, _ block: Range<Int>, slot: Int,
    isOneToken: Bool, _ ahead: inout BytesAhead?
  ) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let perExpert = bundles.neuronsPerExpert
    let isMixed = scratch.shape.hasMixedInputs
    let gateInputs = unsafe isOneToken ? scratch.activations : scratch.experts.gateInputs
    let upInputs =
      unsafe isMixed ? (isOneToken ? scratch.upActivations : scratch.experts.upInputs) : gateInputs
    let piece = unsafe NeuronPiece(work, bundles)
    let place = slot * perExpert + block.lowerBound
    let inLayer = unsafe Int(work.expert) * perExpert + block.lowerBound
    let neurons = ActiveSet.all(inLayer..<inLayer + block.count)
    let (gate, up) = (bundles.parts.count - 1, bundles.part(.up))
    let rows = unsafe scratch.rowAddresses + place
    unsafe piece.fillAddresses(ofPart: gate, of: neurons, into: rows)
    unsafe piece.fillAddresses(
      ofPart: bundles.part(.down), of: neurons, into: scratch.downAddresses + place)
    unsafe multiply(
      bundles, gate, rows, block, gateInputs, work, into: scratch.deciding, ahead?.take(gate))
    guard core.family.isGated else { return }
    let upRows = unsafe scratch.upAddresses + place
    unsafe piece.fillAddresses(ofPart: up, of: neurons, into: upRows)
    unsafe multiply(
      bundles, up, upRows, block, upInputs, work, into: scratch.neuronOutputs, ahead?.take(up))
  }

  private func multiply(
    _ bundles: BundleLayout, _ part: Int, _ rows: UnsafePointer<UnsafeRawPointer>,
    _ block: Range<Int>, _ inputs: UnsafeRawPointer, _ work: ExpertWork,
    into output: UnsafeMutablePointer<Float>, _ ahead: UnsafeRawPointer?
  ) {
    let perExpert = bundles.neuronsPerExpert
    unsafe core.kernels.dot(
      bundles.parts[part].format, width: bundles.width, scatteredRows: rows,
      rowCount: block.count, activations: inputs,
      activationStride: core.scratch.shape.activationByteCount, tokenCount: work.pairCount,
      output: output + work.firstRow * perExpert + block.lowerBound, outputStride: perExpert,
      ahead: ahead)
  }

  private func addDecidingBias(
    _ work: ExpertWork, _ weights: LayerWeights, _ neurons: Range<Int>
  ) {
    let width = weights.bundles.neuronsPerExpert
    let gates = unsafe core.scratch.deciding + work.firstRow * width
    for row in 0..<(unsafe work.pairCount) {
      unsafe addBias(
        weights.decidingBias, from: Int(work.expert) * width + neurons.lowerBound,
        to: gates + row * width + neurons.lowerBound, neurons.count)
    }
  }

  /// Adds what biases `up` has and turns products into outputs, in `deciding`.
  func activate(_ work: ExpertWork, _ weights: LayerWeights, _ neurons: Range<Int>) {
    let width = weights.bundles.neuronsPerExpert
    let family = core.family
    let firstBias = unsafe Int(work.expert) * width + neurons.lowerBound
    for row in 0..<(unsafe work.pairCount) {
      let value = unsafe (work.firstRow + row) * width + neurons.lowerBound
      let gate = unsafe core.scratch.deciding + value
      let up = unsafe core.scratch.neuronOutputs + value
      guard family.isGated else {
        unsafe core.kernels.activate(
          family.activation, threshold: family.firingThreshold, gate, count: neurons.count)
        continue
      }
      unsafe addBias(weights.upBias, from: firstBias, to: up, neurons.count)
      unsafe core.kernels.activate(
        family.activation, threshold: family.firingThreshold, gate: gate, up: up,
        count: neurons.count, into: gate)
    }
  }

  private func addBias(
    _ bias: Int?, from first: Int, to values: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    guard let biases = unsafe core.bias(bias) else { return }
    unsafe core.kernels.add(biases + first, to: values, count: count)
  }

  /// Adds each token's answers, times their scores, in ascending order of experts, and then the
  /// shared expert's, to `output`.
  func addAnswers(
    _ weights: LayerWeights, tokenCount: Int, to output: UnsafeMutablePointer<Float>
  ) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let width = core.configuration.width
    let count = weights.router == nil ? 0 : scratch.shape.activeExpertCount
    let format = bundles.parts[bundles.part(.down)].format
    let threads = tokenCount == 1 ? 1 : core.pool.threadCount
    core.run(threads) { thread in
      let tokens = WorkerPool.split(
        count: tokenCount, parts: threads, granularity: 1, index: thread)
      let answer = unsafe scratch.experts.sums + 2 * thread * width
      let sum = unsafe answer + width
      for token in tokens where count > 0 {
        unsafe sum.update(repeating: 0, count: width)
        for choice in token * count..<(token + 1) * count {
          let pair = unsafe Int(scratch.experts.pairOfChoice[choice])
          unsafe answer.update(repeating: 0, count: width)
          unsafe core.kernels.addUnpacked(
            format, width: width, accumulator: scratch.experts.answers + pair * width, to: answer)
          unsafe addBias(
            weights.downBias, from: Int(scratch.experts.chosen[choice]) * width,
            to: answer, width)
          unsafe core.kernels.scale(answer, by: scratch.experts.scores[choice], count: width)
          unsafe core.kernels.add(answer, to: sum, count: width)
        }
        unsafe core.kernels.add(sum, to: output + token * width, count: width)
      }
      guard weights.sharedExpert != nil else { return }
      for token in tokens {
        unsafe core.kernels.add(
          scratch.accumulators + token * width, to: output + token * width, count: width)
      }
    }
  }
}

/// The bytes of a block of neurons of an expert, in the order in which they are brought closer.
@safe private struct BytesAhead {
  let piece: NeuronPiece
  /// The layer's neuron that is first, and how many bytes a part's rows are.
  let neuron: Int
  let count: Int
  private var taken = 0

  /// - Parameter neuron: the expert's neuron that is first.
  init(_ work: ExpertWork, _ bundles: BundleLayout, neuron: Int, _ count: Int) {
    unsafe piece = NeuronPiece(work, bundles)
    self.neuron = unsafe Int(work.expert) * bundles.neuronsPerExpert + neuron
    self.count = count
  }

  /// Where as many bytes as the block's rows of a part have are brought closer: those rows where
  /// parts lie apart, and otherwise what follows in the bundles, whatever part it is of.
  mutating func take(_ part: Int) -> UnsafeRawPointer {
    guard !piece.partsLieApart else {
      return unsafe piece.addressApart(ofPart: part, of: neuron)
    }
    defer { taken += count * piece.bundles.rowByteCount(ofPart: part) }
    return unsafe piece.strideAddress(of: neuron) + taken
  }
}

extension NeuronPiece {
  fileprivate init(_ work: ExpertWork, _ bundles: BundleLayout) {
    unsafe self.init(
      bundles: bundles, base: work.base, partsLieApart: work.partsLieApart,
      firstNeuron: work.firstNeuron)
  }
}
