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
struct ExpertFeedForward {
  let core: DecoderCore
  let layers: [LayerWeights]
  /// Notes what is chosen and what was guessed, where somebody wants to know.
  let meter: RoutingMeter?

  /// Chooses the experts of `tokenCount` tokens from `input`, `[tokenCount, width]`, and begins to
  /// bring them in.
  func begin(
    _ weights: ExpertWeights, layer: Int, input: UnsafePointer<Float>, position: Int,
    tokenCount: Int
  ) throws(ReadFailure) {
    guard let routing = core.family.routing else { return }
    let scratch = core.scratch.experts
    let count = try unsafe ExpertRouter(core: core).route(
      weights, routing, layer: layer, input: input, position: position, tokenCount: tokenCount)
    let experts = unsafe UnsafeBufferPointer(start: scratch.active, count: count)
    unsafe core.recorder?.record(
      neurons: experts, from: 0, perStride: 1, layer: layer)
    if tokenCount == 1 { unsafe meter?.record(chosen: experts, layer: layer) }
    core.neuronCount += count * core.residency.manifest.bundles[layer].neuronsPerExpert
    core.loadedExpertCount = count
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
    if weights.experts != nil {
      unsafe core.observer?.observe(
        inputs: core.scratch.normed, unnormed: core.predictorInput(.feedForwardInput),
        tokenCount: tokenCount, layer: layer)
      prepareInputs(weights, tokenCount: tokenCount)
      try computeAll(weights, layer: layer, tokenCount: tokenCount)
      core.residency.finishExperts()
    }
    unsafe addAnswers(weights, tokenCount: tokenCount, to: output)
  }

  /// The experts that are computed next, together.
  private struct Group {
    let limit: Int
    var count = 0
    /// Rows of `gates` and `ups` that they take.
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
    let first = unsafe Int(scratch.firstPair[expert])
    return unsafe ExpertWork(
      place: Int32(place), layer: Int32(layer), expert: Int32(expert), base: lent.base,
      partsLieApart: lent.partsLieApart, firstNeuron: lent.firstNeuron, firstPair: first,
      pairCount: Int(scratch.firstPair[expert + 1]) - first, firstRow: firstRow)
  }

  // MARK: Arithmetic

  /// Rows multiplied at a time, gate and then up: those of a stride, which lie side by side.
  private static let rowsPerBlock = 64

  /// Prepares the normed states as gate and up rows want them.
  private func prepareInputs(_ weights: LayerWeights, tokenCount: Int) {
    let (gate, up) = weights.bundles.inputFormats
    let scratch = core.scratch
    unsafe core.prepareActivations(
      scratch.normed, width: core.configuration.width, tokenCount: tokenCount, format: gate)
    guard gate != up else { return }
    unsafe core.prepareActivations(
      scratch.normed, width: core.configuration.width, tokenCount: tokenCount, format: up,
      into: scratch.experts.upActivations)
  }

  /// Computes the first `count` experts of the group into `answers`.
  private func compute(_ weights: LayerWeights, _ count: Int, tokenCount: Int) {
    let scratch = core.scratch
    let bundles = weights.bundles
    let width = bundles.width
    let group = unsafe scratch.experts.group
    let isOneToken = tokenCount == 1
    if !isOneToken { for index in 0..<count { unsafe gather(group[index], bundles) } }
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
          scatteredRows: scratch.experts.downAddresses + index * neurons, rowCount: neurons,
          coefficients: scratch.experts.gates + work.firstRow * neurons,
          coefficientStride: neurons, tokenCount: work.pairCount,
          accumulators: scratch.experts.answers + work.firstPair * width,
          accumulatorStride: width)
      }
    }
    core.arithmetic = .gateUp
  }

  /// Copies the prepared states of an expert's tokens side by side.
  private func gather(_ work: ExpertWork, _ bundles: BundleLayout) {
    let scratch = core.scratch
    let stride = scratch.shape.activationByteCount
    let isMixed = bundles.inputFormats.gate != bundles.inputFormats.up
    core.split(unsafe work.pairCount, granularity: 8) { pairs in
      for pair in pairs {
        let token = unsafe Int(scratch.experts.tokenOfPair[work.firstPair + pair])
        unsafe (scratch.experts.gateInputs + pair * stride).copyMemory(
          from: scratch.activations + token * stride, byteCount: stride)
        guard isMixed else { continue }
        unsafe (scratch.experts.upInputs + pair * stride).copyMemory(
          from: scratch.experts.upActivations + token * stride, byteCount: stride)
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
    let scratch = core.scratch.experts
    let bundles = weights.bundles
    let perExpert = bundles.neuronsPerExpert
    let isMixed = bundles.inputFormats.gate != bundles.inputFormats.up
    let gateInputs = unsafe isOneToken ? core.scratch.activations : scratch.gateInputs
    let upInputs =
      unsafe isMixed ? (isOneToken ? scratch.upActivations : scratch.upInputs) : gateInputs
    let gates = unsafe scratch.gates + work.firstRow * perExpert
    let ups = unsafe scratch.ups + work.firstRow * perExpert
    let piece = unsafe NeuronPiece(
      bundles: bundles, base: work.base, partsLieApart: work.partsLieApart)
    let isGated = core.family.isGated
    for first in stride(from: neurons.lowerBound, to: neurons.upperBound, by: Self.rowsPerBlock) {
      let block = first..<min(first + Self.rowsPerBlock, neurons.upperBound)
      let place = slot * perExpert + first
      let inPiece = unsafe work.firstNeuron + first
      func fill(_ part: Int, _ addresses: UnsafeMutablePointer<UnsafeRawPointer>) {
        unsafe piece.fillAddresses(
          ofPart: part, of: .all(block.count), from: inPiece, into: addresses + place)
      }
      unsafe fill(bundles.parts.count - 1, scratch.gateAddresses)
      unsafe fill(bundles.part(.down), scratch.downAddresses)
      unsafe multiply(
        bundles.inputFormats.gate, bundles, scratch.gateAddresses + place, block, gateInputs,
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
    let bias = core.family.isGated ? weights.experts?.gateBias : weights.experts?.upBias
    for row in 0..<(unsafe work.pairCount) {
      unsafe addBias(
        bias, from: Int(work.expert) * width + neurons.lowerBound,
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
      unsafe addBias(weights.experts?.upBias, from: firstBias, to: up, neurons.count)
      unsafe core.kernels.activate(
        family.activation, threshold: family.firingThreshold, gate: gate, up: up,
        count: neurons.count, into: gate)
    }
  }

  private func addBias(
    _ bias: Int?, from first: Int, to values: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    guard let bias else { return }
    let biases = unsafe core.residency.address(ofTensor: bias).assumingMemoryBound(to: Float.self)
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
    let count = weights.experts == nil ? 0 : scratch.shape.activeExpertCount
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
            weights.experts?.downBias, from: Int(scratch.experts.chosen[choice]) * width,
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

  /// Applies the next layer's norm and router to this layer's state, and with `readsAhead` begins
  /// to read the experts that it would choose.
  ///
  /// The residual stream changes little from layer to layer: on trained models 59 to 89 % of them
  /// are wanted.
  private func guessNext(after layer: Int, readsAhead: Bool) throws(ReadFailure) {
    guard layer + 1 < layers.count, let next = layers[layer + 1].experts,
      let routing = core.family.routing
    else { return }
    let scratch = core.scratch
    var state = unsafe UnsafePointer(scratch.residual)
    if let norm = layers[layer + 1].feedForwardNorm, routing.readsLayerInput != true {
      unsafe core.normalize(state, tokenCount: 1, norm: norm, into: scratch.experts.sums)
      unsafe state = UnsafePointer(scratch.experts.sums)
    }
    let router = next.router.tensor
    // `scratch.activations` has this layer's state, which its last experts are yet to take.
    unsafe core.prepareActivations(
      state, width: router.width, tokenCount: 1, format: router.format,
      into: scratch.experts.gateInputs)
    try unsafe core.project(
      next.router, tokenCount: 1, activations: scratch.experts.gateInputs,
      output: scratch.experts.logits, outputStride: router.rows)
    let count = routing.activeCount
    unsafe ExpertRouter.rank(
      count, of: router.rows, scratch.experts.logits, into: scratch.experts.guesses)
    let guesses = unsafe UnsafeBufferPointer<Int32>(
      start: scratch.experts.guesses, count: count)
    unsafe meter?.record(guessed: guesses, layer: layer + 1)
    if readsAhead { unsafe core.residency.lookAhead(layer: layer + 1, experts: guesses) }
  }
}

extension BundleLayout {
  /// The formats of the rows that states are multiplied with: without a gate both are up's.
  var inputFormats: (gate: RowFormat, up: RowFormat) {
    (parts[parts.count - 1].format, parts[part(.up)].format)
  }
}
