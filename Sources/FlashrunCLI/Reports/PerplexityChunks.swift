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
  /// What was cut: before the first tokens of chunks were replaced.
  package let text: [Int32]

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
    guard allTokens else {
      self.init(
        cutting: opening + tokens, begin: begin, contextLength: contextLength,
        maximumCount: maximumCount)
      return
    }
    let stride = contextLength - opening.count
    let count = min(maximumCount ?? Int.max, tokens.count / stride)
    let chunks = (0..<count).map { index in
      Chunk(tokens: opening + tokens[index * stride..<(index + 1) * stride], firstCounted: 0)
    }
    self.init(text: tokens, chunks: chunks)
  }

  private init(text: [Int32], chunks: [Chunk]) {
    self.text = text
    self.chunks = chunks
  }

  /// llama.cpp's rule for a text that has its begin token already.
  package init(
    cutting text: [Int32], begin: Int32?, contextLength: Int, maximumCount: Int?
  ) {
    precondition(contextLength >= 2, "a chunk predicts at least one token")
    let count = min(maximumCount ?? Int.max, text.count / contextLength)
    self.text = text
    chunks = (0..<count).map { index in
      var chunk = Array(text[index * contextLength..<(index + 1) * contextLength])
      if let begin { chunk[0] = begin }
      return Chunk(tokens: chunk, firstCounted: contextLength / 2)
    }
  }
}
