internal import FlashModel
internal import FlashWeights

/// Watches the model run over a text, chunk by chunk.
protocol TextObserver: FeedForwardObserver {
  /// Begins a chunk of so many tokens.
  func beginChunk(tokenCount: Int)
  /// Called after each chunk, while the decoder is open.
  func finish()
  /// What failed first; the text need not go on.
  var failure: StoreError? { get }
}

extension TextObserver {
  func beginChunk(tokenCount: Int) {}
  func finish() {}
  var failure: StoreError? { nil }
}
