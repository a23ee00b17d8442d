import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The feed-forward part over bundles of neurons, dense or sparse by one path; what a predictor
/// names goes another (`forwardPredicted`).
///
/// Neurons are taken in pieces in ascending order. In each piece the deciding rows (gate, or up
/// where there is no gate) are multiplied first; `exact` keeps only the neurons that fire for some
/// token of the chunk, `dense` keeps all; the other projection is multiplied for those, and their
/// down columns are added in neuron order, quantized ones in groups of neurons that no piece cuts.
/// A neuron that does not fire for a token has output zero, which the addition skips, so `exact`
/// equals `dense` bit for bit.
struct SparseFeedForward {
  let core: DecoderCore
  let mode: SparsityMode
  /// Deciding rows of a windowed layer that are multiplied before what fires is asked of flash.
  let sliceByteCount: Int
  /// There in `predicted`.
  let predictor: SparsityPredictor?
  /// Whether what happens to be in DRAM is computed too.
  let computesResidentGates: Bool
  /// Counts what fires, where somebody wants to know.
  let meter: ActivityMeter?

  /// Adds what the layer's neurons answer to the `tokenCount` states in `scratch.normed` to
  /// `output`, `[tokenCount, width]`.
  func forward(
    _ weights: LayerWeights, layer: Int, tokenCount: Int,
    addingTo output: UnsafeMutablePointer<Float>
  ) throws(ReadFailure) {
    let scratch = core.scratch
    unsafe core.observer?.observe(
      inputs: scratch.normed, unnormed: core.predictorInput(.feedForwardInput),
      tokenCount: tokenCount, layer: layer)
    unsafe scratch.accumulators.update(
      repeating: 0, count: tokenCount * core.configuration.width)
    if let predictor {
      try forwardPredicted(predictor, weights, layer: layer, tokenCount: tokenCount)
    } else if core.residency.isWindowed {
      try forwardWindowed(weights, layer: layer, tokenCount: tokenCount)
    } else {
      try forwardInOrder(weights, layer: layer, tokenCount: tokenCount)
    }
    unsafe addSums(weights, tokenCount: tokenCount, to: output)
  }

  /// Bundles lie whole in memory, or pass through it, in ascending order.
  private func forwardInOrder(
    _ weights: LayerWeights, layer: Int, tokenCount: Int
  ) throws(ReadFailure) {
    let bundles = weights.bundles
    let decidingPart = bundles.parts.count - 1
    let scratch = core.scratch
    try unsafe core.residency.withStrides(ofLayer: layer) { strides, base, partsLieApart in
      let first = strides.lowerBound * bundles.neuronsPerStride
      let count = min(bundles.neuronCount, strides.upperBound * bundles.neuronsPerStride) - first
      let piece = unsafe NeuronPiece(
        bundles: bundles, base: base, partsLieApart: partsLieApart)
      unsafe piece.fillAddresses(
        ofPart: decidingPart, of: .all(count), into: scratch.rowAddresses)
      decide(weights, first: first, count: count, tokenCount: tokenCount)
      observeDecision(first: first, count: count, tokenCount: tokenCount, layer: layer)
      let active = activeSet(count: count, tokenCount: tokenCount)
      meter?.record(active, first: first, layer: layer)
      trace(active, first: first, bundles, layer: layer)
      guard active.count > 0 else { return }
      if core.configuration.isGated {
        let part = bundles.part(.up)
        unsafe piece.fillAddresses(ofPart: part, of: active, into: scratch.rowAddresses)
        multiplyUp(weights, columns: 0..<active.count, tokenCount: tokenCount)
      }
      unsafe piece.fillAddresses(
        ofPart: bundles.part(.down), of: active, into: scratch.downAddresses)
      unsafe activate(
        weights, active, first: first, 0..<active.count, columns: nil, tokenCount: tokenCount)
      observeOutputs(active, first: first, 0..<active.count, tokenCount: tokenCount, layer: layer)
      addDown(bundles, active, first: first, 0..<active.count, tokenCount: tokenCount)
    }
  }
}
