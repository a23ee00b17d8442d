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
      let scratch = core.scratch
      unsafe scratch.experts.answers.update(
        repeating: 0, count: tokenCount * scratch.shape.activeExpertCount * scratch.shape.width)
      if leavesOut {
        try computeNeurons(weights, layer: layer, tokenCount: tokenCount)
      } else {
        if tokenCount == 1 {
          try computeToken(weights, layer: layer)
        } else {
          try computeChunk(weights, layer: layer, tokenCount: tokenCount)
        }
        core.residency.finishExperts(isChunk: tokenCount > 1)
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
    var count = 0
    /// Rows of values that they take.
    var rowCount = 0
  }

  /// Computes one token's experts: those in DRAM first, the others as they come.
  private func computeToken(_ weights: LayerWeights, layer: Int) throws(ReadFailure) {
    let residency = core.residency
    let experts = 0..<core.loadedExpertCount
    // Together, so that threads meet twice and not twice for each.
    var group = Group()
    var isMissing = false
    for place in experts where residency.isExpertHit(place) {
      try add(place, to: &group, weights, layer: layer)
    }
    try close(&group, weights)
    for place in experts where !residency.isExpertHit(place) {
      // What came meanwhile goes along; who would wait computes first what there is.
      if !residency.isExpertReady(place) { try close(&group, weights) }
      try add(place, to: &group, weights, layer: layer)
      isMissing = true
    }
    let readsAhead = isMissing && residency.looksAhead
    // What a meter notes depends on no limit.
    if meter != nil { try close(&group, weights) }
    if readsAhead || meter != nil {
      try core.lookingAhead { () throws(ReadFailure) in
        try guessNext(after: layer, readsAhead: readsAhead)
      }
    }
    try close(&group, weights)
  }

  /// Waits for an expert and puts it into the group.
  private func add(
    _ place: Int, to group: inout Group, _ weights: LayerWeights, layer: Int
  ) throws(ReadFailure) {
    let work = try unsafe work(place, layer: layer, firstRow: group.rowCount)
    unsafe core.scratch.experts.group[group.count] = work
    unsafe group.rowCount += work.pairCount
    group.count += 1
  }

  /// Computes the group and gives its experts back.
  private func close(_ group: inout Group, _ weights: LayerWeights) throws(ReadFailure) {
    guard group.count > 0 else { return }
    compute(weights, group.count, tokenCount: 1)
    for index in 0..<group.count {
      try core.residency.releaseExpert(unsafe Int(core.scratch.experts.group[index].place))
    }
    group = Group()
  }

  /// Waits for an expert and says where it is.
  func work(
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

  // MARK: Looking ahead

  /// Notes the experts that the next layer's router would choose, and with `readsAhead` begins to
  /// read them. It is shown the state with what was computed of this layer's experts: of reads for
  /// a layer of Qwen3-30B-A3B's shape nine in ten are of use then, without it three in four.
  private func guessNext(after layer: Int, readsAhead: Bool) throws(ReadFailure) {
    let layers = neurons.layers
    guard layer + 1 < layers.count else { return }
    let state = unsafe core.scratch.experts.guessedState
    unsafe state.update(from: core.scratch.residual, count: core.configuration.width)
    unsafe addAnswers(layers[layer], tokenCount: 1, to: state)
    let count = try unsafe ExpertRouter(core: core).guess(layers[layer + 1], from: state)
    guard count > 0 else { return }
    let guesses = unsafe UnsafeBufferPointer<Int32>(
      start: core.scratch.experts.guesses, count: count)
    unsafe meter?.record(guessed: guesses, layer: layer + 1)
    if readsAhead {
      unsafe core.residency.lookAhead(layer: layer + 1, experts: guesses, isChunk: false)
    }
  }
}
