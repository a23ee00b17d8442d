internal import ArgumentParser
internal import FlashKernels
internal import FlashWeights

/// `convert`: a checkpoint becomes a store, all or nothing.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert a checkpoint to a store.",
    discussion: """
      The source is a folder with config.json, one or many safetensors files and, for text, \
      tokenizer.json. The store appears when it is whole; a conversion that was killed is resumed \
      by the next one.
      """)

  @Argument(help: ArgumentHelp("Folder of the checkpoint.", valueName: "source"))
  var source: String

  @Argument(help: ArgumentHelp("Store to make, NAME.flash.", valueName: "target"))
  var target: String

  @Option(
    help: ArgumentHelp(
      "How weights are stored.", valueName: "type"))
  var type: RowFormat

  @Option(help: ArgumentHelp("Another type for the output head.", valueName: "type"))
  var headType: RowFormat?

  @Option(help: ArgumentHelp("Another type for attention.", valueName: "type"))
  var attentionType: RowFormat?

  @Option(help: ArgumentHelp("Another type for the token embedding.", valueName: "type"))
  var embeddingType: RowFormat?

  @Option(help: ArgumentHelp("A layout of a model family, JSON.", valueName: "file"))
  var layout: String?

  @Flag(help: "Replace a store that is there.")
  var overwrite = false

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    if source.hasSuffix(".gguf") { throw Failure.planned("reading GGUF files (\(source))") }
    let manifest = try ConversionRun(
      source: source, target: target,
      formats: StoreFormats(
        type, embedding: embeddingType, attention: attentionType, head: headType),
      layout: try layout.map { try Layout(contentsOf: $0) }, overwrite: overwrite, console: console
    ).run()
    let bytes = try WeightStore.open(target).fileByteCount
    console.notice(
      "\(target): \(manifest.parameterCount) parameters, \(Units.bytes(bytes)), layout "
        + manifest.layout.name)
  }
}

extension RowFormat: ExpressibleByArgument {}
