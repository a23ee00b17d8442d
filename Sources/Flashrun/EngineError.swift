/// What a caller of the engine can get wrong, beside what the store and the system report.
public enum EngineError: Error, Equatable, CustomStringConvertible {
  /// A text was given to a model that came without a tokenizer.
  case noTokenizer(store: String)
  /// A tokenizer's file cannot be used.
  case badTokenizer(file: String, reason: String)
  /// The prompt has no token.
  case emptyPrompt
  /// The prompt does not fit the context.
  case promptTooLong(tokenCount: Int, contextLength: Int)
  /// `auto` was asked for where the kernel tells no memory figures.
  case noMemoryFigures

  public var description: String {
    switch self {
    case .noTokenizer(let store):
      "\(store) has no tokenizer: the checkpoint came without tokenizer.json, so only token ids "
        + "can be used"
    case .badTokenizer(let file, let reason):
      "\(file): \(reason)"
    case .emptyPrompt:
      "the prompt is empty and the model has no begin token"
    case .promptTooLong(let tokenCount, let contextLength):
      "the prompt has \(tokenCount) tokens but the context holds \(contextLength)"
    case .noMemoryFigures:
      "the memory limit cannot be chosen: /proc/meminfo cannot be read"
    }
  }
}
