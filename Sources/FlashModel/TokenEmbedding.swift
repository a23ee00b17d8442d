import FlashIO
import FlashKernels
import FlashWeights
import FlashWindow

/// The two ends of the decoder: tokens into the residual stream, and the residual stream into
/// logits.
struct TokenEmbedding {
  let core: DecoderCore
  let weights: ModelWeights

  /// Writes the embeddings of `tokens`, at positions from `position` on, to the residual stream.
  func embed(_ tokens: ArraySlice<Int32>, position: Int) throws(ReadFailure) {
    let scratch = core.scratch
    for (index, token) in tokens.enumerated() {
      unsafe scratch.lookUpRows[index] = token
    }
    try unsafe decode(
      weights.tokenEmbedding, table: 0, count: tokens.count, into: scratch.residual)
    if let scale = core.family.embeddingScale {
      unsafe core.kernels.scale(
        scratch.residual, by: scale, count: tokens.count * core.configuration.width)
    }
    guard case .learned(let offset) = core.configuration.positions,
      let table = weights.positionEmbedding
    else { return }
    for index in 0..<tokens.count {
      unsafe scratch.lookUpRows[index] = Int32(position + index + offset)
    }
    try unsafe decode(table, table: 1, count: tokens.count, into: scratch.projected)
    unsafe core.kernels.add(
      scratch.projected, to: scratch.residual, count: tokens.count * core.configuration.width)
  }

  private func decode(
    _ tensor: Int, table: Int, count: Int, into output: UnsafeMutablePointer<Float>
  ) throws(ReadFailure) {
    let scratch = core.scratch
    try unsafe core.residency.lookUp(
      rows: UnsafeBufferPointer(start: scratch.lookUpRows, count: count), ofTensor: tensor,
      table: table, addresses: scratch.lookUpAddresses)
    let width = core.configuration.width
    let format = core.residency.manifest.tensors[tensor].format
    for index in 0..<count {
      unsafe core.kernels.decodeRow(
        format, width: width, row: scratch.lookUpAddresses[index], into: output + index * width)
    }
  }

  /// Writes the logits of the chunk's tokens `rows` to `scratch.logits`; of the residual stream,
  /// which stays as it is.
  ///
  /// - Precondition: at most `logitsRows` of them.
  func logits(rows: Range<Int>) throws(ReadFailure) {
    core.arithmetic = .head
    let scratch = core.scratch
    precondition(rows.count <= scratch.shape.logitsRows, "logits rows fit the buffer")
    let width = core.configuration.width
    unsafe core.normalize(
      scratch.residual + rows.lowerBound * width, tokenCount: rows.count,
      norm: weights.outputNorm, into: scratch.normed)
    unsafe core.prepareActivations(
      scratch.normed, width: width, tokenCount: rows.count, format: weights.head.tensor.format)
    try unsafe core.project(
      weights.head, tokenCount: rows.count, output: scratch.logits,
      outputStride: core.configuration.vocabularySize)
    shapeLogits(count: rows.count * core.configuration.vocabularySize)
  }

  /// Scales and caps logits where the family does so.
  private func shapeLogits(count: Int) {
    let (scale, cap) = (core.family.logitScale, core.family.logitCap)
    guard scale != nil || cap != nil else { return }
    core.split(count, granularity: 64) { part in
      let values = unsafe core.scratch.logits + part.lowerBound
      if let scale { unsafe core.kernels.scale(values, by: scale, count: part.count) }
      if let cap { unsafe core.kernels.cap(values, at: cap, count: part.count) }
    }
  }
}
