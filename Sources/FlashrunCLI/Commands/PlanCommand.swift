internal import ArgumentParser
internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// `plan`: what a run would hold in memory, item by item, and how fast it would decode at this
/// limit and others, without opening the model.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Show what a run would hold in memory, and how fast it would be.",
    discussion: """
      minimum_bytes is the smallest limit for these options (without -c for 512 positions), \
      resident_bytes what everything in memory takes, model_bytes the weights as stored.

      The speed of decoding is predicted at the limit given and at 25, 50, 75 and 100 % of the \
      model, with what bounds it: the flash (its bandwidth or its reads a second), DRAM, or \
      arithmetic. It rests on about a second of measuring, and for a ReLU model on what \
      calibrate counted; without that, on an assumption that is stated.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Flag(help: "Write one JSON object.")
  var json = false

  @Flag(help: "Measure nothing and predict no speed.")
  var noPrediction = false

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let options = try flags.engineOptions(settings)
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let store = try WeightStore.open(path)
    let resolved = try options.resolved(for: store)
    let (plan, mode) = try Decoder.plan(store: store, options: resolved.decoder)
    let report = PlanReport(
      plan, mode: mode, store: path,
      prediction: noPrediction ? nil : prediction(store, resolved.decoder, plan, mode, console))
    try Output.line(json ? report.json : report.text)
  }

  /// Nil, with a warning, where nothing can be measured: the plan is worth having all the same.
  private func prediction(
    _ store: WeightStore, _ options: DecoderOptions, _ plan: MemoryPlan, _ mode: SparsityMode,
    _ console: Console
  ) -> PlanPrediction? {
    do {
      return try PlanPrediction(store, options, plan: plan, mode: mode)
    } catch {
      let reason = Failure(describing: error)?.message ?? "\(error)"
      console.warning("no speed is predicted: \(reason)")
      return nil
    }
  }
}
