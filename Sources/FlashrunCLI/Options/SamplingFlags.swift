internal import ArgumentParser
internal import Flashrun

/// How tokens are chosen, in llama.cpp's spellings and with its defaults.
struct SamplingFlags: ParsableArguments {
  @Option(
    name: [.customShort("s"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Repeats the draws of a run that printed it; -1 draws one. (default: -1)",
      valueName: "n"))
  var seed: Int?

  @Option(
    name: .customLong("temp"), parsing: .unconditional,
    help: ArgumentHelp(
      "Temperature; 0 always takes the most probable token. (default: 0.8)", valueName: "t"))
  var temperature: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep the k most probable tokens; 0 is all. (default: 40)", valueName: "k"))
  var topK: Int?

  @Option(
    help: ArgumentHelp(
      "Keep the most probable tokens that together reach p; 1 is all. (default: 0.95)",
      valueName: "p"))
  var topP: Float?

  @Option(
    help: ArgumentHelp(
      "Drop tokens less probable than p times the best; 0 is none. (default: 0.05)",
      valueName: "p"))
  var minP: Float?

  @Option(
    help: ArgumentHelp(
      "Weaken recent tokens by this factor; 1 is off. (default: 1.0)",
      valueName: "x"))
  var repeatPenalty: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that count as recent; 0 is none, -1 the whole context. (default: 64)",
      valueName: "n"))
  var repeatLastN: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Subtracted from logits of recent tokens. (default: 0)", valueName: "x"))
  var presencePenalty: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Subtracted from logits for each recent occurrence. (default: 0)", valueName: "x"))
  var frequencyPenalty: Float?

  @Option(
    name: [.customShort("l"), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Change a token's logit, 15043+1 or 15043-1; may be repeated.", valueName: "token±bias"),
    transform: LogitBias.init(parsing:))
  var logitBias: [LogitBias] = []

  init() {}

  func samplingOptions(_ settings: Settings) throws(Failure) -> SamplingOptions {
    var options = SamplingOptions()
    let seed = try settings.value(seed, "seed", default: -1)
    guard seed >= -1 else { throw Failure(.usage, "--seed \(seed): it must be -1 or more") }
    options.seed = UInt64(exactly: seed)
    options.temperature = try finite(temperature, "temp", settings, options.temperature)
    guard options.temperature >= 0 else {
      throw Failure(.usage, "--temp \(options.temperature): it must be 0 or more")
    }
    options.topK = try settings.value(topK, "top-k", default: options.topK)
    options.topP = try probability(topP, "top-p", settings, options.topP)
    options.minP = try probability(minP, "min-p", settings, options.minP)
    options.repeatPenalty = try finite(
      repeatPenalty, "repeat-penalty", settings, options.repeatPenalty)
    guard options.repeatPenalty > 0 else {
      throw Failure(.usage, "--repeat-penalty \(options.repeatPenalty): it must be positive")
    }
    options.repeatLastN = try settings.value(
      repeatLastN, "repeat-last-n", default: options.repeatLastN)
    guard options.repeatLastN >= -1 else {
      throw Failure(.usage, "--repeat-last-n \(options.repeatLastN): it must be -1 or more")
    }
    options.presencePenalty = try finite(presencePenalty, "presence-penalty", settings, 0)
    options.frequencyPenalty = try finite(frequencyPenalty, "frequency-penalty", settings, 0)
    for bias in try settings.values(logitBias, "logit-bias", parse: LogitBias.init(parsing:)) {
      options.logitBias[bias.token] = bias.value
    }
    return options
  }

  private func probability(
    _ flag: Float?, _ name: String, _ settings: Settings, _ fallback: Float
  ) throws(Failure) -> Float {
    let value = try finite(flag, name, settings, fallback)
    guard (0...1).contains(value) else {
      throw Failure(.usage, "--\(name) \(value): it must be between 0 and 1")
    }
    return value
  }

  private func finite(
    _ flag: Float?, _ name: String, _ settings: Settings, _ fallback: Float
  ) throws(Failure) -> Float {
    let value = try settings.value(flag, name, default: fallback)
    guard value.isFinite else { throw Failure(.usage, "--\(name) \(value): it must be finite") }
    return value
  }
}

/// `15043+1`, `15043-2.5`, `15043-inf`: a token and what is added to its logit.
package struct LogitBias: Equatable, Sendable {
  package var token: Int32
  package var value: Float

  package init(parsing text: String) throws(Failure) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let rest = text.dropFirst(digits.count)
    guard let token = Int32(digits), let sign = rest.first, "+-".contains(sign),
      let value = Float(rest), !value.isNaN
    else {
      throw Failure(.usage, "'\(text)' is no bias; write a token id, + or -, and a number: 15043-1")
    }
    self.token = token
    self.value = value
  }
}
