import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The feed-forward part over bundles of neurons, dense or sparse by one path; what a predictor
/// names goes another (`forwardPredicted`).
///
/// Neurons are taken in pieces in ascending order. In each piece the deciding rows (gate, or up
/// where there is no gate) are multiplied first; `exact` and `threshold` keep only those that fire
/// for some token of the chunk, `dense` keeps all; the other projection is multiplied for those,
/// and their down columns are added in neuron order, quantized ones in groups of neurons that no
/// piece cuts.
/// A neuron that does not fire for a token has output zero, which the addition skips, so `exact`
/// equals `dense` bit for bit. In `threshold` a neuron fires where its gate's magnitude passes the
/// layer's threshold, and what does not fire for a token is made zero.
struct SparseFeedForward {
  let core: DecoderCore
  let layers: [LayerWeights]
  let mode: SparsityMode
  /// Deciding rows of a windowed layer that are multiplied before what fires is asked of flash.
  let sliceByteCount: Int
  /// There in `predicted`.
  let predictor: SparsityPredictor?
  /// Which pre-activations fire, for each layer.
  let bounds: [FiringBounds]
  /// Whether what happens to be in DRAM is computed too.
  let computesResidentGates: Bool
  /// Counts what fires, where somebody wants to know.
  let meter: ActivityMeter?

  /// Adds what the layer's neurons, which belong to no experts, answer to the `tokenCount` states
  /// in `scratch.normed` to `output`, `[tokenCount, width]`.
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
    core.prepareInputs(weights.bundles, tokenCount: tokenCount)
    unsafe scratch.runs[0] = NeuronRun(
      first: 0, count: weights.bundles.neuronCount, column: 0,
      accumulators: scratch.accumulators)
    try unsafe compute(
      weights,
      NeuronGroup(
        scratch, layer: layer, runCount: 1, tokenCount: tokenCount,
        stride: weights.bundles.neuronCount))
    unsafe addSums(weights, tokenCount: tokenCount, to: output)
  }

  /// Adds what a group's neurons answer to its runs' accumulators.
  func compute(_ weights: LayerWeights, _ group: NeuronGroup) throws(ReadFailure) {
    if let predictor {
      try forwardPredicted(predictor, weights, group)
    } else if core.residency.isWindowed {
      try forwardWindowed(weights, group)
    } else {
      try forwardInOrder(weights, group)
    }
  }

  /// Bundles lie whole in memory, or pass through it, in ascending order.
  private func forwardInOrder(
    _ weights: LayerWeights, _ group: NeuronGroup
  ) throws(ReadFailure) {
    let bundles = weights.bundles
    let decidingPart = bundles.parts.count - 1
    let scratch = core.scratch
    try unsafe core.residency.withStrides(ofLayer: group.layer) { strides, base, partsLieApart in
      let first = strides.lowerBound * bundles.neuronsPerStride
      let end = min(bundles.neuronCount, strides.upperBound * bundles.neuronsPerStride)
      let piece = unsafe NeuronPiece(
        bundles: bundles, base: base, partsLieApart: partsLieApart, firstNeuron: first)
      let group = unsafe group.clipped(to: first..<end, into: scratch.clippedRuns)
      group.forEachRun(inColumns: 0..<group.neuronCount) { run, columns in
        unsafe piece.fillAddresses(
          ofPart: decidingPart, of: .all(run.neurons),
          into: scratch.rowAddresses + columns.lowerBound)
      }
      decide(weights, group)
      let active = activeSet(group)
      note(active, bundles, layer: group.layer)
      guard active.count > 0 else { return }
      if core.configuration.isGated {
        let part = bundles.part(.up)
        unsafe piece.fillAddresses(ofPart: part, of: active, into: scratch.rowAddresses)
        multiplyUp(weights, group, columns: 0..<active.count)
      }
      unsafe piece.fillAddresses(
        ofPart: bundles.part(.down), of: active, into: scratch.downAddresses)
      unsafe activate(weights, group, active, 0..<active.count, columns: nil)
      observeOutputs(group, active, 0..<active.count)
      addDown(bundles, group, active, 0..<active.count)
    }
  }

  /// Tells whoever wants to know which neurons are computed.
  func note(_ active: ActiveSet, _ bundles: BundleLayout, layer: Int) {
    core.neuronCount += active.count
    meter?.record(active, layer: layer)
    trace(active, bundles, layer: layer)
  }
}
