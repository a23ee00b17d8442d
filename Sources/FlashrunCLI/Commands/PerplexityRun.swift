internal import FlashModel
internal import FlashText
internal import FlashWeights
internal import Flashrun

/// The measurement of a text, on the engine's thread.
struct PerplexityRun: Sendable {
  enum Purpose: Sendable {
    case measure(allTokens: Bool)
    /// Measures, and writes a base file.
    case write(String)
    /// Compares with a base file.
    case compare(String)

    var comparedFile: String? {
      if case .compare(let path) = self { path } else { nil }
    }
  }

  let purpose: Purpose
  let maximumCount: Int?
  let console: Console
  let flag: CancellationFlag

  /// Measures and returns the last lines to print; what is known after each chunk goes to standard
  /// output at once.
  ///
  /// - Parameter text: nil only to compare with a base file, whose text is then taken.
  /// - Throws: `Failure` where the text is shorter than a chunk or a base file is of something
  ///   else, and what the decoder throws.
  func result(on model: OpenModel, text: String?) throws -> String {
    let contextLength = model.decoder.contextLength
    let least: Int
    if case .measure(allTokens: true) = purpose { least = 2 } else { least = 3 }
    guard contextLength >= least else {
      throw Failure(
        .usage, "-c \(contextLength): a chunk of fewer than \(least) tokens predicts nothing")
    }
    switch purpose {
    case .measure(let allTokens):
      let chunks = try chunks(of: text, model, allTokens: allTokens)
      return try measure(chunks.chunks, on: model) { _ in }.line
    case .write(let path):
      let chunks = try chunks(of: text, model, allTokens: false)
      let header = BaseLogitsHeader(
        contextLength: contextLength, vocabularySize: model.store.configuration.vocabularySize,
        chunkCount: chunks.chunks.count)
      let tokens = Array(chunks.text[..<(header.chunkCount * contextLength)])
      let writer = try BaseLogitsWriter(path, header, tokens: tokens)
      defer { writer.discard() }
      let estimate = try measure(chunks.chunks, on: model) { try writer.append($0) }
      try writer.finish()
      console.notice("\(path): \(Units.bytes(header.fileByteCount))")
      return estimate.line
    case .compare(let path):
      return try compare(with: BaseLogitsReader(path), path, on: model, text: text)
    }
  }

  private func chunks(
    of text: String?, _ model: OpenModel, allTokens: Bool
  ) throws -> PerplexityChunks {
    guard let tokenizer = model.tokenizer, let text else {
      throw EngineError.noTokenizer(store: model.store.path)
    }
    let contextLength = model.decoder.contextLength
    let tokens = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
    let chunks = PerplexityChunks(
      tokens: tokens, begin: begin(model), contextLength: contextLength, allTokens: allTokens,
      maximumCount: maximumCount)
    guard !chunks.chunks.isEmpty else {
      throw Failure(
        .usage, "the text has \(tokens.count) tokens, fewer than one chunk of \(contextLength)",
        hints: ["-c makes chunks shorter"])
    }
    return chunks
  }

  /// The token that the tokenizer puts before a text, if it puts one there.
  private func begin(_ model: OpenModel) -> Int32? {
    guard let tokenizer = model.tokenizer else { return model.store.configuration.beginTokenID }
    return tokenizer.encode("", addSpecialTokens: true, parseSpecialTokens: false).first
  }

  private func measure(
    _ chunks: [PerplexityChunks.Chunk], on model: OpenModel,
    _ onLogits: (Span<Float>) throws -> Void
  ) throws -> PerplexityEstimate {
    var estimate = PerplexityEstimate()
    try forEachPrediction(of: chunks, on: model) { target, logits in
      estimate.add(PerplexityEstimate.negativeLogLikelihood(of: target, logits: logits))
      try onLogits(logits)
    } afterChunk: { index in
      try Output.write("[\(index + 1)]\(Units.fixed(estimate.perplexity, decimals: 4)),")
    }
    try Output.write("\n")
    return estimate
  }

  private func compare(
    with base: BaseLogitsReader, _ path: String, on model: OpenModel, text: String?
  ) throws -> String {
    let header = base.header
    guard header.contextLength == model.decoder.contextLength else {
      throw Failure(
        .badData,
        "\(path) is of chunks of \(header.contextLength) tokens, not of "
          + "\(model.decoder.contextLength)", hints: ["-c \(header.contextLength)"])
    }
    if text != nil { try check(base, path, isOf: chunks(of: text, model, allTokens: false)) }
    let chunks = PerplexityChunks(
      cutting: base.tokens, begin: begin(model), contextLength: header.contextLength,
      maximumCount: maximumCount
    ).chunks
    var estimate = DivergenceEstimate(capacity: chunks.count * header.rowsPerChunk)
    try Output.line(DivergenceEstimate.heading)
    try forEachPrediction(of: chunks, on: model) { target, logits in
      try base.withNextRow { estimate.add(logits: logits, base: $0, target: Int(target)) }
    } afterChunk: { index in
      try Output.line(estimate.row(chunk: index + 1))
    }
    guard estimate.count >= Self.leastPredictions else {
      console.notice(
        "\(estimate.count) predictions are too few for tables; \(Self.leastPredictions) do")
      return ""
    }
    return "\n" + estimate.tables
  }

  /// llama.cpp's: percentiles of fewer say little.
  private static let leastPredictions = 100

  private func check(
    _ base: BaseLogitsReader, _ path: String, isOf chunks: PerplexityChunks
  ) throws(Failure) {
    let count = min(base.tokens.count, chunks.chunks.count * base.header.contextLength)
    for index in 0..<count where base.tokens[index] != chunks.text[index] {
      throw Failure(
        .badData,
        "\(path) is of another text: its token \(index) is \(base.tokens[index]), and "
          + "the text's is \(chunks.text[index])", hints: ["without -f the file's text is taken"])
    }
    let wanted = maximumCount.map { min($0, base.header.chunkCount) } ?? base.header.chunkCount
    guard chunks.chunks.count >= wanted else {
      throw Failure(
        .badData,
        "\(path) is of another text: it has \(base.header.chunkCount) chunks, and the "
          + "text \(chunks.chunks.count)", hints: ["without -f the file's text is taken"])
    }
  }

  /// Calls `onPrediction` with each token that counts and the logits before it, and `afterChunk`
  /// with the chunk's index.
  private func forEachPrediction(
    of chunks: [PerplexityChunks.Chunk], on model: OpenModel,
    _ onPrediction: (Int32, Span<Float>) throws -> Void, afterChunk: (Int) throws -> Void
  ) throws {
    console.notice(
      "perplexity over \(chunks.count) chunks of \(chunks[0].tokens.count) tokens, "
        + "\(chunks[0].predictionCount) predictions each")
    let progress = ProgressReporter("perplexity", unit: .items("tok"), console: console)
    defer { progress.finish() }
    let total = chunks.reduce(0) { $0 + $1.tokens.count }
    var done = 0
    for (index, chunk) in chunks.enumerated() {
      model.decoder.reset()
      let skipped = Array(chunk.tokens[..<chunk.firstCounted])
      let counted = Array(chunk.tokens[chunk.firstCounted..<chunk.tokens.count - 1])
      try unsafe model.decoder.forward(
        skipped, promptEnd: chunk.tokens.count, logits: .none,
        isCancelled: { flag.isCancelled }, progress: { progress.update(done + $0, of: total) },
        onLogits: { _, _ in })
      try unsafe model.decoder.forward(
        counted, promptEnd: chunk.tokens.count, logits: .all, isCancelled: { flag.isCancelled },
        progress: { progress.update(done + skipped.count + $0, of: total) },
        onLogits: { row, logits in
          try onPrediction(chunk.tokens[chunk.firstCounted + row + 1], unsafe logits.span)
        })
      done += chunk.tokens.count
      progress.finish()
      try afterChunk(index)
    }
  }
}
