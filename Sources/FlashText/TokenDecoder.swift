/// Tokens to text: the member `decoder`, a chain of stages that pass text on as soon as it is sure.
///
/// One chain serves whole texts and streams, so that they cannot differ but in one thing: the
/// reference turns a run of byte tokens that is not UTF-8 into U+FFFD altogether, also its whole
/// characters. A stream has shown these by then; only the other bytes become U+FFFD.
struct TokenDecoder: Sendable {
  private var stages: [any DecoderStage]

  /// Reads the member; a missing one joins tokens with spaces.
  init(_ node: JSONNode?) throws(TokenizerError) {
    stages = []
    if let node { try read(node) } else { stages = [JoinStage()] }
  }

  /// The same chain for a whole text: see the type.
  func holdingByteRuns() -> TokenDecoder {
    var decoder = self
    decoder.stages = stages.map { stage in
      guard var stage = stage as? ByteFallbackStage else { return stage }
      stage.holdsRuns = true
      return stage
    }
    return decoder
  }

  /// The text that is sure after one more token: whole characters, UTF-8.
  mutating func append(_ token: [UInt8]) -> [UInt8] {
    var chunks = [DecoderChunk(utf8: token, beginsToken: true, endsToken: true)]
    for index in stages.indices {
      chunks = chunks.flatMap { stages[index].process($0) }
    }
    return chunks.flatMap(\.utf8)
  }

  /// The rest of the text, when no token follows.
  mutating func finish() -> [UInt8] {
    var chunks: [DecoderChunk] = []
    for index in stages.indices {
      chunks = chunks.flatMap { stages[index].process($0) } + stages[index].finish()
    }
    return chunks.flatMap(\.utf8)
  }

  private mutating func read(_ node: JSONNode) throws(TokenizerError) {
    let type = try node.member("type").string()
    let isFused = stages.contains { $0 is FuseStage || $0 is ByteLevelStage }
    switch type {
    case "Sequence":
      for element in try node.member("decoders").elements() { try read(element) }
    case "Fuse": stages.append(FuseStage())
    case "Strip": stages.append(try StripStage(node))
    case "Metaspace": stages.append(MetaspaceStage(metaspace: try Metaspace(node)))
    case "Replace":
      let stage = try ReplaceStage(node)
      if isFused, !stage.replacesSingleCharacters {
        throw .unsupported(
          part: "decoder Replace of more than a character after Fuse", path: node.path)
      }
      stages.append(stage)
    case "ByteFallback" where !isFused: stages.append(ByteFallbackStage())
    case "ByteLevel" where !isFused: stages.append(ByteLevelStage())
    case "ByteFallback", "ByteLevel":
      throw .unsupported(part: "decoder \(type) after Fuse", path: node.path)
    default: throw .unsupported(part: "decoder \(type)", path: node.path)
    }
  }
}
