import FlashIO
import FlashKernels
import FlashWeights

/// The expert that every token uses, of ordinary matrices; also the feed-forward part of a layer
/// without routed experts in a model that has them.
struct SharedExpert {
  let core: DecoderCore

  /// Writes what it answers to the states in `scratch.normed`, weighed, to `scratch.accumulators`,
  /// `[tokenCount, width]`.
  func forward(_ weights: SharedExpertWeights, tokenCount: Int) throws(ReadFailure) {
    let scratch = core.scratch
    let count = weights.up.tensor.rows
    var prepared: RowFormat?
    try unsafe core.projectNormed(
      weights.up, tokenCount, into: scratch.neuronOutputs, stride: count, &prepared)
    if let gate = weights.gate {
      try unsafe core.projectNormed(
        gate, tokenCount, into: scratch.deciding, stride: count, &prepared)
    }
    let family = core.family
    core.split(tokenCount * count, granularity: 64) { part in
      let up = unsafe scratch.neuronOutputs + part.lowerBound
      guard weights.gate != nil else {
        return unsafe core.kernels.activate(
          family.activation, threshold: family.firingThreshold, up, count: part.count)
      }
      unsafe core.kernels.activate(
        family.activation, threshold: family.firingThreshold,
        gate: scratch.deciding + part.lowerBound, up: up, count: part.count, into: up)
    }
    if let router = weights.router {
      try unsafe core.projectNormed(
        router, tokenCount, into: scratch.deciding, stride: 1, &prepared)
    }
    unsafe core.prepareActivations(
      scratch.neuronOutputs, width: count, tokenCount: tokenCount,
      format: weights.down.tensor.format)
    let width = core.configuration.width
    try unsafe core.project(
      weights.down, tokenCount: tokenCount, output: scratch.accumulators, outputStride: width)
    guard weights.router != nil else { return }
    for token in 0..<tokenCount {
      let score = unsafe 1 / (1 + core.kernels.exponential(-scratch.deciding[token]))
      unsafe core.kernels.scale(scratch.accumulators + token * width, by: score, count: width)
    }
  }
}
