internal import ArgumentParser
internal import FlashCalibration
internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// `calibrate`: predictors or thresholds, an order of neurons and a certificate for a store, from
/// text.
struct CalibrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Make predictors or thresholds and write a certificate of what they cost.",
    discussion: """
      The model runs over a text, cut into chunks of -c tokens; of what its neurons do there \
      predictors are made, and priced on text that did not train them: the last part of the text, \
      or --price-file. The store is replaced when all is done, and until then stays as it was.

      A model without silent neurons (SwiGLU, GeGLU, GELU) is given a threshold for each layer: \
      neurons whose gate is below it are left out by --sparsity threshold. All layers keep the \
      same part of what their neurons contribute: as much as --active leaves, or --target-recall.

      --self-text lets the model write the text: pieces that begin with a random token and go on \
      at temperature 1, as in LLM-QAT (arXiv 2305.17888).

      --price-only makes none: it prices those that the store has, PowerInfer's for example, on \
      all of the text.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @OptionGroup(title: "Text") var text: CalibrationTextFlags

  @Option(
    help: ArgumentHelp(
      "Of what firing neurons contribute, the part to predict or to keep. (default: 0.99)",
      valueName: "part"))
  var targetRecall: Double?

  @Option(
    help: ArgumentHelp(
      "Of a token's neurons, the part that passes the thresholds. (default: 0.5)",
      valueName: "part"))
  var active: Double?

  @Option(
    help: ArgumentHelp(
      "Bytes that predictors may take, a size or a part of the model's. (default: 5%)",
      valueName: "size"),
    transform: SizeArgument.init(parsing:))
  var budget: SizeArgument?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The same seed and text give the same predictors. (default: 1)",
      valueName: "n"))
  var seed: UInt64?

  @Flag(help: "Price what the store has, on all of the text; make nothing.")
  var priceOnly = false

  @Flag(help: "Print the certificate and leave the store as it is.")
  var dryRun = false

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    try check()
    guard let named = try model.path(settings) else {
      throw Failure(.usage, "name the store to calibrate")
    }
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: named)
    let store = try WeightStore.open(path)
    try check(store)
    if priceOnly, store.calibration?.isPriceable != true {
      throw CalibrationError.nothingToPrice(store: path)
    }
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let text = try await self.text.load(
      store, flags: flags, settings: settings, seed: seed ?? 1, pricesAll: priceOnly,
      console: console, flag: flag)
    let calibrator = Calibrator(
      store: store, text: text, options: try options(store, settings))
    console.notice(
      "\(text.training.count) chunks train, \(text.pricing.count) price, "
        + "\(text.pricing.first?.count ?? 0) tokens each")
    let progress = StageProgress(console: console)
    let outcome =
      try priceOnly
      ? calibrator.priceOnly(
        isInstalled: !dryRun, progress: { progress.update($0, $1, of: $2) },
        isCancelled: { flag.isCancelled })
      : calibrator.run(
        isInstalled: !dryRun, progress: { progress.update($0, $1, of: $2) },
        isCancelled: { flag.isCancelled })
    progress.finish()
    try Output.line(CertificateReport(outcome).text)
    console.notice(
      dryRun ? "\(path) is as it was (--dry-run)" : "\(path) is calibrated")
  }

  private func check() throws(Failure) {
    if let targetRecall, !(targetRecall > 0 && targetRecall < 1) {
      throw Failure(.usage, "--target-recall \(targetRecall): it must be between 0 and 1")
    }
    if let active, !(active > 0 && active < 1) {
      throw Failure(.usage, "--active \(active): it must be between 0 and 1")
    }
    if active != nil, targetRecall != nil {
      throw Failure(.usage, "give --active or --target-recall, not both")
    }
    if priceOnly, targetRecall != nil || budget != nil || active != nil {
      throw Failure(
        .usage,
        "--price-only takes what the store has as it is: --target-recall, --active and --budget "
          + "have no place")
    }
    if flags.sparsity != nil {
      throw Failure(
        .usage, "calibrate runs the model dense and as it prices it: --sparsity has no place")
    }
  }

  /// Whether the flags go with the model.
  private func check(_ store: WeightStore) throws(Failure) {
    let configuration = store.configuration
    if active != nil, configuration.hasSilentNeurons {
      throw Failure(
        .usage,
        "--active is for models without silent neurons: which neurons of this one fire, its "
          + "\(configuration.activation.rawValue) decides")
    }
    if budget != nil, !configuration.hasSilentNeurons {
      throw Failure(
        .usage,
        "--budget is for predictors: this model's neurons (\(configuration.activation.rawValue)) "
          + "are given thresholds, which take no room")
    }
  }

  private func options(
    _ store: WeightStore, _ settings: Settings
  ) throws -> CalibrationOptions {
    var options = CalibrationOptions()
    options.decoder = try flags.engineOptions(settings).resolved(for: store).decoder
    options.targetRecall = targetRecall
    options.activity = active ?? options.activity
    options.seed = seed ?? options.seed
    options.generator = Version.generator
    switch budget {
    case nil, .automatic: break
    case .percent(let percent): options.budgetFraction = percent / 100
    case .bytes(let byteCount):
      options.budgetFraction = Double(byteCount) / Double(max(1, store.modelByteCount))
    }
    return options
  }
}

/// A progress bar for each stage of a calibration, one after another.
private final class StageProgress {
  private let console: Console
  private var current: (stage: CalibrationStage, reporter: ProgressReporter)?

  init(console: Console) { self.console = console }

  func update(_ stage: CalibrationStage, _ done: Int, of total: Int) {
    if current?.stage != stage {
      finish()
      let unit: ProgressReporter.Unit =
        switch stage {
        case .thresholds, .sample, .price: .items("tok")
        case .predictors, .order: .items("layers")
        case .store: .bytes
        }
      current = (stage, ProgressReporter(stage.rawValue, unit: unit, console: console))
    }
    current?.reporter.update(done, of: total)
  }

  func finish() { current?.reporter.finish() }
}
