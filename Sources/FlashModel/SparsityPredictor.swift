import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// Where one layer's predictor lies among the plan's predictor extents.
struct LayerPredictor {
  var hasHiddenActivation: Bool
  var input: PredictorInput
  var reduction: PredictorTensor
  var expansion: PredictorTensor
  /// Index of W1; W2 and b follow.
  var firstExtent: Int

  /// Rows of W1, of one expert where there are experts.
  var rank: Int { expansion.width }
}

/// Says which neurons will fire before any of their rows is read: for each layer, or each expert of
/// one, `scores = W2 · f(W1 · x) + b` over the feed-forward input, normed or not, above zero
/// (LLM in a Flash, arXiv 2312.11514, section 3.1).
///
/// Every score is one fixed chain of operations, so a token's set depends on the token and on
/// nothing else. What is loaded for a chunk is the union of its tokens' sets; what is added to a
/// token is its own set.
struct SparsityPredictor {
  /// One for each layer; nil where every neuron is computed.
  let layers: [LayerPredictor?]
  /// What must be resident of the predictor file.
  let extents: [FileExtent]

  /// - Precondition: `WeightStore.open` accepted the calibration.
  init(_ calibration: Calibration) {
    var extents: [FileExtent] = []
    layers = calibration.layers.map { layer -> LayerPredictor? in
      guard let reduction = layer.reduction, let expansion = layer.expansion,
        let bias = layer.bias
      else { return nil }
      extents += [reduction.extent, expansion.extent, bias.extent]
      return LayerPredictor(
        hasHiddenActivation: layer.kind == .perceptron, input: layer.input,
        reduction: reduction, expansion: expansion, firstExtent: extents.count - 3)
    }
    self.extents = extents
  }

  /// The largest rank, 0 where no layer has a predictor.
  var rank: Int { layers.compactMap { $0?.rank }.max() ?? 0 }

  /// Bytes of a prepared hidden state of any layer.
  func hiddenByteCount(_ kernels: Kernels) -> Int {
    layers.compactMap { $0?.expansion }
      .map { kernels.activationByteCount($0.format, width: $0.width) }.max() ?? 0
  }
}

/// The neurons that a predictor names, for each token of a group.
///
/// A row of bits for each token, one for each column; all of them where the layer has no predictor.
@safe struct PredictedSets {
  /// Bits of `[tokenCount, wordsPerToken]`; nil where every neuron is in every set.
  let words: UnsafeMutablePointer<UInt64>?
  let wordsPerToken: Int

  /// Whether a token's set has the neuron of a column.
  func contains(_ column: Int, token: Int) -> Bool {
    guard let words = unsafe words else { return true }
    return unsafe words[token * wordsPerToken + column / 64] >> UInt64(column % 64) & 1 == 1
  }

  /// Whether there are sets at all.
  var isSelective: Bool { unsafe words != nil }

  func insert(_ column: Int, token: Int) {
    guard let words = unsafe words else { return }
    unsafe words[token * wordsPerToken + column / 64] |= 1 << UInt64(column % 64)
  }

  /// The neurons that any of the group's tokens' sets has, ascending.
  ///
  /// - Parameter neurons: room for all of the group.
  func union(_ group: NeuronGroup, into neurons: UnsafeMutablePointer<Int32>) -> ActiveSet {
    if !isSelective, group.runCount == 1 { return unsafe .all(group.runs[0].neurons) }
    var found = 0
    group.forEachRun(inColumns: 0..<group.neuronCount) { run, columns in
      for word in columns.lowerBound / 64...(columns.upperBound - 1) / 64 {
        var bits = bits(ofWord: word, tokenCount: group.tokenCount)
        // The word may have columns of the runs beside this one.
        bits &= ~0 << UInt64(max(0, columns.lowerBound - word * 64))
        bits &= ~0 >> UInt64(max(0, word * 64 + 64 - columns.upperBound))
        while bits != 0 {
          unsafe neurons[found] = Int32(word * 64 + bits.trailingZeroBitCount + run.shift)
          found += 1
          bits &= bits - 1
        }
      }
    }
    return unsafe ActiveSet(neurons: neurons, count: found)
  }

  private func bits(ofWord word: Int, tokenCount: Int) -> UInt64 {
    guard let words = unsafe words else { return ~0 }
    var bits: UInt64 = 0
    for token in 0..<tokenCount { unsafe bits |= words[token * wordsPerToken + word] }
    return bits
  }
}

extension SparsityPredictor {
  /// The sets of the group's tokens for the layer at work; valid until the next call.
  ///
  /// - Complexity: rank · (width + neurons) multiplications a token and run.
  func activeNeurons(_ group: NeuronGroup, core: DecoderCore) -> PredictedSets {
    let scratch = core.scratch
    let words = (group.neuronCount + 63) / 64
    guard let predictor = layers[group.layer] else {
      return unsafe PredictedSets(words: nil, wordsPerToken: words)
    }
    let scores = unsafe scratch.neuronOutputs
    unsafe score(predictor, group, into: scores, core: core)
    core.split(group.neuronCount, granularity: 64) { columns in
      for token in 0..<group.tokenCount {
        let row = unsafe scores + token * group.stride
        for word in columns.lowerBound / 64..<(columns.upperBound + 63) / 64 {
          var bits: UInt64 = 0
          for column in word * 64..<min(columns.upperBound, word * 64 + 64) {
            bits |= (unsafe row[column] > 0 ? 1 : 0) << UInt64(column % 64)
          }
          unsafe scratch.predictedSets[token * words + word] = bits
        }
      }
    }
    return unsafe PredictedSets(words: scratch.predictedSets, wordsPerToken: words)
  }

  /// Writes the scores of a later layer's neurons for the one token's state of the layer at work
  /// into `scratch.guesses`. Returns whether the later layer has a predictor.
  func guess(_ group: NeuronGroup, core: DecoderCore) -> Bool {
    guard let predictor = layers[group.layer] else { return false }
    unsafe score(predictor, group, into: core.scratch.guesses, core: core)
    return true
  }

  /// `W2 · f(W1 · x) + b` of each run into its columns of `scores[t]`.
  private func score(
    _ predictor: LayerPredictor, _ group: NeuronGroup, into scores: UnsafeMutablePointer<Float>,
    core: DecoderCore
  ) {
    prepare(predictor, group, core: core)
    group.forEachRun(inColumns: 0..<group.neuronCount) { run, _ in
      hide(predictor, group, run, core: core)
      unsafe score(predictor, group, run, into: scores + run.column, core: core)
    }
  }

  /// The states as W1 takes them, into `scratch.predictorInputs`.
  private func prepare(_ predictor: LayerPredictor, _ group: NeuronGroup, core: DecoderCore) {
    let reduction = predictor.reduction
    unsafe core.prepareActivations(
      core.predictorInput(predictor.input), width: reduction.width, tokenCount: group.tokenCount,
      tokens: group.tokens, format: reduction.format, into: core.scratch.predictorInputs)
  }

  /// `f(W1 · x)` of a run, rounded as W2 takes it, into `scratch.preparedHidden`.
  private func hide(
    _ predictor: LayerPredictor, _ group: NeuronGroup, _ run: NeuronRun, core: DecoderCore
  ) {
    let scratch = core.scratch
    let reduction = predictor.reduction
    let rank = predictor.rank
    let stride = scratch.shape.predictorRank
    let firstRow = run.first / run.count * rank
    let rows =
      unsafe core.residency.predictor(predictor.firstExtent) + firstRow * reduction.rowByteCount
    core.split(rank) { part in
      unsafe core.kernels.dot(
        reduction.format, width: reduction.width,
        rows: rows + part.lowerBound * reduction.rowByteCount, rowStride: reduction.rowByteCount,
        rowCount: part.count, activations: scratch.predictorInputs,
        activationStride: scratch.shape.activationByteCount, tokenCount: group.tokenCount,
        output: scratch.hidden + part.lowerBound, outputStride: stride)
    }
    core.split(group.tokenCount) { tokens in
      for token in tokens {
        let hidden = unsafe scratch.hidden + token * stride
        if predictor.hasHiddenActivation {
          unsafe core.kernels.activate(.relu, hidden, count: rank)
        }
        unsafe core.kernels.prepareActivation(
          hidden, width: rank, predictor.expansion.format,
          into: scratch.preparedHidden + token * scratch.shape.hiddenByteCount)
      }
    }
  }

  /// `W2 · hidden + b` of a run into `scores[t]`.
  private func score(
    _ predictor: LayerPredictor, _ group: NeuronGroup, _ run: NeuronRun,
    into scores: UnsafeMutablePointer<Float>, core: DecoderCore
  ) {
    let scratch = core.scratch
    let expansion = predictor.expansion
    let first = run.first
    let rows =
      unsafe core.residency.predictor(predictor.firstExtent + 1) + first * expansion.rowByteCount
    let bias = unsafe core.residency.predictor(predictor.firstExtent + 2)
      .assumingMemoryBound(to: Float.self)
    core.split(run.count, granularity: 64) { part in
      unsafe core.kernels.dot(
        expansion.format, width: expansion.width,
        besideRows: rows + part.lowerBound * expansion.rowByteCount, rowCount: part.count,
        activations: scratch.preparedHidden, activationStride: scratch.shape.hiddenByteCount,
        tokenCount: group.tokenCount, output: scores + part.lowerBound,
        outputStride: group.stride)
      for token in 0..<group.tokenCount {
        unsafe core.kernels.add(
          bias + first + part.lowerBound, to: scores + token * group.stride + part.lowerBound,
          count: part.count)
      }
    }
  }

  /// Puts W2's rows side by side, each expert's by themselves, once, after they were read: a row is
  /// a block or a few long.
  func arrange(in residency: WeightResidency) {
    for (predictor, bundles) in zip(layers, residency.manifest.bundles) {
      guard let predictor else { continue }
      let expansion = predictor.expansion
      let count = bundles.neuronsPerExpert
      unsafe residency.withPredictor(predictor.firstExtent + 1) { rows in
        for first in stride(from: 0, to: bundles.neuronCount, by: max(1, count)) {
          unsafe SideBySide.arrange(
            expansion.format, width: expansion.width, rowCount: count,
            rows: rows + first * expansion.rowByteCount)
        }
      }
    }
  }
}

extension WindowCurve {
  /// The curve that a certificate measured.
  init(_ certificate: Certificate) {
    let fraction = certificate.newFractionPerWindow.first ?? 1
    let new = certificate.newBytesPerToken.first ?? 0
    self.init(
      activeByteCount: fraction > 0 ? new / fraction : 0,
      newByteCounts: certificate.newBytesPerToken)
  }
}
