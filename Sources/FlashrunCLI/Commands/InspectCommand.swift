internal import ArgumentParser
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// `inspect`: a model's shapes, layer by layer, its bytes, and what its reads cost.
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show the shapes and bytes of a store, a checkpoint or a GGUF file.",
    discussion: """
      Of a checkpoint or a GGUF file the store is shown that it would become. \
      For a synthetic store of ReLU or with experts, and with --activity for any, some tokens are \
      decoded to measure how many neurons fire and how many of them fired 1, 4 and 16 tokens \
      before; of experts how unequally they are chosen, how many are chosen again, and how many \
      of a layer's are known a layer ahead.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Flag(help: "Write one JSON object.")
  var json = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens to measure activity over; 0 is none. (default: 64 where a synthetic store has any)",
      valueName: "n"))
  var activity: Int?

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    if let path = try model.path(settings), let report = try Self.source(path) {
      guard activity == nil else {
        throw Failure(.usage, "--activity needs a store; \(path) is none")
      }
      return try Output.line(json ? report.json : report.text)
    }
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let store = try WeightStore.open(path)
    let varies = store.configuration.activation.isSparse || store.configuration.routing != nil
    let wanted = activity ?? (store.manifest.synthetic != nil && varies ? 64 : 0)
    guard wanted >= 0 else { throw Failure(.usage, "--activity \(wanted): it must be 0 or more") }
    var measured: ActivityReport?
    if wanted > 0 {
      let session = try await EngineSession.open(
        store: path, flags: flags, settings: settings, console: console
      ) { _, options in
        options.contextLength = options.contextLength ?? wanted
        options.decoder.measuresActivity = true
        // Where experts are computed whole, what fires in them is not looked at.
        let configuration = store.configuration
        if configuration.routing != nil, configuration.hasSilentNeurons,
          options.decoder.sparsity == .auto
        {
          options.decoder.sparsity = .exact
        }
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

  /// The report on what is to be converted; nil for everything else.
  private static func source(_ path: String) throws(StoreError) -> SourceReport? {
    switch ModelPath.kind(of: path) {
    case .gguf: try SourceReport(gguf: path)
    case .checkpoint: try SourceReport(checkpoint: path)
    default: nil
    }
  }
}
