/// The tokenizer of a GGUF file as the files that go with a checkpoint: `tokenizer.json`,
/// `tokenizer_config.json` and `chat_template.jinja`.
struct GGUFTokenizer {
  private(set) var files: [(name: String, bytes: [UInt8])] = []
  private(set) var notes: [String] = []
  /// Nil where the file has no vocabulary.
  private(set) var tokenCount: Int?
  /// Tokens that end a text or a turn by what they are called.
  private(set) var endIDs: [Int] = []

  /// Reads what the metadata say; a kind or a splitter that nobody knows leaves the tokenizer out,
  /// with a note. `preTokenizer` names the splitter instead of `tokenizer.ggml.pre`.
  init(_ metadata: GGUFFile, preTokenizer: String?) throws(StoreError) {
    if let template = try metadata.string("tokenizer.chat_template") {
      files.append(("chat_template.jinja", Array(template.utf8)))
    }
    guard let kind = try metadata.string("tokenizer.ggml.model", limit: 256), kind != "no_vocab",
      kind != "none", let vocabulary = try GGUFVocabulary(metadata, kind: kind)
    else {
      notes.append("the file has no tokenizer: text commands will not work")
      return
    }
    endIDs = vocabulary.endIDs
    if let twin = vocabulary.twin {
      let token = String(decoding: vocabulary.tokens[twin.second], as: UTF8.self)
      tokenCount = vocabulary.tokens.count
      notes.append(
        "the tokenizer's tokens \(twin.first) and \(twin.second) are both \"\(token)\"; "
          + "it is left out")
      return
    }
    let text: TokenizerText
    switch kind {
    case "llama":
      tokenCount = vocabulary.tokens.count
      guard vocabulary.scores.count == vocabulary.tokens.count else {
        notes.append("the tokenizer has no scores, without which it is of no use; it is left out")
        return
      }
      text = .scored(vocabulary)
    case "gpt2":
      tokenCount = vocabulary.tokens.count
      var named = try metadata.string("tokenizer.ggml.pre", limit: 256)
      if let preTokenizer { named = preTokenizer }
      guard let splitter = GGUFPreTokenizer.named[named ?? "default"] else {
        notes.append(
          "how the tokenizer splits text, \"\(named ?? "")\", is not known; it is left out; "
            + "convert again with --pre and one of "
            + GGUFPreTokenizer.names.joined(separator: ", "))
        return
      }
      if named == nil {
        notes.append("the file does not say how its tokenizer splits text: \"default\" is taken")
      }
      let merges = try metadata.strings("tokenizer.ggml.merges") ?? []
      text = .merged(vocabulary, merges: merges, splitter: splitter)
    default:
      notes.append("the tokenizer's kind, \"\(kind)\", is not known; it is left out")
      return
    }
    files.append(("tokenizer.json", text.bytes))
    files.append(("tokenizer_config.json", vocabulary.configuration(text)))
  }
}

/// The tokens of a GGUF file with what it says of them.
struct GGUFVocabulary {
  /// `tokenizer.ggml.token_type`.
  enum Kind: Int {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  let tokens: [[UInt8]]
  let scores: [Float]
  let kinds: [Kind]
  let beginID: Int?
  let endID: Int?
  let unknownID: Int?
  /// Nil where the file leaves it to the kind of tokenizer.
  let addsBegin: Bool?
  let addsEnd: Bool
  let addsSpace: Bool

  /// Nil where the file has no tokens. Throws `gguf` for lists of different lengths. `kind` is
  /// `tokenizer.ggml.model`.
  init?(_ metadata: GGUFFile, kind: String) throws(StoreError) {
    let prefix = "tokenizer.ggml."
    guard var tokens = try metadata.strings(prefix + "tokens"), !tokens.isEmpty else { return nil }
    // llama.cpp's name for a token without text, which no text holds.
    for id in tokens.indices where tokens[id].isEmpty { tokens[id] = Array("[EMPTY_\(id)]".utf8) }
    self.tokens = tokens
    let path = metadata.path
    func numbers<Number>(
      _ name: String, _ read: (GGUFValueType, UInt64) -> Number?
    ) throws(StoreError) -> [Number] {
      let values = try metadata.numbers(prefix + name, read) ?? []
      guard values.isEmpty || values.count == tokens.count else {
        throw StoreError(
          .gguf, "has another length than tokenizer.ggml.tokens", file: path, key: prefix + name,
          expected: "\(tokens.count)", found: "\(values.count)")
      }
      return values
    }
    scores = try numbers("scores") { GGUFEntry.number($0, $1).map { Float($0) } }
    kinds = try numbers("token_type") { type, bits in
      GGUFEntry.integer(type, bits).map { Kind(rawValue: $0) ?? .normal }
    }
    func token(_ name: String) -> Int? {
      metadata.entries[prefix + name + "_token_id"]?.integer.flatMap {
        tokens.indices.contains($0) ? $0 : nil
      }
    }
    func flag(_ name: String) -> Bool? { metadata.entries[prefix + name]?.bool }
    // SentencePiece's vocabularies begin with these three.
    let isScored = kind == "llama"
    func usual(_ id: Int) -> Int? { isScored && id < tokens.count ? id : nil }
    beginID = token("bos") ?? usual(1)
    endID = token("eos") ?? usual(2)
    unknownID = token("unknown") ?? usual(0)
    addsBegin = flag("add_bos_token")
    addsEnd = flag("add_eos_token") ?? false
    addsSpace = flag("add_space_prefix") ?? true
  }

  /// Tokens that llama.cpp stops at by their text, whatever the file says of them: files of chat
  /// models often name only one of them as an end, and some call them normal.
  var endIDs: [Int] {
    var ids = tokens.indices.filter { Self.endTexts.contains(tokens[$0]) }
    // Where a message may end with a call, its end ends no turn (OpenAI's harmony).
    if tokens.contains(Array("<|return|>".utf8)), tokens.contains(Array("<|call|>".utf8)) {
      ids.removeAll { tokens[$0] == Array("<|end|>".utf8) }
    }
    return ids
  }

  private static let endTexts = Set(
    [
      "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
      "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
      "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<｜end▁of▁sentence｜>",
    ].map { Array($0.utf8) })

  /// Two tokens of one text, which llama.cpp refuses.
  var twin: (first: Int, second: Int)? {
    var ids: [[UInt8]: Int] = [:]
    ids.reserveCapacity(tokens.count)
    for (id, token) in tokens.enumerated() {
      if let first = ids.updateValue(id, forKey: token) { return (first, id) }
    }
    return nil
  }

  func kind(_ id: Int) -> Kind { id < kinds.count ? kinds[id] : .normal }

  /// The contents of `tokenizer_config.json`.
  func configuration(_ text: TokenizerText) -> [UInt8] {
    var json = JSONBytes()
    json.raw("{")
    for (name, id) in [("bos_token", beginID), ("eos_token", endID), ("unk_token", unknownID)] {
      guard let id else { continue }
      json.raw("\"\(name)\":")
      json.string(tokens[id])
      json.raw(",")
    }
    json.raw("\"add_bos_token\":\(text.addsBegin),\"add_eos_token\":\(text.addsEnd)}\n")
    return json.bytes
  }
}

/// JSON text as it is written, for texts of megabytes.
struct JSONBytes {
  private(set) var bytes: [UInt8] = []

  mutating func raw(_ text: String) { bytes += text.utf8 }

  /// A string of UTF-8; what is no UTF-8 becomes U+FFFD.
  mutating func string(_ utf8: [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    let valid = String(validating: utf8, as: UTF8.self) != nil
    for byte in valid ? utf8 : Array(String(decoding: utf8, as: UTF8.self).utf8) {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0..<0x20, 0x7F:
        let digits = String(byte, radix: 16)
        raw("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
