internal import ArgumentParser
internal import FlashKernels
internal import FlashText
internal import FlashWeights

/// `synth`: a store of a real shape with random weights, to measure a host before downloading.
struct SynthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synth", abstract: "Write a store of a real shape with random weights.",
    discussion: """
      Shapes: \(SynthShape.names.joined(separator: ", ")), or a config.json. The text such a model \
      writes means nothing; its reads, its memory and its speed are those of the real one.
      """)

  @Argument(help: ArgumentHelp("Store to make, NAME.flash.", valueName: "target"))
  var target: String

  @Option(help: ArgumentHelp("A shape's name or a config.json.", valueName: "shape"))
  var shape: String

  @Option(
    help: ArgumentHelp(
      "How weights are stored.", valueName: "type"))
  var type: RowFormat

  @Option(
    help: ArgumentHelp(
      "Fraction of neurons that fires, 0.1 for example; makes the model ReLU.",
      valueName: "fraction"))
  var active: Double?

  @Option(
    help: ArgumentHelp(
      "Experts are chosen in proportion to rank^-S; 0 is all alike.", valueName: "S"))
  var routingSkew = 0.0

  @Option(help: ArgumentHelp("The same seed gives the same store.", valueName: "n"))
  var seed: UInt64 = 1

  @Flag(help: "Replace a store that is there.")
  var overwrite = false

  @OptionGroup var consoleOptions: ConsoleOptions

  func validate() throws {
    if let active, !(active > 0 && active < 1) {
      throw ValidationError("--active \(active): it must be between 0 and 1")
    }
    guard routingSkew >= 0, routingSkew <= 8 else {
      throw ValidationError("--routing-skew \(routingSkew): it must be from 0 to 8")
    }
  }

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let shape = try resolvedShape()
    guard routingSkew == 0 || shape.configuration.routing != nil else {
      throw Failure(.usage, "--routing-skew \(routingSkew): \(shape.name) has no experts")
    }
    let synthesizer = Synthesizer(
      shape: shape, type: type, activity: active, routingSkew: routingSkew, seed: seed)
    console.notice(
      "\(Units.bytes(synthesizer.requiredByteCount)) of disk needed at \(target); synthetic weights"
    )
    try Interrupts.explainPartialStore(at: target, console: console)
    let tokenizer = Tokenizer.byteTokenizerJSON(
      vocabularySize: synthesizer.shape.configuration.vocabularySize)
    let progress = ProgressReporter("synth", unit: .bytes, console: console)
    defer { progress.finish() }
    let manifest = try synthesizer.write(
      to: target, tokenizer: Array(tokenizer), overwrite: overwrite,
      threadCount: WorkerPool.physicalCoreCount, generator: Version.generator,
      progress: { progress.update($0, of: $1) })
    progress.finish()
    console.notice(
      "\(target): \(manifest.parameterCount) synthetic parameters, shape \(synthesizer.shape.name)")
  }

  private func resolvedShape() throws -> SynthShape {
    if let named = SynthShape(named: shape) { return named }
    guard FileInput.exists(shape) else {
      let near = SynthShape.names.first { EditDistance.isNear(shape, $0) }
      throw Failure(
        .usage, "no shape '\(shape)'; shapes are \(SynthShape.names.joined(separator: ", "))",
        hints: near.map { ["did you mean '\($0)'?"] } ?? [])
    }
    return try SynthShape(contentsOf: shape)
  }
}
