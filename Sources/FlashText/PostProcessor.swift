/// The tokens that are put around a text: the member `post_processor`, or the begin and end tokens
/// of the configuration where that member adds none.
struct PostProcessor: Sendable {
  /// A template's part: tokens, or the text's own.
  private enum Part: Sendable {
    case tokens([Int32])
    case text
  }

  /// Each is applied to what the one before made.
  private var templates: [[Part]] = []

  /// Reads the member; a missing one adds nothing.
  init(_ node: JSONNode?) throws(TokenizerError) {
    if let node { try read(node) }
  }

  /// Puts one token before the text and one after it.
  init(begin: Int32?, end: Int32?) {
    templates = [[.tokens(begin.map { [$0] } ?? []), .text, .tokens(end.map { [$0] } ?? [])]]
  }

  var addsTokens: Bool {
    templates.joined().contains { if case .tokens(let ids) = $0 { !ids.isEmpty } else { false } }
  }

  func apply(_ ids: [Int32]) -> [Int32] {
    templates.reduce(ids) { ids, template in
      template.flatMap { part in
        switch part {
        case .tokens(let tokens): tokens
        case .text: ids
        }
      }
    }
  }

  private mutating func read(_ node: JSONNode) throws(TokenizerError) {
    let type = try node.member("type").string()
    switch type {
    case "ByteLevel": break  // It trims offsets only.
    case "Sequence":
      for element in try node.member("processors").elements() { try read(element) }
    case "TemplateProcessing": templates.append(try Self.readTemplate(node))
    case "BertProcessing", "RobertaProcessing":
      templates.append([
        .tokens([try Self.readPair(node.member("cls"))]), .text,
        .tokens([try Self.readPair(node.member("sep"))]),
      ])
    default: throw .unsupported(part: "post-processor \(type)", path: node.path)
    }
  }

  /// Reads `["</s>", 2]`.
  private static func readPair(_ node: JSONNode) throws(TokenizerError) -> Int32 {
    let elements = try node.elements()
    guard elements.count == 2 else { throw node.unexpected("[token, id]") }
    return try elements[1].tokenID()
  }

  private static func readTemplate(_ node: JSONNode) throws(TokenizerError) -> [Part] {
    let specialTokens = try node.optional("special_tokens")
    var parts: [Part] = []
    for element in try node.member("single").elements() {
      if let sequence = try element.optional("Sequence") {
        let id = try sequence.member("id")
        guard try id.string() == "A" else { throw id.unexpected("\"A\"") }
        parts.append(.text)
        continue
      }
      let id = try element.member("SpecialToken").member("id")
      let name = try id.string()
      guard let token = try specialTokens?.optional(name) else {
        throw .unknownToken(token: name, path: id.path)
      }
      var ids: [Int32] = []
      for element in try token.member("ids").elements() { ids.append(try element.tokenID()) }
      parts.append(.tokens(ids))
    }
    return parts
  }
}
