internal import Foundation

/// What is used of `tokenizer_config.json`.
struct TokenizerConfiguration {
  let beginTokenID: Int32?
  let endTokenID: Int32?
  /// The tokens to put around a text where `tokenizer.json` names none.
  let addedBeginTokenID: Int32?
  let addedEndTokenID: Int32?
  let chatTemplate: String?

  init(json: Data, vocabularies: [Vocabulary]) throws(TokenizerError) {
    let node = JSONNode(
      value: try JSONValue(utf8: Array(json), document: "tokenizer_config.json"),
      path: "tokenizer_config")
    beginTokenID = try Self.tokenID(node.optional("bos_token"), vocabularies: vocabularies)
    endTokenID = try Self.tokenID(node.optional("eos_token"), vocabularies: vocabularies)
    addedBeginTokenID = try Self.added(beginTokenID, node, flag: "add_bos_token", "bos_token")
    addedEndTokenID = try Self.added(endTokenID, node, flag: "add_eos_token", "eos_token")
    chatTemplate = try Self.readTemplate(node.optional("chat_template"))
  }

  /// A token is its text, or an object with the text as `content`.
  private static func tokenID(
    _ node: JSONNode?, vocabularies: [Vocabulary]
  ) throws(TokenizerError) -> Int32? {
    guard var node else { return nil }
    if case .object = node.value { node = try node.member("content") }
    let text = try node.utf8()
    return vocabularies.lazy.compactMap { $0.id(of: text) }.first
  }

  private static func added(
    _ id: Int32?, _ node: JSONNode, flag: String, _ name: String
  ) throws(TokenizerError) -> Int32? {
    guard try node.flag(flag) else { return nil }
    if let id { return id }
    throw .unexpectedValue(
      path: "\(node.path).\(name)", expected: "a token of the vocabulary, because \(flag) is true",
      found: try node.optional(name)?.value.summary ?? "nothing")
  }

  /// A template is its text; of several named ones it is the one named "default".
  private static func readTemplate(_ node: JSONNode?) throws(TokenizerError) -> String? {
    guard let node else { return nil }
    guard case .array = node.value else { return try node.string() }
    for element in try node.elements() where try element.member("name").string() == "default" {
      return try element.member("template").string()
    }
    return nil
  }
}
