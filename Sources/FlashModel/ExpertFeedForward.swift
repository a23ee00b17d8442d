import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The feed-forward part of a layer with experts: the router's choice of them, one that every token
/// uses, or both.
///
/// An expert's answer is one chain of operations of its own, and a token's sum is of its experts'
/// answers, each times its score, in ascending order, and then the shared one's: so experts may be
/// computed in any order, those in DRAM first, and the answer does not depend on where they were.
/// In `dense` experts are brought in whole; where neurons are left out, as a layer's are.
struct ExpertFeedForward {
  let core: DecoderCore
  /// What computes neurons one by one.
  let neurons: SparseFeedForward
  /// Notes what is chosen and what was guessed, where somebody wants to know.
  let meter: RoutingMeter?

  /// Whether neurons of a token's experts may be left out.
  private var leavesOut: Bool { neurons.mode != .dense }

  /// Chooses the experts of `tokenCount` tokens from `input`, `[tokenCount, width]`, and begins to
  /// bring in those that are wanted whole.
  func begin(
    _ router: LayerMatrix, layer: Int, input: UnsafePointer<Float>, position: Int,
    tokenCount: Int
  ) throws(ReadFailure) {
    guard let routing = core.family.routing else { return }
    let scratch = core.scratch.experts
    let count = try unsafe ExpertRouter(core: core).route(
      router, routing, layer: layer, input: input, position: position, tokenCount: tokenCount)
    core.loadedExpertCount = count
    let experts = unsafe UnsafeBufferPointer(start: scratch.active, count: count)
    if tokenCount == 1 { unsafe meter?.record(chosen: experts, layer: layer) }
    guard !leavesOut else { return }
    unsafe core.recorder?.record(neurons: experts, perStride: 1, layer: layer)
    core.neuronCount += count * core.residency.manifest.bundles[layer].neuronsPerExpert
    try unsafe core.residency.beginExperts(layer: layer, experts: experts)
  }

  /// Adds what the layer's experts answer to the states in `scratch.normed` to `output`,
  /// `[tokenCount, width]`. `begin` was called where it has any that are chosen.
  func forward(
    _ weights: LayerWeights, layer: Int, tokenCount: Int,
    addingTo output: UnsafeMutablePointer<Float>
  ) throws(ReadFailure) {
    if let shared = weights.sharedExpert {
      try SharedExpert(core: core).forward(shared, tokenCount: tokenCount)
    }
    if weights.router != nil {
      unsafe core.observer?.observe(
        inputs: core.scratch.normed, unnormed: core.predictorInput(.feedForwardInput),
        tokenCount: tokenCount, layer: layer)
      core.prepareInputs(weights.bundles, tokenCount: tokenCount)
      if leavesOut {
        try computeNeurons(weights, layer: layer, tokenCount: tokenCount)
      } else {
        try computeAll(weights, layer: layer, tokenCount: tokenCount)
        core.residency.finishExperts()
      }
    }
    unsafe addAnswers(weights, tokenCount: tokenCount, to: output)
  }

  /// Computes what of the experts' neurons fires, or is predicted to: one token's experts side by
  /// side, a chunk's one after another.
  private func computeNeurons(
    _ weights: LayerWeights, layer: Int, tokenCount: Int
  ) throws(ReadFailure) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let count = core.loadedExpertCount
    let perExpert = bundles.neuronsPerExpert
    unsafe scratch.experts.answers.update(
      repeating: 0, count: tokenCount * scratch.shape.activeExpertCount * bundles.width)
    for index in 0..<count {
      let expert = unsafe Int(scratch.experts.active[index])
      let pairs = scratch.experts.pairs(of: expert)
      let place = tokenCount == 1 ? index : 0
      unsafe scratch.runs[place] = NeuronRun(
        first: expert * perExpert, count: perExpert, column: place * perExpert,
        accumulators: scratch.experts.answers + pairs.lowerBound * bundles.width)
      guard tokenCount > 1 else { continue }
      gather(pairs)
      try unsafe neurons.compute(
        weights,
        NeuronGroup(
          scratch, layer: layer, runCount: 1, tokenCount: pairs.count,
          tokens: scratch.experts.tokenOfPair + pairs.lowerBound, stride: perExpert,
          endsLayer: index == count - 1))
    }
    guard tokenCount == 1 else { return }
    try unsafe neurons.compute(
      weights,
      NeuronGroup(
        scratch, layer: layer, runCount: count, tokenCount: 1, stride: count * perExpert))
    guard meter != nil else { return }
    try core.lookingAhead { () throws(ReadFailure) in
      try guessNext(after: layer, readsAhead: false)
    }
  }

  /// The experts that are computed next, together.
  private struct Group {
    let limit: Int
    var count = 0
    /// Rows of values that they take.
    var rowCount = 0
  }

  /// Computes every expert of the load: those in DRAM first, the others as they come.
  private func computeAll(
    _ weights: LayerWeights, layer: Int, tokenCount: Int
  ) throws(ReadFailure) {
    let residency = core.residency
    let experts = 0..<core.loadedExpertCount
    // One token's experts are computed together, so that threads meet twice and not twice for each.
    var group = Group(limit: tokenCount == 1 ? core.scratch.shape.activeExpertCount : 1)
    var isMissing = false
    for place in experts where residency.isExpertHit(place) {
      try add(place, to: &group, weights, layer: layer, tokenCount: tokenCount)
    }
    try close(&group, weights, tokenCount: tokenCount)
    for place in experts where !residency.isExpertHit(place) {
      // What came meanwhile goes along; who would wait computes first what there is.
      if !residency.isExpertReady(place) { try close(&group, weights, tokenCount: tokenCount) }
      try add(place, to: &group, weights, layer: layer, tokenCount: tokenCount)
      isMissing = true
    }
    let readsAhead = isMissing && residency.looksAhead
    if tokenCount == 1, readsAhead || meter != nil {
      try core.lookingAhead { () throws(ReadFailure) in
        try guessNext(after: layer, readsAhead: readsAhead)
      }
    }
    try close(&group, weights, tokenCount: tokenCount)
  }

  /// Waits for an expert and puts it into the group; a full group is computed.
  private func add(
    _ place: Int, to group: inout Group, _ weights: LayerWeights, layer: Int, tokenCount: Int
  ) throws(ReadFailure) {
    let work = try unsafe work(place, layer: layer, firstRow: group.rowCount)
    unsafe core.scratch.experts.group[group.count] = work
    unsafe group.rowCount += work.pairCount
    group.count += 1
    if group.count == group.limit { try close(&group, weights, tokenCount: tokenCount) }
  }

  /// Computes the group and gives its experts back.
  private func close(
    _ group: inout Group, _ weights: LayerWeights, tokenCount: Int
  ) throws(ReadFailure) {
    guard group.count > 0 else { return }
    compute(weights, group.count, tokenCount: tokenCount)
    for index in 0..<group.count {
      try core.residency.releaseExpert(unsafe Int(core.scratch.experts.group[index].place))
    }
    group = Group(limit: group.limit)
  }

  /// Waits for an expert and says where it is.
  private func work(
    _ place: Int, layer: Int, firstRow: Int
  ) throws(ReadFailure) -> ExpertWork {
    let scratch = core.scratch.experts
    let expert = unsafe Int(scratch.active[place])
    let lent = try core.residency.takeExpert(place, expert, layer: layer)
    let pairs = scratch.pairs(of: expert)
    return unsafe ExpertWork(
      place: Int32(place), layer: Int32(layer), expert: Int32(expert), base: lent.base,
      partsLieApart: lent.partsLieApart, firstNeuron: lent.firstNeuron,
      firstPair: pairs.lowerBound, pairCount: pairs.count, firstRow: firstRow)
  }

  // MARK: Arithmetic

  /// Rows multiplied at a time, gate and then up: those of a stride, which lie side by side.
  private static let rowsPerBlock = 64

  /// Computes the first `count` experts of the group into `answers`.
  private func compute(_ weights: LayerWeights, _ count: Int, tokenCount: Int) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let width = bundles.width
    let group = unsafe scratch.experts.group
    let isOneToken = tokenCount == 1
    if !isOneToken { for index in 0..<count { unsafe gather(group[index].pairs) } }
    let neurons = bundles.neuronsPerExpert
    for index in 0..<count {
      unsafe (scratch.experts.answers + group[index].firstPair * width).update(
        repeating: 0, count: group[index].pairCount * width)
    }
    core.arithmetic = .gateUp
    core.split(count * neurons, granularity: 16) { range in
      for index in range.lowerBound / neurons...(range.upperBound - 1) / neurons {
        let part = range.clamped(to: index * neurons..<(index + 1) * neurons)
        let first = part.lowerBound - index * neurons
        unsafe multiply(
          group[index], weights, first..<first + part.count, slot: index, isOneToken: isOneToken)
      }
    }
    if let observer = core.observer {
      for index in 0..<count { unsafe show(group[index], weights, to: observer) }
    }
    core.arithmetic = .down
    let format = bundles.parts[bundles.part(.down)].format
    let granularity = core.kernels.columnGranularity(format, width: width)
    core.split(width, granularity: granularity) { columns in
      for index in 0..<count {
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
    core.arithmetic = .gateUp
  }

  /// Copies the prepared states of an expert's tokens side by side.
  private func gather(_ pairs: Range<Int>) {
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

  /// Turns an expert's tokens into outputs of some of its neurons, in `gates`, and notes where
  /// their down columns are.
  ///
  /// - Parameter slot: its place in the group.
  private func multiply(
    _ work: ExpertWork, _ weights: LayerWeights, _ neurons: Range<Int>, slot: Int,
    isOneToken: Bool
  ) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let perExpert = bundles.neuronsPerExpert
    let isMixed = scratch.shape.hasMixedInputs
    let gateInputs = unsafe isOneToken ? scratch.activations : scratch.experts.gateInputs
    let upInputs =
      unsafe isMixed ? (isOneToken ? scratch.upActivations : scratch.experts.upInputs) : gateInputs
    let gates = unsafe scratch.deciding + work.firstRow * perExpert
    let ups = unsafe scratch.neuronOutputs + work.firstRow * perExpert
    let piece = unsafe NeuronPiece(
      bundles: bundles, base: work.base, partsLieApart: work.partsLieApart,
      firstNeuron: work.firstNeuron)
    let isGated = core.family.isGated
    for first in stride(from: neurons.lowerBound, to: neurons.upperBound, by: Self.rowsPerBlock) {
      let block = first..<min(first + Self.rowsPerBlock, neurons.upperBound)
      let place = slot * perExpert + first
      let inLayer = unsafe Int(work.expert) * perExpert + first
      func fill(_ part: Int, _ addresses: UnsafeMutablePointer<UnsafeRawPointer>) {
        unsafe piece.fillAddresses(
          ofPart: part, of: .all(inLayer..<inLayer + block.count), into: addresses + place)
      }
      unsafe fill(bundles.parts.count - 1, scratch.rowAddresses)
      unsafe fill(bundles.part(.down), scratch.downAddresses)
      unsafe multiply(
        bundles.inputFormats.gate, bundles, scratch.rowAddresses + place, block, gateInputs,
        work, gates)
      guard isGated else { continue }
      unsafe fill(bundles.part(.up), scratch.upAddresses)
      unsafe multiply(
        bundles.inputFormats.up, bundles, scratch.upAddresses + place, block, upInputs, work, ups)
    }
    unsafe addDecidingBias(work, weights, neurons, to: gates)
    // An observer is shown what decides before it becomes outputs.
    if core.observer == nil { unsafe activate(work, weights, neurons, gates: gates, ups: ups) }
  }

  private func multiply(
    _ format: RowFormat, _ bundles: BundleLayout, _ rows: UnsafePointer<UnsafeRawPointer>,
    _ block: Range<Int>, _ inputs: UnsafeRawPointer, _ work: ExpertWork,
    _ output: UnsafeMutablePointer<Float>
  ) {
    unsafe core.kernels.dot(
      format, width: bundles.width, scatteredRows: rows, rowCount: block.count,
      activations: inputs, activationStride: core.scratch.shape.activationByteCount,
      tokenCount: work.pairCount, output: output + block.lowerBound,
      outputStride: bundles.neuronsPerExpert)
  }

  private func addDecidingBias(
    _ work: ExpertWork, _ weights: LayerWeights, _ neurons: Range<Int>,
    to gates: UnsafeMutablePointer<Float>
  ) {
    let width = weights.bundles.neuronsPerExpert
    for row in 0..<(unsafe work.pairCount) {
      unsafe addBias(
        weights.decidingBias, from: Int(work.expert) * width + neurons.lowerBound,
        to: gates + row * width + neurons.lowerBound, neurons.count)
    }
  }

  /// Adds what biases `up` has and turns products into outputs, in `gates`.
  func activate(
    _ work: ExpertWork, _ weights: LayerWeights, _ neurons: Range<Int>,
    gates: UnsafeMutablePointer<Float>, ups: UnsafeMutablePointer<Float>
  ) {
    let width = weights.bundles.neuronsPerExpert
    let family = core.family
    let firstBias = unsafe Int(work.expert) * width + neurons.lowerBound
    for row in 0..<(unsafe work.pairCount) {
      let gate = unsafe gates + row * width + neurons.lowerBound
      let up = unsafe ups + row * width + neurons.lowerBound
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
  private func addAnswers(
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

  // MARK: Looking ahead

  /// Notes the experts that the next layer's router would choose, and with `readsAhead` begins to
  /// read them.
  private func guessNext(after layer: Int, readsAhead: Bool) throws(ReadFailure) {
    let layers = neurons.layers
    guard layer + 1 < layers.count else { return }
    let count = try ExpertRouter(core: core).guess(layers[layer + 1])
    guard count > 0 else { return }
    let guesses = unsafe UnsafeBufferPointer<Int32>(
      start: core.scratch.experts.guesses, count: count)
    unsafe meter?.record(guessed: guesses, layer: layer + 1)
    if readsAhead { unsafe core.residency.lookAhead(layer: layer + 1, experts: guesses) }
  }
}
