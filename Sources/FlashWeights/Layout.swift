internal import FoundationEssentials

/// How a model family spells its configuration and its tensors (`layouts/NAME.json`).
///
/// A layout is data: it says where each number of `ModelConfiguration` comes from, what must hold
/// for the decoder to be right, and which tensor of the checkpoint plays which role. A new family
/// of the same build is a new file and no code. `layouts/README.md` explains it by an example.
package struct Layout: Codable, Equatable, Sendable {
  package var name: String
  /// The checkpoints this layout is for; any of them.
  package var recognizes: [Recognition]
  package var decoder: DecoderSwitches
  /// What else the configuration must say; a checkpoint that says otherwise is refused.
  package var requirements: [Requirement]
  /// What may stand for `{prefix}` in tensor names; the first under which the checkpoint has the
  /// token embedding is used for all.
  package var prefixes: [String]
  package var tensors: [TensorPattern]
  /// How predictors that come with a checkpoint are spelled; absent: none do.
  package var predictors: PredictorNames?
  /// Names of tensors that carry nothing the decoder needs.
  package var ignoredTensors: [String]
  /// Keys of the configuration that change nothing in the arithmetic of this family.
  package var ignoredKeys: [String]
  /// The same for GGUF files; absent: the family is not read from them.
  package var gguf: GGUFSection?

  /// A checkpoint is recognized by `architectures[0]` and by keys it has or has not; never by
  /// `model_type`, which re-saved checkpoints get wrong.
  package struct Recognition: Codable, Equatable, Sendable {
    package var architecture: String
    package var present: [String]
    package var absent: [String]
  }

  /// The layouts inside the binary. Traps where one is wrong, which a test excludes.
  package static let builtIn: [Layout] = BuiltInLayouts.texts.map { name, text in
    do {
      return try Layout(text: Array(text.utf8), file: "layouts/\(name).json")
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// Reads a layout. Throws `layout` or `noSuchFile`, naming what is wrong and where.
  package init(contentsOf path: String) throws(StoreError) {
    let file = try File.reading(path)
    let byteCount = try file.byteCount()
    guard byteCount <= 1 << 20 else {
      throw StoreError(
        .layout, "is too long for a layout", file: path, expected: "at most 1048576 bytes",
        found: "\(byteCount)")
    }
    try self.init(text: try file.bytes(at: 0, byteCount: byteCount), file: path)
  }

  init(text: [UInt8], file: String) throws(StoreError) {
    let whole = try Self.whole(text, file: file)
    self = try JSONText.decode(Layout.self, from: whole, kind: .layout, file: file)
    if let (key, offset) = DuplicateKeys.first(in: text) {
      throw StoreError(.layout, "holds the key \"\(key)\" twice", file: file, offset: offset)
    }
    try refuseUnknownKeys(in: whole, file: file)
    try check(file: file)
    try spelled(.gguf)?.check(file: file)
  }

  private func refuseUnknownKeys(in text: [UInt8], file: String) throws(StoreError) {
    func value(_ text: [UInt8]) throws(StoreError) -> JSONValue {
      try JSONText.decode(JSONValue.self, from: text, kind: .layout, file: file)
    }
    if let (key, place) = UnknownKeys.first(
      in: try value(text), butNotIn: try value(JSONText.encode(self)))
    {
      throw StoreError(
        .layout, "unknown key \"\(key)\" at \(place.isEmpty ? "the top" : place)", file: file)
    }
  }

  /// Whether the layout makes sense in itself.
  private func check(file: String) throws(StoreError) {
    func fail(_ problem: String) -> StoreError { StoreError(.layout, problem, file: file) }
    let hasRotary = decoder.positions.rotary != nil
    guard hasRotary != (decoder.positions.learned != nil) else {
      throw fail("decoder.positions must hold either \"rotary\" or \"learned\"")
    }
    guard !prefixes.isEmpty else { throw fail("\"prefixes\" must hold at least one text") }
    var seen: Set<String> = []
    for pattern in tensors {
      let label = pattern.role.rawValue + (pattern.isBias ? " bias" : "")
      guard seen.insert(label).inserted else { throw fail("two tensors for \(label)") }
      guard pattern.isPerLayer == pattern.role.isPerLayer else {
        throw fail(
          "the name of \(label) must \(pattern.role.isPerLayer ? "" : "not ")hold {layer}")
      }
      if let problem = pattern.expertProblem(hasExperts: decoder.experts != nil) {
        throw fail("\(label) \(problem)")
      }
    }
    if let predictors, !predictors.areApart(hasExperts: decoder.experts != nil) {
      throw fail("the names of predictors must hold {layer}, and {expert} where there are experts")
    }
    let optional: Set<TensorRole> = [
      .positionEmbedding, .gate, .attentionNorm, .queryNorm, .keyNorm, .linearAttention,
      .attentionOutputNorm, .feedForwardNorm, .linearFeedForward, .feedForwardOutputNorm,
      .sinks, .router, .sharedGate, .sharedUp, .sharedDown, .sharedRouter,
    ]
    var needed = Set(TensorRole.allCases).subtracting(optional)
    if !hasRotary { needed.insert(.positionEmbedding) }
    if decoder.isGated { needed.insert(.gate) }
    if decoder.experts != nil { needed.insert(.router) }
    if decoder.hasSinks == true { needed.insert(.sinks) }
    for role in TensorRole.allCases where needed.contains(role) && !seen.contains(role.rawValue) {
      throw fail("no tensor for \(role.rawValue)")
    }
  }
}

extension TensorRole {
  /// Whether every layer has its own.
  package var isPerLayer: Bool {
    switch self {
    case .tokenEmbedding, .positionEmbedding, .outputNorm, .outputHead: false
    default: true
    }
  }

  /// Whether the weight belongs to the neurons, and so lies in `bundles.bin`.
  package var isBundled: Bool {
    switch self {
    case .gate, .up, .down: true
    default: false
    }
  }

  /// Whether it is one row of values that are not multiplied as a matrix: a norm, or sinks.
  package var isVector: Bool {
    switch self {
    case .attentionNorm, .queryNorm, .keyNorm, .attentionOutputNorm, .feedForwardNorm,
      .feedForwardOutputNorm, .outputNorm, .sinks:
      true
    default: false
    }
  }
}
