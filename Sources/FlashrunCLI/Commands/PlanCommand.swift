internal import ArgumentParser
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// `plan`: what a run would hold in memory, item by item, without reading a weight.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a run would hold in memory.",
    discussion: """
      minimum_bytes is the smallest limit for these options (without -c for 512 positions), \
      resident_bytes what everything in memory takes, model_bytes the weights as stored.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Flag(help: "Write one JSON object.")
  var json = false

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
    let report = PlanReport(plan, mode: mode, store: path)
    try Output.line(json ? report.json : report.text)
  }
}
