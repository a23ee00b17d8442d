/// A running generation: a sequence of events that ends with `.finished`, or with an error.
///
/// Letting go of it, by leaving the loop that iterates it, stops the work within a layer's time;
/// `cancel` does so too, but still delivers `.finished` with the figures. It can be iterated once.
public struct Generation: AsyncSequence, Sendable {
  private let stream: AsyncThrowingStream<GenerationEvent, any Error>
  private let flag: CancellationFlag

  init(stream: AsyncThrowingStream<GenerationEvent, any Error>, flag: CancellationFlag) {
    self.stream = stream
    self.flag = flag
  }

  public func makeAsyncIterator() -> AsyncThrowingStream<GenerationEvent, any Error>.Iterator {
    stream.makeAsyncIterator()
  }

  /// Ends the generation; it finishes with `.cancelled`.
  public func cancel() { flag.cancel() }

  /// Only the text, piece by piece, whole characters each.
  public var text: some AsyncSequence<String, any Error> & Sendable {
    stream.compactMap { event in
      if case .text(let piece) = event { piece } else { nil }
    }
  }
}

/// What happens while a model continues a prompt, in this order.
public enum GenerationEvent: Sendable {
  /// So many of the prompt's tokens are through.
  case prefill(tokenCount: Int, total: Int)
  /// A token was chosen; its text may come later, or never if it ends the text.
  case token(Int32)
  /// Text that is sure to stay: whole characters, no part of a stop text.
  case text(String)
  /// The last event.
  case finished(GenerationResult)
}

/// Why a generation ended, and its figures.
public struct GenerationResult: Sendable {
  public enum Reason: String, Sendable {
    case endToken = "end_token"
    case stopText = "stop_text"
    case maximumTokens = "maximum_tokens"
    case contextFull = "context_full"
    case cancelled
  }

  public var reason: Reason
  public var promptTokenCount: Int
  public var generatedTokenCount: Int
  /// Given or drawn; with it the same prompt and options give the same text.
  public var seed: UInt64
  package var statistics: GenerationStatistics
}
