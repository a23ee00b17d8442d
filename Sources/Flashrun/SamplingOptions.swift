/// How a token is chosen from logits; the names and defaults are llama.cpp's.
public struct SamplingOptions: Sendable, Equatable {
  /// Logits are divided by it; 0 or less takes the largest logit, the lowest token on ties.
  public var temperature: Float = 0.8
  /// Only the `topK` largest logits stay; 0 or less keeps all.
  public var topK = 40
  /// The smallest set of most probable tokens whose probabilities reach this sum; 1 keeps all.
  public var topP: Float = 0.95
  /// Tokens less probable than this times the most probable one are dropped; 0 keeps all.
  public var minP: Float = 0.05
  /// Logits of recent tokens are divided by it when positive, multiplied when negative; 1 is off.
  public var repeatPenalty: Float = 1.0
  /// How many tokens, the prompt's too, count as recent; 0 is none, -1 the whole context.
  public var repeatLastN = 64
  /// Subtracted once from the logit of a token that occurred recently.
  public var presencePenalty: Float = 0
  /// Subtracted from a token's logit for each recent occurrence.
  public var frequencyPenalty: Float = 0
  /// Added to the logits of these tokens before anything else; -infinity forbids a token.
  public var logitBias: [Int32: Float] = [:]
  /// The same seed and logits give the same tokens on every machine; nil draws a seed.
  public var seed: UInt64?

  public init() {}

  /// Always the most probable token.
  public static var greedy: SamplingOptions {
    var options = SamplingOptions()
    options.temperature = 0
    return options
  }

  /// Whether any penalty can change a logit.
  var hasPenalties: Bool {
    repeatLastN != 0 && (repeatPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0)
  }
}
