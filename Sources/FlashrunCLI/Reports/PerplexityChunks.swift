/// Cuts a text's tokens into chunks, by llama.cpp's rule or so that every token counts.
package struct PerplexityChunks: Sendable {
  /// One chunk: its tokens, and the first position whose prediction of the next token counts.
  package struct Chunk: Equatable, Sendable {
    package var tokens: [Int32]
    package var firstCounted: Int

    package init(tokens: [Int32], firstCounted: Int) {
      self.tokens = tokens
      self.firstCounted = firstCounted
    }

    /// Predictions that count: of every token after `firstCounted`.
    package var predictionCount: Int { tokens.count - 1 - firstCounted }
  }

  package let chunks: [Chunk]

  /// - Parameters:
  ///   - tokens: the text's, without a begin token.
  ///   - begin: the token that opens each chunk; nil where the model has none.
  ///   - contextLength: tokens of a chunk, at least 2.
  ///   - allTokens: false is llama.cpp's rule: the text with the begin token before it is cut, the
  ///     first token of each chunk is replaced by the begin token, and the predictions of the
  ///     second half count. True: each chunk is the begin token and the next tokens of the text,
  ///     and every token after the first counts.
  package init(
    tokens: [Int32], begin: Int32?, contextLength: Int, allTokens: Bool, maximumCount: Int?
  ) {
    precondition(contextLength >= 2, "a chunk predicts at least one token")
    let opening = begin.map { [$0] } ?? []
    let text = allTokens ? tokens : opening + tokens
    let stride = allTokens ? contextLength - opening.count : contextLength
    let count = min(maximumCount ?? Int.max, text.count / stride)
    chunks = (0..<count).map { index in
      var chunk = Array(text[index * stride..<(index + 1) * stride])
      if allTokens {
        chunk = opening + chunk
      } else if let begin {
        chunk[0] = begin
      }
      return Chunk(tokens: chunk, firstCounted: allTokens ? 0 : contextLength / 2)
    }
  }
}
