internal import ArgumentParser
internal import FlashKernels
internal import FlashWeights

/// `convert`: a checkpoint or a GGUF file becomes a store, all or nothing.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert a checkpoint or a GGUF file to a store.",
    discussion: """
      The source is a folder with config.json, one or many safetensors files and, for text, \
      tokenizer.json; or a GGUF file, of several the first. Without --type weights keep their type \
      where the store has it (f32, f16, bf16, q8_0, q4_0, mxfp4, q4_K, q6_K) and become q8_0 \
      otherwise. q4_K and q6_K are for rows of whole 256 values; others become q4_0 and q8_0. The \
      store appears when it is whole; a conversion that was killed is resumed by the next one.
      """)

  @Argument(help: ArgumentHelp("Folder of the checkpoint, or GGUF file.", valueName: "source"))
  var source: String

  @Argument(help: ArgumentHelp("Store to make, NAME.flash.", valueName: "target"))
  var target: String

  @Option(
    help: ArgumentHelp(
      "How weights are stored. (default: as they are)", valueName: "type"))
  var type: RowFormat?

  @Option(help: ArgumentHelp("Another type for the output head.", valueName: "type"))
  var headType: RowFormat?

  @Option(help: ArgumentHelp("Another type for attention.", valueName: "type"))
  var attentionType: RowFormat?

  @Option(help: ArgumentHelp("Another type for the token embedding.", valueName: "type"))
  var embeddingType: RowFormat?

  @Option(help: ArgumentHelp("A layout of a model family, JSON.", valueName: "file"))
  var layout: String?

  @Option(
    help: ArgumentHelp(
      "How a GGUF file's tokenizer splits text, instead of tokenizer.ggml.pre.", valueName: "name"))
  var pre: String?

  @Flag(help: "Replace a store that is there.")
  var overwrite = false

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    if let pre, !GGUFPreTokenizer.names.contains(pre) {
      throw Failure(
        .usage, "--pre '\(pre)' is not known",
        hints: ["known are " + GGUFPreTokenizer.names.joined(separator: ", ")])
    }
    let manifest = try ConversionRun(
      source: source, target: target, formats: formats,
      layout: try layout.map { try Layout(contentsOf: $0) }, preTokenizer: pre,
      overwrite: overwrite, console: console
    ).run()
    let bytes = try WeightStore.open(target).fileByteCount
    console.notice(
      "\(target): \(manifest.parameterCount) parameters, \(Units.bytes(bytes)), layout "
        + manifest.layout.name)
  }

  private var formats: StoreFormats {
    guard let type else {
      return StoreFormats(embedding: embeddingType, attention: attentionType, head: headType)
    }
    return StoreFormats(
      type, embedding: embeddingType, attention: attentionType, head: headType)
  }
}

extension RowFormat: ExpressibleByArgument {
  /// By name, in upper or lower case: `q4_K`, `q4_k`.
  package init?(argument: String) {
    let name = argument.lowercased()
    guard let format = Self.allCases.first(where: { $0.rawValue.lowercased() == name }) else {
      return nil
    }
    self = format
  }
}
