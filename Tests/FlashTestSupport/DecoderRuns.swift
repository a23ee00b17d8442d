package import FlashModel
package import FlashWeights

/// Runs of a decoder as tests compare them.
package enum DecoderRuns {
  /// The logits of every token `[tokens, vocabulary]`, fed in chunks as the options say.
  package static func logits(
    _ store: WeightStore, _ tokens: [Int32], options: DecoderOptions
  ) throws -> [Float] {
    var options = options
    options.logitsRowCapacity = options.prefillChunk
    let decoder = try Decoder(store: store, options: options)
    return try logits(decoder, tokens)
  }

  /// As above, on a decoder that is open already; it is reset before.
  package static func logits(_ decoder: Decoder, _ tokens: [Int32]) throws -> [Float] {
    decoder.reset()
    var rows: [Float] = []
    try unsafe decoder.forward(tokens, logits: .all) { _, values in
      unsafe rows.append(contentsOf: values)
    }
    return rows
  }

  /// Continues `prompt` greedily, the lowest ID winning a tie.
  package static func greedy(
    _ decoder: Decoder, _ prompt: [Int32], count: Int
  ) throws -> [Int32] {
    decoder.reset()
    var tokens: [Int32] = []
    var next = prompt
    for _ in 0..<count {
      var best = (index: 0, value: -Float.infinity)
      try unsafe decoder.forward(next, promptEnd: prompt.count, logits: .last) { _, values in
        for unsafe(index, value) in unsafe values.enumerated() where value > best.value {
          best = (index, value)
        }
      }
      next = [Int32(best.index)]
      tokens.append(next[0])
    }
    return tokens
  }

  /// The largest absolute difference over the largest absolute reference value.
  package static func relativeDifference(_ found: [Float], _ reference: [Float]) -> Float {
    precondition(found.count == reference.count, "as many values as the reference has")
    let scale = reference.map(abs).max() ?? 1
    return zip(found, reference).map { abs($0 - $1) }.max().map { $0 / scale } ?? 0
  }
}
