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
}

/// Says which neurons will fire before any of their rows is read: for each layer
/// `scores = W2 · f(W1 · x) + b` over the feed-forward input, normed or not, above zero
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
  var rank: Int { layers.compactMap { $0?.reduction.rows }.max() ?? 0 }

  /// Bytes of a prepared hidden state of any layer.
  func hiddenByteCount(_ kernels: Kernels) -> Int {
    layers.compactMap { $0?.expansion }
      .map { kernels.activationByteCount($0.format, width: $0.width) }.max() ?? 0
  }
}

/// The neurons that a predictor names, for each token of a chunk.
///
/// A row of bits for each token; all of them where the layer has no predictor.
@safe struct PredictedSets {
  /// Bits of `[chunk, wordsPerToken]`; nil where every neuron is in every set.
  let words: UnsafeMutablePointer<UInt64>?
  let wordsPerToken: Int

  /// Whether a token's set has a neuron.
  func contains(_ neuron: Int, token: Int) -> Bool {
    guard let words = unsafe words else { return true }
    return unsafe words[token * wordsPerToken + neuron / 64] >> UInt64(neuron % 64) & 1 == 1
  }

  /// Whether there are sets at all.
  var isSelective: Bool { unsafe words != nil }

  func insert(_ neuron: Int, token: Int) {
    guard let words = unsafe words else { return }
    unsafe words[token * wordsPerToken + neuron / 64] |= 1 << UInt64(neuron % 64)
  }

  /// The neurons that any of the first tokens' sets has, ascending.
  ///
  /// - Parameter neurons: room for all `count` of the layer.
  func union(
    tokenCount: Int, count: Int, into neurons: UnsafeMutablePointer<Int32>
  ) -> ActiveSet {
    guard let words = unsafe words else { return .all(count) }
    var found = 0
    for word in 0..<wordsPerToken {
      var bits: UInt64 = 0
      for token in 0..<tokenCount { unsafe bits |= words[token * wordsPerToken + word] }
      while bits != 0 {
        unsafe neurons[found] = Int32(word * 64 + bits.trailingZeroBitCount)
        found += 1
        bits &= bits - 1
      }
    }
    return unsafe ActiveSet(neurons: neurons, count: found)
  }
}

extension SparsityPredictor {
  /// The sets of the chunk's tokens for the layer at work; valid until the next call.
  ///
  /// - Complexity: rank · (width + neurons) multiplications a token.
  func activeNeurons(
    layer: Int, neuronCount: Int, tokenCount: Int, core: DecoderCore
  ) -> PredictedSets {
    let scratch = core.scratch
    let words = (neuronCount + 63) / 64
    guard let predictor = layers[layer] else {
      return unsafe PredictedSets(words: nil, wordsPerToken: words)
    }
    hide(predictor, tokenCount: tokenCount, core: core)
    unsafe score(
      predictor, tokenCount: tokenCount, into: scratch.neuronOutputs, core: core
    ) { neurons, scores, token in
      for word in neurons.lowerBound / 64..<(neurons.upperBound + 63) / 64 {
        var bits: UInt64 = 0
        for neuron in word * 64..<min(neurons.upperBound, word * 64 + 64) {
          bits |= (unsafe scores[neuron] > 0 ? 1 : 0) << UInt64(neuron % 64)
        }
        unsafe scratch.predictedSets[token * words + word] = bits
      }
    }
    return unsafe PredictedSets(words: scratch.predictedSets, wordsPerToken: words)
  }

  /// Writes a layer's scores for the one token's state of an earlier layer, the one at work, into
  /// `scratch.guesses`. Returns whether the layer has a predictor.
  func guess(layer: Int, core: DecoderCore) -> Bool {
    guard let predictor = layers[layer] else { return false }
    let guesses = unsafe core.scratch.guesses
    hide(predictor, tokenCount: 1, core: core)
    unsafe score(predictor, tokenCount: 1, into: guesses, core: core) { _, _, _ in }
    return true
  }

  /// `f(W1 · x)`, rounded as W2 takes it, into `scratch.preparedHidden`.
  private func hide(_ predictor: LayerPredictor, tokenCount: Int, core: DecoderCore) {
    let scratch = core.scratch
    let reduction = predictor.reduction
    let stride = scratch.shape.predictorRank
    unsafe core.prepareActivations(
      core.predictorInput(predictor.input), width: reduction.width, tokenCount: tokenCount,
      format: reduction.format)
    let rows = unsafe core.residency.predictor(predictor.firstExtent)
    core.split(reduction.rows) { part in
      unsafe core.kernels.dot(
        reduction.format, width: reduction.width,
        rows: rows + part.lowerBound * reduction.rowByteCount, rowStride: reduction.rowByteCount,
        rowCount: part.count, activations: scratch.activations,
        activationStride: scratch.shape.activationByteCount, tokenCount: tokenCount,
        output: scratch.hidden + part.lowerBound, outputStride: stride)
    }
    core.split(tokenCount) { tokens in
      for token in tokens {
        let hidden = unsafe scratch.hidden + token * stride
        if predictor.hasHiddenActivation {
          unsafe core.kernels.activate(.relu, hidden, count: reduction.rows)
        }
        unsafe core.kernels.prepareActivation(
          hidden, width: reduction.rows, predictor.expansion.format,
          into: scratch.preparedHidden + token * scratch.shape.hiddenByteCount)
      }
    }
  }

  /// `W2 · hidden + b` into `scores[t][neuron]`, and `body` for each token and each thread's
  /// neurons, which begin at a multiple of 64, with the token's scores.
  private func score(
    _ predictor: LayerPredictor, tokenCount: Int, into scores: UnsafeMutablePointer<Float>,
    core: DecoderCore, _ body: (Range<Int>, UnsafePointer<Float>, Int) -> Void
  ) {
    let scratch = core.scratch
    let expansion = predictor.expansion
    let stride = scratch.shape.feedForwardWidth
    let rows = unsafe core.residency.predictor(predictor.firstExtent + 1)
    let bias = unsafe core.residency.predictor(predictor.firstExtent + 2)
      .assumingMemoryBound(to: Float.self)
    core.split(expansion.rows, granularity: 64) { part in
      unsafe core.kernels.dot(
        expansion.format, width: expansion.width,
        besideRows: rows + part.lowerBound * expansion.rowByteCount, rowCount: part.count,
        activations: scratch.preparedHidden, activationStride: scratch.shape.hiddenByteCount,
        tokenCount: tokenCount, output: scores + part.lowerBound, outputStride: stride)
      for token in 0..<tokenCount {
        let row = unsafe scores + token * stride
        unsafe core.kernels.add(
          bias + part.lowerBound, to: row + part.lowerBound, count: part.count)
        unsafe body(part, row, token)
      }
    }
  }

  /// Puts W2's rows side by side, once, after they were read: a row is a block or a few long.
  func arrange(in residency: WeightResidency) {
    for case let predictor? in layers {
      let expansion = predictor.expansion
      unsafe residency.withPredictor(predictor.firstExtent + 1) { rows in
        unsafe SideBySide.arrange(
          expansion.format, width: expansion.width, rowCount: expansion.rows, rows: rows)
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
