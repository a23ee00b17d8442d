/// The text of a `tokenizer.json`, as huggingface/tokenizers and FlashText read it.
enum TokenizerText {
  /// SentencePiece's BPE (`tokenizer.ggml.model` llama): the pair with the best score is merged
  /// first, characters that are no token become bytes.
  case scored(GGUFVocabulary)
  /// GPT-2's byte-level BPE, with its merges in order.
  case merged(GGUFVocabulary, merges: [[UInt8]], splitter: GGUFPreTokenizer)

  var vocabulary: GGUFVocabulary {
    switch self {
    case .scored(let vocabulary), .merged(let vocabulary, _, _): vocabulary
    }
  }

  var addsBegin: Bool {
    guard vocabulary.beginID != nil else { return false }
    switch self {
    case .scored: return vocabulary.addsBegin ?? true
    case .merged(_, _, let splitter): return vocabulary.addsBegin ?? splitter.addsBegin
    }
  }

  var addsEnd: Bool { vocabulary.endID != nil && vocabulary.addsEnd }

  var bytes: [UInt8] {
    var json = JSONBytes()
    json.raw("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[")
    writeAddedTokens(to: &json)
    json.raw("],")
    switch self {
    case .scored(let vocabulary): writeScoredParts(vocabulary, to: &json)
    case .merged(_, _, let splitter):
      json.raw("\"normalizer\":\(splitter.isNFC ? "{\"type\":\"NFC\"}" : "null"),")
      splitter.write(to: &json)
      json.raw(",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,")
      json.raw("\"trim_offsets\":true,\"use_regex\":false},")
    }
    json.raw("\"post_processor\":")
    writePostProcessor(to: &json)
    json.raw(",\"model\":")
    writeModel(to: &json)
    json.raw("}\n")
    return json.bytes
  }

  private func writeAddedTokens(to json: inout JSONBytes) {
    var isFirst = true
    for (id, token) in vocabulary.tokens.enumerated() where !token.isEmpty {
      let kind = vocabulary.kind(id)
      guard [.unknown, .control, .userDefined].contains(kind) else { continue }
      json.raw("\(isFirst ? "" : ","){\"id\":\(id),\"content\":")
      json.string(token)
      json.raw(",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,")
      json.raw("\"special\":\(kind != .userDefined)}")
      isFirst = false
    }
  }

  private func writeScoredParts(_ vocabulary: GGUFVocabulary, to json: inout JSONBytes) {
    let replace = "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"▁\"}"
    let prepend = "{\"type\":\"Prepend\",\"prepend\":\"▁\"},"
    let strip = ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"
    let adds = vocabulary.addsSpace
    json.raw("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[")
    json.raw("\(adds ? prepend : "")\(replace)]},\"pre_tokenizer\":null,")
    json.raw("\"decoder\":{\"type\":\"Sequence\",\"decoders\":[")
    json.raw("{\"type\":\"Replace\",\"pattern\":{\"String\":\"▁\"},\"content\":\" \"},")
    json.raw("{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}\(adds ? strip : "")]},")
  }

  private func writePostProcessor(to json: inout JSONBytes) {
    let begin = addsBegin ? vocabulary.beginID : nil
    let end = addsEnd ? vocabulary.endID : nil
    guard begin != nil || end != nil else { return json.raw("null") }
    func special(_ id: Int?) {
      guard let id else { return }
      json.raw("{\"SpecialToken\":{\"id\":")
      json.string(vocabulary.tokens[id])
      json.raw(",\"type_id\":0}}")
    }
    json.raw("{\"type\":\"TemplateProcessing\",\"single\":[")
    special(begin)
    json.raw("\(begin == nil ? "" : ","){\"Sequence\":{\"id\":\"A\",\"type_id\":0}}")
    json.raw(end == nil ? "" : ",")
    special(end)
    json.raw("],\"pair\":[],\"special_tokens\":{")
    for (index, id) in Set([begin, end].compactMap(\.self)).sorted().enumerated() {
      json.raw(index == 0 ? "" : ",")
      json.string(vocabulary.tokens[id])
      json.raw(":{\"id\":")
      json.string(vocabulary.tokens[id])
      json.raw(",\"ids\":[\(id)],\"tokens\":[")
      json.string(vocabulary.tokens[id])
      json.raw("]}")
    }
    json.raw("}}")
  }

  private func writeModel(to json: inout JSONBytes) {
    var unknown: [UInt8]?
    var (fallsBack, ignoresMerges) = (false, false)
    let merges: [([UInt8], [UInt8])]
    switch self {
    case .scored(let vocabulary):
      fallsBack = vocabulary.kinds.contains(.byte)
      unknown = vocabulary.tokens[vocabulary.unknownID ?? 0]
      merges = ScoredMerges.merges(vocabulary)
    case .merged(_, let texts, let splitter):
      ignoresMerges = splitter.ignoresMerges
      let known = Set(vocabulary.tokens)
      merges = texts.compactMap { text in
        // A side may itself begin with a space: the separator is never the first byte.
        guard let space = text.dropFirst().firstIndex(of: UInt8(ascii: " ")) else { return nil }
        let (left, right) = (Array(text[..<space]), Array(text[(space + 1)...]))
        // llama.cpp passes over merges of what is no token.
        guard known.contains(left), known.contains(right), known.contains(left + right) else {
          return nil
        }
        return (left, right)
      }
    }
    json.raw("{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":")
    if let unknown { json.string(unknown) } else { json.raw("null") }
    json.raw(",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":")
    json.raw("\(fallsBack),\"byte_fallback\":\(fallsBack),\"ignore_merges\":\(ignoresMerges),")
    json.raw("\"vocab\":{")
    for (id, token) in vocabulary.tokens.enumerated() {
      json.raw(id == 0 ? "" : ",")
      json.string(token)
      json.raw(":\(id)")
    }
    json.raw("},\"merges\":[")
    for (index, merge) in merges.enumerated() {
      json.raw(index == 0 ? "[" : ",[")
      json.string(merge.0)
      json.raw(",")
      json.string(merge.1)
      json.raw("]")
    }
    json.raw("]}")
  }
}

/// Merges that stand for scores, in the order of huggingface/transformers' converter
/// (`convert_slow_tokenizer.py`, `generate_merges`): every split of a token into two tokens, the
/// best score first.
enum ScoredMerges {
  private struct Merge {
    var left: Int
    var right: Int
    var score: Float
    /// Characters of both sides.
    var leftCount: Int
    var rightCount: Int
    /// Place in the order of tokens and, for one token, of its sides.
    var place: Int
  }

  static func merges(_ vocabulary: GGUFVocabulary) -> [([UInt8], [UInt8])] {
    var ids: [[UInt8]: Int] = [:]
    for (id, token) in vocabulary.tokens.enumerated() where isText(vocabulary, id) {
      ids[token] = id
    }
    var merges: [Merge] = []
    for (id, token) in vocabulary.tokens.enumerated() where isText(vocabulary, id) {
      let starts = token.indices.filter { token[$0] & 0xC0 != 0x80 }
      var local: [Merge] = []
      for (characters, split) in starts.enumerated().dropFirst() {
        guard let left = ids[Array(token[..<split])], let right = ids[Array(token[split...])]
        else { continue }
        local.append(
          Merge(
            left: left, right: right, score: vocabulary.scores[id], leftCount: characters,
            rightCount: starts.count - characters, place: 0))
      }
      for var merge in local.sorted(by: { ($0.left, $0.right) < ($1.left, $1.right) }) {
        merge.place = merges.count
        merges.append(merge)
      }
    }
    merges.sort { a, b in
      if a.score != b.score { return a.score > b.score }
      if a.leftCount != b.leftCount { return a.leftCount > b.leftCount }
      return a.rightCount != b.rightCount ? a.rightCount > b.rightCount : a.place < b.place
    }
    return merges.map { (vocabulary.tokens[$0.left], vocabulary.tokens[$0.right]) }
  }

  /// Whether text becomes a token by merging.
  private static func isText(_ vocabulary: GGUFVocabulary, _ id: Int) -> Bool {
    ![.control, .unknown, .byte].contains(vocabulary.kind(id)) && !vocabulary.tokens[id].isEmpty
  }
}
