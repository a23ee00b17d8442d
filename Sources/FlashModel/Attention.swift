import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow
internal import Glibc

/// Variable-GQA attention over the KV cache, cut into parts at fixed positions.
///
/// The positions a query sees are cut at multiples of `partLength`, whatever the chunk or the
/// number of threads; each part keeps (maximum, sum, weighted values), and parts are combined in
/// ascending order by log-sum-exp (Flash-Decoding). A part's arithmetic and the order of combining
/// are the same whether one thread does all parts or each does some, so the bits are, too.
struct Attention {
  static let partLength = 256
  /// Tokens of a chunk between which threads meet.
  private static let tokensAtOnce = 32

  let core: DecoderCore
  let cache: KVCache
  let rotary: RotaryTables

  /// Writes the attention of `tokenCount` tokens from `position` on, whose states are in
  /// `scratch.normed`, to `scratch.projected`.
  func forward(
    _ weights: AttentionWeights, _ shape: LayerConfiguration, layer: Int, position: Int,
    tokenCount: Int
  ) throws(ReadFailure) {
    let scratch = core.scratch
    let queryWidth = shape.queryHeads * core.configuration.headDimension
    let keyValueWidth = shape.keyValueHeads * core.configuration.headDimension
    var prepared: RowFormat?
    try unsafe core.projectNormed(
      weights.query, tokenCount, into: scratch.queries, stride: queryWidth, &prepared)
    try unsafe core.projectNormed(
      weights.key, tokenCount, into: scratch.keys, stride: keyValueWidth, &prepared)
    try unsafe core.projectNormed(
      weights.value, tokenCount, into: scratch.values, stride: keyValueWidth, &prepared)
    if let norm = weights.queryNorm {
      unsafe normalize(
        scratch.queries, heads: shape.queryHeads, tokenCount: tokenCount, norm: norm)
    }
    if let norm = weights.keyNorm {
      unsafe normalize(
        scratch.keys, heads: shape.keyValueHeads, tokenCount: tokenCount, norm: norm)
    }
    store(shape, layer: layer, position: position, tokenCount: tokenCount)
    let sinks = unsafe weights.sinks.map {
      unsafe core.residency.address(ofTensor: $0).assumingMemoryBound(to: Float.self)
    }
    unsafe attend(shape, layer: layer, position: position, tokenCount: tokenCount, sinks: sinks)
    unsafe core.prepareActivations(
      scratch.attended, width: queryWidth, tokenCount: tokenCount,
      format: weights.output.tensor.format)
    try unsafe core.project(
      weights.output, tokenCount: tokenCount, output: scratch.projected,
      outputStride: core.configuration.width)
  }

  /// Norms the heads of queries or keys in place, each by itself or a token's all together.
  private func normalize(
    _ vectors: UnsafeMutablePointer<Float>, heads: Int, tokenCount: Int, norm: LayerNorm
  ) {
    let isTogether = core.family.queryKeyNorm == .allHeads
    let rowCount = isTogether ? 1 : heads
    let width = core.configuration.headDimension * (isTogether ? heads : 1)
    let norm = core.rowNorm(norm, width: width)
    core.split(tokenCount) { tokens in
      for row in tokens.lowerBound * rowCount..<tokens.upperBound * rowCount {
        unsafe norm.apply(vectors + row * width, into: vectors + row * width)
      }
    }
  }

  /// Rotates queries and keys and puts keys and values into the cache.
  private func store(
    _ shape: LayerConfiguration, layer: Int, position: Int, tokenCount: Int
  ) {
    let scratch = core.scratch
    let dimension = core.configuration.headDimension
    let rotary = rotary[shape]
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
    _ shape: LayerConfiguration, layer: Int, position: Int, tokenCount: Int,
    sinks: UnsafePointer<Float>?
  ) {
    let parts = Self.parts(of: shape.visible(at: position))
    // One token with few KV heads has no other parallelism than its parts.
    if tokenCount == 1, parts.count > 1, core.pool.threadCount > 1 {
      unsafe attendByParts(shape, layer: layer, position: position, parts: parts, sinks: sinks)
    } else {
      // Later tokens see more: of all at once, the thread with the last ones would be waited for.
      for first in stride(from: 0, to: tokenCount, by: Self.tokensAtOnce) {
        unsafe attendByHeads(
          shape, layer: layer, position: position,
          tokens: first..<min(tokenCount, first + Self.tokensAtOnce), sinks: sinks)
      }
    }
  }

  /// The parts that some positions lie in.
  private static func parts(of positions: Range<Int>) -> Range<Int> {
    positions.lowerBound / partLength..<(positions.upperBound - 1) / partLength + 1
  }

  /// Each thread takes whole (token, query head) pairs and combines their parts as it goes.
  private func attendByHeads(
    _ shape: LayerConfiguration, layer: Int, position: Int, tokens: Range<Int>,
    sinks: UnsafePointer<Float>?
  ) {
    let heads = shape.queryHeads
    let dimension = core.configuration.headDimension
    let threads = core.pool.threadCount
    let partSize = dimension + 2
    let spare = unsafe core.scratch.attentionParts
    core.run(threads) { thread in
      let part = unsafe spare + thread * partSize
      let range = WorkerPool.split(
        count: tokens.count * heads, parts: threads, granularity: 1, index: thread)
      for index in range {
        let pair = tokens.lowerBound * heads + index
        let token = pair / heads
        let visible = shape.visible(at: position + token)
        let output = unsafe core.scratch.attended + pair * dimension
        var state = SoftmaxState()
        for piece in Self.parts(of: visible) {
          let query = AttentionQuery(
            layer: layer, head: pair % heads, pair: pair, shape: shape)
          unsafe attendPart(query, visible, piece, thread: thread, into: part)
          unsafe state.combine(part, into: output, dimension: dimension)
        }
        if let sinks = unsafe sinks {
          unsafe state.combine(
            sink: sinks[pair % heads], into: output, dimension: dimension)
        }
        unsafe state.finish(output, dimension: dimension)
      }
    }
  }

  /// Each thread takes (query head, part) pairs; parts are combined afterwards in order.
  private func attendByParts(
    _ shape: LayerConfiguration, layer: Int, position: Int, parts: Range<Int>,
    sinks: UnsafePointer<Float>?
  ) {
    let dimension = core.configuration.headDimension
    let partSize = dimension + 2
    let threads = core.pool.threadCount
    let visible = shape.visible(at: position)
    core.run(threads) { thread in
      let range = WorkerPool.split(
        count: shape.queryHeads * parts.count, parts: threads, granularity: 1, index: thread)
      for item in range {
        let head = item / parts.count
        let query = AttentionQuery(layer: layer, head: head, pair: head, shape: shape)
        unsafe attendPart(
          query, visible, parts.lowerBound + item % parts.count, thread: thread,
          into: core.scratch.attentionParts + item * partSize)
      }
    }
    core.split(shape.queryHeads) { heads in
      for head in heads {
        let output = unsafe core.scratch.attended + head * dimension
        var state = SoftmaxState()
        for part in 0..<parts.count {
          unsafe state.combine(
            core.scratch.attentionParts + (head * parts.count + part) * partSize,
            into: output, dimension: dimension)
        }
        if let sinks = unsafe sinks {
          unsafe state.combine(sink: sinks[head], into: output, dimension: dimension)
        }
        unsafe state.finish(output, dimension: dimension)
      }
    }
  }

  /// Writes (maximum, sum of exponentials, weighted values) of the visible positions of a part.
  private func attendPart(
    _ query: AttentionQuery, _ visible: Range<Int>, _ index: Int, thread: Int,
    into part: UnsafeMutablePointer<Float>
  ) {
    let positions = visible.clamped(
      to: index * Self.partLength..<(index + 1) * Self.partLength)
    let dimension = core.configuration.headDimension
    let weights = unsafe core.scratch.attentionWeights + thread * Self.partLength
    let head = query.keyValueHead
    unsafe core.kernels.scores(
      cache.keyFormat, query: core.scratch.queries + query.pair * dimension,
      headDimension: dimension,
      keys: cache.key(layer: query.layer, head: head, position: positions.lowerBound),
      stride: cache.keyStride, count: positions.count, scale: core.family.attentionScale,
      into: weights)
    if let cap = core.family.attentionCap {
      unsafe core.kernels.cap(weights, at: cap, count: positions.count)
    }
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

extension LayerConfiguration {
  /// The positions that a query at `position` sees.
  fileprivate func visible(at position: Int) -> Range<Int> {
    max(0, position + 1 - (window ?? position + 1))..<position + 1
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

  /// Takes in a logit without values, after all parts.
  mutating func combine(sink: Float, into output: UnsafeMutablePointer<Float>, dimension: Int) {
    let highest = max(maximum, sink)
    let old = expf(maximum - highest)
    maximum = highest
    sum = sum * old + expf(sink - highest)
    for index in 0..<dimension { unsafe output[index] *= old }
  }

  /// Divides by the sum of all exponentials.
  func finish(_ output: UnsafeMutablePointer<Float>, dimension: Int) {
    let scale = 1 / sum
    for index in 0..<dimension { unsafe output[index] *= scale }
  }
}
