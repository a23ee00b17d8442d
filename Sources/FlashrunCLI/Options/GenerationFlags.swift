internal import ArgumentParser
internal import Flashrun

/// How much is generated and what ends it.
struct GenerationFlags: ParsableArguments {
  @Option(
    name: [
      .customShort("n"), .customLong("predict"), .customLong("n-predict"),
      .customLong("max-tokens"),
    ], parsing: .unconditional,
    help: ArgumentHelp(
      """
      Tokens to generate; -1 goes on until an end token or until the context is full. (default: -1)
      """, valueName: "n"))
  var predict: Int?

  @Option(
    name: [.customShort("r"), .customLong("reverse-prompt"), .customLong("stop")],
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Text that ends the generation; may be repeated.", valueName: "text"))
  var stop: [String] = []

  @Flag(name: .customLong("ignore-eos"), help: "Never choose an end token.")
  var ignoresEndTokens = false

  init() {}

  func generationOptions(
    _ settings: Settings, sampling: SamplingFlags
  ) throws(Failure) -> GenerationOptions {
    var options = GenerationOptions()
    let predict = try settings.value(predict, "predict", default: -1)
    guard predict >= -1 else { throw Failure(.usage, "-n \(predict): it must be -1 or more") }
    options.maximumTokens = predict < 0 ? nil : predict
    options.stopTexts = try settings.values(stop, "stop") { $0 }
    guard !options.stopTexts.contains("") else {
      throw Failure(.usage, "--reverse-prompt '': an empty text ends nothing")
    }
    options.ignoreEndTokens = try settings.isOn(ignoresEndTokens, "ignore-eos")
    options.sampling = try sampling.samplingOptions(settings)
    return options
  }
}
