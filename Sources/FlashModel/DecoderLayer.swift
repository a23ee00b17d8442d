import FlashIO
import FlashKernels
import FlashWeights

/// One layer: its two parts in the family's order, each added to the residual stream.
struct DecoderLayer {
  let core: DecoderCore
  let attention: Attention
  let feedForward: SparseFeedForward
  let experts: ExpertFeedForward

  /// Sends `tokenCount` tokens from `position` on through a layer.
  func forward(
    _ weights: LayerWeights, layer: Int, position: Int, tokenCount: Int
  ) throws(ReadFailure) {
    core.arithmetic = .attention
    let routesFirst = core.family.routing?.readsLayerInput == true
    if routesFirst, let router = weights.router {
      // Their reads fly while attention is computed.
      try unsafe experts.begin(
        router, layer: layer, input: core.scratch.residual, position: position,
        tokenCount: tokenCount)
    }
    if core.scratch.shape.keepsLayerInput {
      unsafe core.scratch.layerInput.update(
        from: core.scratch.residual, count: tokenCount * core.configuration.width)
    }
    switch weights.mixer {
    case .none: break
    case .attention(let heads):
      enter(weights.attentionNorm, tokenCount: tokenCount)
      try attention.forward(
        heads, weights.configuration, layer: layer, position: position, tokenCount: tokenCount)
    case .matrix(let matrix):
      enter(weights.attentionNorm, tokenCount: tokenCount)
      try multiply(matrix, tokenCount: tokenCount)
    }
    // Before attention's answer is in the stream, or after.
    let order = core.family.order
    if order == .parallelNorms { enter(weights.feedForwardNorm, tokenCount: tokenCount) }
    if !weights.mixer.isNone { join(weights.attentionOutputNorm, tokenCount: tokenCount) }
    guard weights.configuration.feeds else { return }
    core.arithmetic = .gateUp
    if !order.isParallel { enter(weights.feedForwardNorm, tokenCount: tokenCount) }
    if let matrix = weights.linearFeedForward {
      try multiply(matrix, tokenCount: tokenCount)
      join(nil, tokenCount: tokenCount)
    } else {
      if !routesFirst, let router = weights.router {
        try unsafe experts.begin(
          router, layer: layer, input: core.scratch.normed, position: position,
          tokenCount: tokenCount)
      }
      try feed(weights, layer: layer, tokenCount: tokenCount)
    }
  }

  /// The neurons' sums go straight into the stream where nothing is done to them before.
  private func feed(_ weights: LayerWeights, layer: Int, tokenCount: Int) throws(ReadFailure) {
    let scratch = core.scratch
    guard weights.feedForwardOutputNorm != nil || core.family.residualScale != nil else {
      return try unsafe answer(weights, layer: layer, tokenCount, addingTo: scratch.residual)
    }
    // Attention's answer, which lies there too, is in the stream by now.
    unsafe scratch.projected.update(repeating: 0, count: tokenCount * core.configuration.width)
    try unsafe answer(weights, layer: layer, tokenCount, addingTo: scratch.projected)
    join(weights.feedForwardOutputNorm, tokenCount: tokenCount)
  }

  private func answer(
    _ weights: LayerWeights, layer: Int, _ tokenCount: Int,
    addingTo output: UnsafeMutablePointer<Float>
  ) throws(ReadFailure) {
    if weights.router != nil || weights.sharedExpert != nil {
      try unsafe experts.forward(weights, layer: layer, tokenCount: tokenCount, addingTo: output)
    } else {
      try unsafe feedForward.forward(
        weights, layer: layer, tokenCount: tokenCount, addingTo: output)
    }
  }

  /// Writes what a part takes to `scratch.normed`: the stream, normed where the family does so.
  private func enter(_ norm: LayerNorm?, tokenCount: Int) {
    let scratch = core.scratch
    guard let norm else {
      return unsafe scratch.normed.update(
        from: scratch.residual, count: tokenCount * core.configuration.width)
    }
    unsafe core.normalize(
      scratch.residual, tokenCount: tokenCount, norm: norm, into: scratch.normed)
  }

  /// Adds a part's answer in `scratch.projected` to the stream.
  private func join(_ norm: LayerNorm?, tokenCount: Int) {
    let scratch = core.scratch
    let count = tokenCount * core.configuration.width
    if let norm {
      unsafe core.normalize(
        scratch.projected, tokenCount: tokenCount, norm: norm, into: scratch.projected)
    }
    if let scale = core.family.residualScale {
      unsafe core.kernels.scale(scratch.projected, by: scale, count: count)
    }
    unsafe core.kernels.add(scratch.projected, to: scratch.residual, count: count)
  }

  /// `scratch.projected = matrix · scratch.normed`.
  private func multiply(_ matrix: LayerMatrix, tokenCount: Int) throws(ReadFailure) {
    let width = core.configuration.width
    unsafe core.prepareActivations(
      core.scratch.normed, width: width, tokenCount: tokenCount, format: matrix.tensor.format)
    try unsafe core.project(
      matrix, tokenCount: tokenCount, output: core.scratch.projected, outputStride: width)
  }
}
