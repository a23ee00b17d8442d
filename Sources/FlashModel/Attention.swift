import FlashIO
import FlashKernels
import FlashWeights
internal import Glibc

/// Variable-GQA attention over the KV cache, cut into parts at fixed positions.
///
/// The positions a query sees are cut at multiples of `partLength`, whatever the chunk or the
/// number of threads; each part keeps (maximum, sum, weighted values), and parts are combined in
/// ascending order by log-sum-exp (Flash-Decoding). A part's arithmetic and the order of combining
/// are the same whether one thread does all parts or each does some, so the bits are, too.
struct Attention {
  static let partLength = 256

  let core: DecoderCore
  let cache: KVCache
  let rotary: RotaryEmbedding?

  /// Adds the attention of `tokenCount` tokens from `position` on to the residual stream.
  func forward(
    _ weights: LayerWeights, layer: Int, position: Int, tokenCount: Int
  ) throws(ReadFailure) {
    core.arithmetic = .attention
    let scratch = core.scratch
    let shape = weights.configuration
    let queryWidth = shape.queryHeads * core.configuration.headDimension
    let keyValueWidth = shape.keyValueHeads * core.configuration.headDimension
    unsafe core.normalize(
      scratch.residual, tokenCount: tokenCount, norm: weights.attentionNorm,
      into: scratch.normed)
    var prepared: RowFormat?
    try unsafe project(
      weights.query, tokenCount, into: scratch.queries, stride: queryWidth, &prepared)
    try unsafe project(
      weights.key, tokenCount, into: scratch.keys, stride: keyValueWidth, &prepared)
    try unsafe project(
      weights.value, tokenCount, into: scratch.values, stride: keyValueWidth, &prepared)
    store(shape, layer: layer, position: position, tokenCount: tokenCount)
    attend(shape, layer: layer, position: position, tokenCount: tokenCount)
    unsafe core.prepareActivations(
      scratch.attended, width: queryWidth, tokenCount: tokenCount,
      format: weights.attentionOutput.tensor.format)
    try unsafe core.project(
      weights.attentionOutput, tokenCount: tokenCount, output: scratch.projected,
      outputStride: core.configuration.width)
    unsafe core.kernels.add(
      scratch.projected, to: scratch.residual, count: tokenCount * core.configuration.width)
  }

  /// Projects the normed state, preparing it again only where the weight's format differs.
  private func project(
    _ matrix: LayerMatrix, _ tokenCount: Int, into output: UnsafeMutablePointer<Float>,
    stride: Int, _ prepared: inout RowFormat?
  ) throws(ReadFailure) {
    if prepared != matrix.tensor.format {
      unsafe core.prepareActivations(
        core.scratch.normed, width: core.configuration.width, tokenCount: tokenCount,
        format: matrix.tensor.format)
      prepared = matrix.tensor.format
    }
    try unsafe core.project(matrix, tokenCount: tokenCount, output: output, outputStride: stride)
  }

  /// Rotates queries and keys and puts keys and values into the cache.
  private func store(
    _ shape: LayerConfiguration, layer: Int, position: Int, tokenCount: Int
  ) {
    let scratch = core.scratch
    let dimension = core.configuration.headDimension
    core.split(tokenCount) { tokens in
      for token in tokens {
        if let rotary {
          let queries = unsafe scratch.queries + token * shape.queryHeads * dimension
          unsafe rotate(queries, heads: shape.queryHeads, token: token, rotary)
          let keys = unsafe scratch.keys + token * shape.keyValueHeads * dimension
          unsafe rotate(keys, heads: shape.keyValueHeads, token: token, rotary)
        }
        for head in 0..<shape.keyValueHeads {
          let source = (token * shape.keyValueHeads + head) * dimension
          unsafe core.kernels.storeKeyValue(
            cache.keyFormat, scratch.keys + source, count: dimension,
            into: cache.key(layer: layer, head: head, position: position + token))
          unsafe core.kernels.storeKeyValue(
            cache.valueFormat, scratch.values + source, count: dimension,
            into: cache.value(layer: layer, head: head, position: position + token))
        }
      }
    }
  }

  private func rotate(
    _ vectors: UnsafeMutablePointer<Float>, heads: Int, token: Int, _ rotary: RotaryEmbedding
  ) {
    for head in 0..<heads {
      unsafe core.kernels.rotate(
        vectors + head * core.configuration.headDimension,
        cosine: rotary.cosines + token * rotary.pairCount,
        sine: rotary.sines + token * rotary.pairCount, half: rotary.pairCount)
    }
  }

  private func attend(
    _ shape: LayerConfiguration, layer: Int, position: Int, tokenCount: Int
  ) {
    let partCount = (position + tokenCount - 1) / Self.partLength + 1
    // One token with few KV heads has no other parallelism than its parts.
    if tokenCount == 1, partCount > 1, core.pool.threadCount > 1 {
      attendByParts(shape, layer: layer, position: position, partCount: partCount)
    } else {
      attendByHeads(shape, layer: layer, position: position, tokenCount: tokenCount)
    }
  }

  /// Each thread takes whole (token, query head) pairs and combines their parts as it goes.
  private func attendByHeads(
    _ shape: LayerConfiguration, layer: Int, position: Int, tokenCount: Int
  ) {
    let dimension = core.configuration.headDimension
    let threads = core.pool.threadCount
    let partSize = dimension + 2
    let spare = unsafe core.scratch.attentionParts
    core.run(threads) { thread in
      let part = unsafe spare + thread * partSize
      let range = WorkerPool.split(
        count: tokenCount * shape.queryHeads, parts: threads, granularity: 1, index: thread)
      for pair in range {
        let token = pair / shape.queryHeads
        let length = position + token + 1
        let output = unsafe core.scratch.attended + pair * dimension
        var state = SoftmaxState()
        for start in stride(from: 0, to: length, by: Self.partLength) {
          let end = min(length, start + Self.partLength)
          let query = AttentionQuery(
            layer: layer, head: pair % shape.queryHeads, pair: pair, shape: shape)
          unsafe attendPart(query, start..<end, thread: thread, into: part)
          unsafe state.combine(part, into: output, dimension: dimension)
        }
        unsafe state.finish(output, dimension: dimension)
      }
    }
  }

  /// Each thread takes (query head, part) pairs; parts are combined afterwards in order.
  private func attendByParts(
    _ shape: LayerConfiguration, layer: Int, position: Int, partCount: Int
  ) {
    let dimension = core.configuration.headDimension
    let partSize = dimension + 2
    let threads = core.pool.threadCount
    core.run(threads) { thread in
      let range = WorkerPool.split(
        count: shape.queryHeads * partCount, parts: threads, granularity: 1, index: thread)
      for item in range {
        let start = item % partCount * Self.partLength
        let end = min(position + 1, start + Self.partLength)
        let head = item / partCount
        let query = AttentionQuery(layer: layer, head: head, pair: head, shape: shape)
        unsafe attendPart(
          query, start..<end, thread: thread,
          into: core.scratch.attentionParts + item * partSize)
      }
    }
    core.split(shape.queryHeads) { heads in
      for head in heads {
        let output = unsafe core.scratch.attended + head * dimension
        var state = SoftmaxState()
        for part in 0..<partCount {
          unsafe state.combine(
            core.scratch.attentionParts + (head * partCount + part) * partSize,
            into: output, dimension: dimension)
        }
        unsafe state.finish(output, dimension: dimension)
      }
    }
  }

  /// Writes (maximum, sum of exponentials, weighted values) of some positions.
  private func attendPart(
    _ query: AttentionQuery, _ positions: Range<Int>, thread: Int,
    into part: UnsafeMutablePointer<Float>
  ) {
    let dimension = core.configuration.headDimension
    let weights = unsafe core.scratch.attentionWeights + thread * Self.partLength
    let head = query.keyValueHead
    unsafe core.kernels.scores(
      cache.keyFormat, query: core.scratch.queries + query.pair * dimension,
      headDimension: dimension,
      keys: cache.key(layer: query.layer, head: head, position: positions.lowerBound),
      stride: cache.keyStride, count: positions.count, scale: 1 / Float(dimension).squareRoot(),
      into: weights)
    let softmax = unsafe core.kernels.softmaxPart(weights, count: positions.count)
    unsafe part[0] = softmax.maximum
    unsafe part[1] = softmax.sum
    unsafe (part + 2).update(repeating: 0, count: dimension)
    unsafe core.kernels.addValues(
      cache.valueFormat, weights: weights, count: positions.count,
      values: cache.value(layer: query.layer, head: head, position: positions.lowerBound),
      stride: cache.valueStride, headDimension: dimension, to: part + 2)
  }
}

/// One query vector: which layer and head it belongs to, and its place in the chunk's queries.
private struct AttentionQuery {
  var layer: Int
  var head: Int
  /// `token * queryHeads + head`.
  var pair: Int
  var shape: LayerConfiguration

  /// KV head j serves query heads j * group ..< (j + 1) * group.
  var keyValueHead: Int { head / (shape.queryHeads / shape.keyValueHeads) }
}

/// The running combination of attention parts by log-sum-exp.
private struct SoftmaxState {
  private var maximum = -Float.infinity
  private var sum: Float = 0
  private var isEmpty = true

  /// Folds a part (maximum, sum, values) into `output`; always called in ascending order.
  mutating func combine(
    _ part: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, dimension: Int
  ) {
    let partMaximum = unsafe part[0]
    guard !isEmpty else {
      isEmpty = false
      maximum = partMaximum
      sum = unsafe part[1]
      unsafe output.update(from: part + 2, count: dimension)
      return
    }
    let highest = max(maximum, partMaximum)
    let old = expf(maximum - highest)
    let new = expf(partMaximum - highest)
    maximum = highest
    sum = unsafe sum * old + part[1] * new
    for index in 0..<dimension {
      unsafe output[index] = output[index] * old + part[2 + index] * new
    }
  }

  /// Divides by the sum of all exponentials.
  func finish(_ output: UnsafeMutablePointer<Float>, dimension: Int) {
    let scale = 1 / sum
    for index in 0..<dimension { unsafe output[index] *= scale }
  }
}
