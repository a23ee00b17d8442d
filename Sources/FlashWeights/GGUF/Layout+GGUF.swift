/// How a family is spelled in GGUF files.
extension Layout {
  /// Whose names a source follows.
  package enum Spelling: Sendable {
    /// `config.json` and Hugging Face's tensor names.
    case checkpoint
    /// The metadata of a GGUF file, and ggml's tensor names.
    case gguf
  }

  /// The section `gguf` of a layout: what the rest of the layout says of checkpoints.
  ///
  /// Keys are those of the file without the architecture before them (`attention.head_count`), and
  /// `derived.…`, which `GGUFSource` makes from several keys or from the tensors that are there.
  package struct GGUFSection: Codable, Equatable, Sendable {
    /// Values of `general.architecture`.
    package var architectures: [String]
    /// Keys that a file of this layout has, and has not.
    package var present: [String]?
    package var absent: [String]?
    package var rotaryPairs: RotaryPairs
    package var decoder: DecoderSwitches
    package var requirements: [Requirement]
    package var tensors: [TensorPattern]
    package var ignoredTensors: [String]
    package var ignoredKeys: [String]
  }

  /// Which rows of a head RoPE turns together (llama.cpp's `llama_model_rope_type`).
  package enum RotaryPairs: String, Codable, Sendable {
    /// Rows 0 and 1, 2 and 3, …: the file's query and key rows are put back in order (NORM).
    case neighbours
    /// Rows i and i + half, as checkpoints have them (NEOX).
    case halves
  }

  /// This layout in another spelling, as a layout of its own; nil where it has none.
  package func spelled(_ spelling: Spelling) -> Layout? {
    guard spelling == .gguf else { return self }
    guard let gguf else { return nil }
    var layout = self
    layout.recognizes = gguf.architectures.map {
      Recognition(architecture: $0, present: gguf.present ?? [], absent: gguf.absent ?? [])
    }
    layout.decoder = gguf.decoder
    layout.requirements = gguf.requirements
    layout.prefixes = [""]
    layout.tensors = gguf.tensors
    layout.predictors = nil
    layout.ignoredTensors = gguf.ignoredTensors
    layout.ignoredKeys = gguf.ignoredKeys
    layout.gguf = nil
    return layout
  }

  /// The layout for a source, and the same in the source's spelling: `given`, or the one inside the
  /// binary that recognizes the source.
  static func pair(
    for source: any ModelSource, given: Layout?
  ) throws(StoreError) -> (layout: Layout, spelled: Layout) {
    if let given {
      guard let spelled = given.spelled(source.spelling) else {
        throw StoreError(
          .layout, "the layout \(given.name) has no section \"gguf\"", file: source.path)
      }
      return (given, spelled)
    }
    let spelled = try recognizing(
      source.configuration, among: builtIn.compactMap { $0.spelled(source.spelling) },
      file: source.configurationPath)
    guard let layout = builtIn.first(where: { $0.name == spelled.name }) else {
      preconditionFailure("a spelling keeps its layout's name")
    }
    return (layout, spelled)
  }

  /// Keys of a GGUF file's architecture that this layout, in that spelling, does not know and that
  /// say something: neither zero, false nor empty.
  func unknownMetadata(of json: JSONValue) -> [String] {
    let known = Set(readKeys + Self.knownGGUFParts.map(\.key))
    let foreign = [
      "general.", "tokenizer.", "derived.", "split.", "quantize.", "rope.scaling.",
      PowerInfer.thresholdKey,
    ]
    return (json.object ?? [:]).filter { key, value in
      guard key.contains("."), value != .null, value.number != 0, value.bool != false,
        value.string != "", value != .array([])
      else { return false }
      return !known.contains(key) && !foreign.contains { key.hasPrefix($0) }
    }.keys.sorted()
  }
}
