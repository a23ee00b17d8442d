internal import ArgumentParser
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// `inspect`: a store's shapes, layer by layer, its bytes, and what its reads cost.
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show a store's shapes and bytes.",
    discussion: """
      For a synthetic ReLU store, and with --activity for any, some tokens are decoded to measure \
      how many neurons fire and how many of them fired 1, 4 and 16 tokens before.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Flag(help: "Write one JSON object.")
  var json = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens to measure activity over; 0 is none. (default: 64 for a synthetic ReLU store)",
      valueName: "n"))
  var activity: Int?

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let store = try WeightStore.open(path)
    let isSparse = store.configuration.activation.isSparse
    let wanted = activity ?? (store.manifest.synthetic != nil && isSparse ? 64 : 0)
    guard wanted >= 0 else { throw Failure(.usage, "--activity \(wanted): it must be 0 or more") }
    var measured: ActivityReport?
    if wanted > 0 {
      let session = try await EngineSession.open(
        store: path, flags: flags, settings: settings, console: console
      ) { _, options in
        options.contextLength = options.contextLength ?? wanted
        options.decoder.measuresActivity = true
      }
      console.notice("decoding \(wanted) tokens to measure activity")
      let flag = CancellationFlag()
      Interrupts.onFirst { flag.cancel() }
      measured = try await session.engine.withModel { model in
        try ActivityReport.measure(
          decoder: model.decoder, tokenCount: wanted, isCancelled: { flag.isCancelled })
      }
    }
    let report = InspectReport(store, activity: measured)
    try Output.line(json ? report.json : report.text)
  }
}
