import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// What every step of a forward pass works with: kernels, threads, weights, buffers and a clock.
@safe final class DecoderCore {
  let configuration: ModelConfiguration
  let family: FamilyArithmetic
  let kernels: Kernels
  let pool: WorkerPool
  let residency: WeightResidency
  let scratch: DecoderScratch
  /// Sees the feed-forward parts at work; nil but in calibration.
  var observer: (any FeedForwardObserver)?
  /// Is told where the time goes; nil but where a run is traced.
  var recorder: TraceRecorder?
  /// What the arithmetic is for, for the recorder.
  var arithmetic = TraceSpan.Kind.attention
  /// Nanoseconds spent in kernels since the decoder was made.
  private(set) var arithmeticNanoseconds = 0
  /// Nanoseconds spent in guessing what the next layer wants, since the decoder was made.
  private(set) var lookAheadNanoseconds = 0
  /// Nanoseconds of the arithmetic's in which predictors named neurons.
  private(set) var predictorNanoseconds = 0
  /// Neurons whose rows were all multiplied, since the decoder was made; a chunk's count once.
  var neuronCount = 0
  /// Experts of the load under way.
  var loadedExpertCount = 0
  /// What a step found that no read explains; the pass ends with it after the layer.
  var fault: DecoderError?

  init(
    configuration: ModelConfiguration, kernels: Kernels, pool: WorkerPool,
    residency: WeightResidency, scratch: DecoderScratch
  ) {
    self.configuration = configuration
    family = FamilyArithmetic(configuration)
    self.kernels = kernels
    self.pool = pool
    self.residency = residency
    self.scratch = scratch
  }

  /// Runs `body(part)` for all parts on the pool and counts the time as arithmetic.
  func run(_ partCount: Int, _ body: (Int) -> Void) {
    run(partCount, beside: {}, body)
  }

  /// The same, with `aside` on this thread while the others compute.
  func run(_ partCount: Int, beside aside: () -> Void, _ body: (Int) -> Void) {
    let start = MonotonicClock.nanoseconds
    pool.run(partCount, beside: aside, body)
    let end = MonotonicClock.nanoseconds
    arithmeticNanoseconds += end - start
    recorder?.record(arithmetic, from: start, to: end)
    residency.look()
  }

  /// Cuts `count` items into one range a thread and runs `body` for each that is not empty; what is
  /// one granule this thread does alone, without a wake-up.
  func split(_ count: Int, granularity: Int = 1, _ body: (Range<Int>) -> Void) {
    let parts = count <= granularity ? 1 : pool.threadCount
    run(parts) { part in
      let range = WorkerPool.split(
        count: count, parts: parts, granularity: granularity, index: part)
      if !range.isEmpty { body(range) }
    }
  }

  /// Runs `body` and counts its time as looking ahead, arithmetic in it too: that is no part of the
  /// answer.
  func lookingAhead<Result, Failure>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let start = MonotonicClock.nanoseconds
    let counted = arithmeticNanoseconds
    // One span stands for all of it.
    let recorder = recorder
    self.recorder = nil
    defer {
      self.recorder = recorder
      arithmeticNanoseconds = counted
      let end = MonotonicClock.nanoseconds
      lookAheadNanoseconds += end - start
      recorder?.record(.lookAhead, from: start, to: end)
    }
    return try body()
  }

  /// Runs `body` and counts its arithmetic as the predictors'.
  func predicting<Result>(_ body: () -> Result) -> Result {
    let counted = arithmeticNanoseconds
    let kind = arithmetic
    arithmetic = .predictor
    defer {
      arithmetic = kind
      predictorNanoseconds += arithmeticNanoseconds - counted
    }
    return body()
  }

  /// What predictors take of the layer at work, `[tokenCount, width]`: there from the moment its
  /// feed-forward part begins.
  func predictorInput(_ input: PredictorInput) -> UnsafeMutablePointer<Float> {
    switch input {
    case .feedForwardNorm: unsafe scratch.normed
    case .feedForwardInput: unsafe family.order.isParallel ? scratch.layerInput : scratch.residual
    }
  }

  /// Rounds `[tokenCount, width]` as dot products with rows of `format` want it, into `prepared`,
  /// `[tokenCount, activationByteCount]`; nil: `scratch.activations`.
  ///
  /// - Parameter tokens: which rows of the input, `[tokenCount]`; nil for the first ones.
  func prepareActivations(
    _ input: UnsafePointer<Float>, width: Int, tokenCount: Int,
    tokens: UnsafePointer<Int32>? = nil, format: RowFormat,
    into prepared: UnsafeMutableRawPointer? = nil
  ) {
    let prepared = unsafe prepared ?? scratch.activations
    let stride = scratch.shape.activationByteCount
    split(tokenCount) { rows in
      for row in rows {
        let token = unsafe tokens.map { unsafe Int($0[row]) } ?? row
        unsafe kernels.prepareActivation(
          input + token * width, width: width, format, into: prepared + row * stride)
      }
    }
  }

  /// `output[t] = weight · input[t] + bias`, output rows `outputStride` values apart.
  ///
  /// - Parameter activations: the prepared input, `[tokenCount, activationByteCount]`; nil:
  ///   `scratch.activations`.
  /// - Throws: the read that failed.
  func project(
    _ matrix: LayerMatrix, tokenCount: Int, activations: UnsafeRawPointer? = nil,
    output: UnsafeMutablePointer<Float>, outputStride: Int
  ) throws(ReadFailure) {
    let tensor = matrix.tensor
    let activations = unsafe activations ?? UnsafeRawPointer(scratch.activations)
    try unsafe residency.withRows(ofTensor: matrix.index) { rows, base in
      split(rows.count) { part in
        unsafe kernels.dot(
          tensor.format, width: tensor.width, rows: base + part.lowerBound * tensor.rowByteCount,
          rowStride: tensor.rowByteCount, rowCount: part.count, activations: activations,
          activationStride: scratch.shape.activationByteCount, tokenCount: tokenCount,
          output: output + rows.lowerBound + part.lowerBound, outputStride: outputStride)
      }
    }
    guard let bias = matrix.bias else { return }
    let values = unsafe residency.address(ofTensor: bias).assumingMemoryBound(to: Float.self)
    for token in 0..<tokenCount {
      unsafe kernels.add(values, to: output + token * outputStride, count: tensor.rows)
    }
  }

  /// `output[t] = weight · scratch.normed[t] + bias`, preparing the state only where the weight's
  /// format is not the one it is `prepared` for.
  func projectNormed(
    _ matrix: LayerMatrix, _ tokenCount: Int, into output: UnsafeMutablePointer<Float>,
    stride: Int, _ prepared: inout RowFormat?
  ) throws(ReadFailure) {
    if prepared != matrix.tensor.format {
      unsafe prepareActivations(
        scratch.normed, width: configuration.width, tokenCount: tokenCount,
        format: matrix.tensor.format)
      prepared = matrix.tensor.format
    }
    try unsafe project(matrix, tokenCount: tokenCount, output: output, outputStride: stride)
  }

  /// Norms `tokenCount` rows of `[.., width]` into `output`.
  func normalize(
    _ input: UnsafePointer<Float>, tokenCount: Int, norm: LayerNorm,
    into output: UnsafeMutablePointer<Float>
  ) {
    let width = configuration.width
    let norm = rowNorm(norm, width: width)
    split(tokenCount) { tokens in
      for token in tokens {
        unsafe norm.apply(input + token * width, into: output + token * width)
      }
    }
  }

  /// A norm over rows of `width` values.
  func rowNorm(_ norm: LayerNorm, width: Int) -> RowNorm {
    unsafe RowNorm(
      kernels: kernels, kind: configuration.normalization.kind,
      epsilon: Float(configuration.normalization.epsilon), width: width,
      weight: UnsafePointer(
        residency.address(ofTensor: norm.weight).assumingMemoryBound(to: Float.self)),
      bias: norm.bias.map {
        unsafe UnsafePointer(residency.address(ofTensor: $0).assumingMemoryBound(to: Float.self))
      })
  }
}

/// A norm with its weights in memory.
@safe struct RowNorm {
  let kernels: Kernels
  let kind: Normalization.Kind
  let epsilon: Float
  let width: Int
  let weight: UnsafePointer<Float>
  let bias: UnsafePointer<Float>?

  /// Norms one row; the output may be the input.
  func apply(_ row: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>) {
    switch kind {
    case .rms:
      unsafe kernels.rmsNorm(row, width: width, weight: weight, epsilon: epsilon, into: output)
    case .layer:
      unsafe kernels.layerNorm(
        row, width: width, weight: weight, bias: bias, epsilon: epsilon, into: output)
    }
  }
}
