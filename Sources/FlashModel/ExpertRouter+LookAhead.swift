import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// What the next layer's router would choose for states of the layer before.
///
/// The residual stream changes little from layer to layer: on trained models 59 to 89 % of a
/// token's experts are guessed right.
extension ExpertRouter {
  /// Tokens of a chunk whose states are asked: with 64 the router takes under a hundredth of a
  /// chunk's time.
  private static let askedTokenCount = 64
  /// Tokens that must agree on an expert before it is read for a chunk.
  private static let leastVotes: Float = 2

  /// Writes the experts that a layer's router would choose for the state of the one token, the
  /// likeliest first, to `scratch.experts.guesses`. Returns how many: none where the layer has no
  /// experts.
  ///
  /// - Parameter state: `[width]`; nil: what the layer before began its feed-forward part with.
  func guess(
    _ weights: LayerWeights, from state: UnsafePointer<Float>? = nil
  ) throws(ReadFailure) -> Int {
    guard let router = weights.router, let routing = core.family.routing else { return 0 }
    let scratch = core.scratch.experts
    try unsafe ask(
      state ?? UnsafePointer(core.scratch.residual), weights, router, routing, 1, of: 1)
    unsafe Self.rank(
      routing.activeCount, of: router.tensor.rows, scratch.logits, into: scratch.guesses)
    return routing.activeCount
  }

  /// The same for a chunk: experts that several of the tokens asked would choose, first that which
  /// most of them would.
  func guess(_ weights: LayerWeights, tokenCount: Int) throws(ReadFailure) -> Int {
    guard let router = weights.router, let routing = core.family.routing else { return 0 }
    let scratch = core.scratch.experts
    let expertCount = router.tensor.rows
    let asked = min(tokenCount, Self.askedTokenCount)
    try unsafe ask(core.scratch.residual, weights, router, routing, asked, of: tokenCount)
    unsafe scratch.votes.update(repeating: 0, count: expertCount)
    for row in 0..<asked {
      unsafe Self.rank(
        routing.activeCount, of: expertCount, scratch.logits + row * expertCount,
        into: scratch.guesses)
      for choice in 0..<routing.activeCount {
        unsafe scratch.votes[Int(scratch.guesses[choice])] += 1
      }
    }
    let most = min(expertCount, WeightResidency.chunkGuessLimit)
    unsafe Self.rank(most, of: expertCount, scratch.votes, into: scratch.guesses)
    var count = 0
    while count < most,
      unsafe scratch.votes[Int(scratch.guesses[count])] >= Self.leastVotes
    { count += 1 }
    return count
  }

  /// Multiplies the router with some of `states`, `[tokenCount, width]`, evenly spread, into
  /// `scratch.experts.logits`.
  private func ask(
    _ states: UnsafePointer<Float>, _ weights: LayerWeights, _ router: LayerMatrix,
    _ routing: ExpertRouting, _ count: Int,
    of tokenCount: Int
  ) throws(ReadFailure) {
    let scratch = core.scratch
    let (width, format) = (router.tensor.width, router.tensor.format)
    let norm =
      routing.readsLayerInput == true
      ? nil : weights.feedForwardNorm.map { core.rowNorm($0, width: width) }
    let threads = count == 1 ? 1 : core.pool.threadCount
    core.run(threads) { thread in
      let normed = unsafe scratch.experts.sums + 2 * thread * width
      for row in WorkerPool.split(count: count, parts: threads, granularity: 1, index: thread) {
        let token = (2 * row + 1) * tokenCount / (2 * count)
        var state = unsafe states + token * width
        if let norm {
          unsafe norm.apply(state, into: normed)
          unsafe state = UnsafePointer(normed)
        }
        // `scratch.activations` has the layer's own states, of which there is more to compute.
        unsafe core.kernels.prepareActivation(
          state, width: width, format,
          into: scratch.experts.gateInputs + row * scratch.shape.activationByteCount)
      }
    }
    try unsafe core.project(
      router, tokenCount: count, activations: scratch.experts.gateInputs,
      output: scratch.experts.logits, outputStride: router.tensor.rows)
  }
}
