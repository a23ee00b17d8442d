/// What to generate: how much, until what, and how each token is chosen.
public struct GenerationOptions: Sendable, Equatable {
  /// Tokens to generate; nil goes on until an end token or until the context is full.
  public var maximumTokens: Int?
  public var sampling = SamplingOptions()
  /// Texts that end the generation; they are not part of it.
  public var stopTexts: [String] = []
  /// Whether the model's end tokens are never chosen.
  public var ignoreEndTokens = false

  public init() {}
}

/// What a model continues.
public enum Prompt: Sendable, Equatable, ExpressibleByStringLiteral {
  /// Text in which special tokens are recognised, as llama.cpp does with `-p`.
  case text(String)
  /// Text that a user wrote: what looks like a special token is plain text.
  case userText(String)
  /// Tokens as they are; nothing is put before them.
  case tokens([Int32])

  public init(stringLiteral value: String) {
    self = .text(value)
  }
}
