import FlashWeights

/// Sees what goes into the feed-forward part of each layer and what its neurons answer, while the
/// model runs: for calibration.
///
/// Calls come in the order of the arithmetic, on the decoder's thread, for each chunk and layer:
/// `observe(inputs:)` once, then for each piece of the layer's neurons, in ascending order, first
/// the pre-activations and then the outputs. Where experts are computed whole, which is in `dense`,
/// `observe(expert:)` comes before each one's, which are one piece, in any order of experts. Memory
/// that is handed over is the decoder's and valid during the call.
package protocol FeedForwardObserver: AnyObject {
  /// The normed states of a chunk, `[tokenCount, width]`, and the same before their norm
  /// (`PredictorInput`).
  func observe(
    inputs: UnsafePointer<Float>, unnormed: UnsafePointer<Float>, tokenCount: Int, layer: Int)

  /// The expert whose neurons are next: their rows are of these tokens of the chunk, ascending, and
  /// `first` is the layer's number of its first neuron.
  func observe(expert: Int, tokens: UnsafeBufferPointer<Int32>, layer: Int)

  /// Pre-activations of the deciding rows of neurons `first..<first + count`, `[tokenCount,
  /// stride]`, bias included.
  func observe(
    preActivations: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int, count: Int,
    layer: Int)

  /// Outputs before the down projection, `[tokenCount, stride]`, of `count` neurons in ascending
  /// order: those that fire for some token of the chunk are among them.
  /// - Parameter neurons: their indices, counted from `first`; nil for all from `first` on.
  func observe(
    outputs: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int,
    neurons: UnsafePointer<Int32>?, count: Int, layer: Int)
}

extension SparseFeedForward {
  func observeDecision(_ group: NeuronGroup) {
    guard let observer = core.observer else { return }
    group.forEachRun(inColumns: 0..<group.neuronCount) { run, columns in
      unsafe observer.observe(
        preActivations: core.scratch.deciding + columns.lowerBound, stride: group.stride,
        tokenCount: group.tokenCount, first: run.first, count: run.count, layer: group.layer)
    }
  }

  /// - Parameter range: places in the set; their outputs lie there.
  func observeOutputs(_ group: NeuronGroup, _ active: ActiveSet, _ range: Range<Int>) {
    guard let observer = core.observer else { return }
    unsafe observer.observe(
      outputs: core.scratch.deciding + range.lowerBound, stride: group.stride,
      tokenCount: group.tokenCount, first: active.isAll ? active[range.lowerBound] : 0,
      neurons: active.address(ofPlace: range.lowerBound), count: range.count, layer: group.layer)
  }
}

extension ExpertFeedForward {
  /// Shows what an expert's neurons decide, and makes their outputs and shows these.
  func show(
    _ work: ExpertWork, _ weights: LayerWeights, to observer: any FeedForwardObserver
  ) {
    let scratch = core.scratch
    let neurons = weights.bundles.neuronsPerExpert
    let (layer, first) = unsafe (Int(work.layer), Int(work.expert) * neurons)
    let gates = unsafe scratch.deciding + work.firstRow * neurons
    unsafe observer.observe(
      expert: Int(work.expert),
      tokens: UnsafeBufferPointer(
        start: scratch.experts.tokenOfPair + work.firstPair, count: work.pairCount), layer: layer)
    unsafe observer.observe(
      preActivations: gates, stride: neurons, tokenCount: work.pairCount, first: first,
      count: neurons, layer: layer)
    unsafe activate(work, weights, 0..<neurons)
    unsafe observer.observe(
      outputs: gates, stride: neurons, tokenCount: work.pairCount, first: first, neurons: nil,
      count: neurons, layer: layer)
  }
}
