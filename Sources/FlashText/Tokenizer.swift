package import Foundation

/// Text to tokens and back, as a model's `tokenizer.json` says: byte pair encoding with all that
/// goes before and after it. Its results equal those of huggingface/tokenizers.
///
/// A text goes through five steps: added tokens are cut out of it; the normalizer rewrites what
/// lies between them; the pre-tokenizer splits that into pieces; each piece becomes tokens by
/// merging; the post-processor puts begin and end tokens around all.
package struct Tokenizer: Sendable {
  /// The token that begins a text, and the one that ends it, by the configuration.
  package let beginTokenID: Int32?
  package let endTokenID: Int32?
  /// The configuration's template of a chat, Jinja.
  package let chatTemplate: String?

  private let addedTokens: AddedTokens
  private let normalizer: Normalizer?
  private let preTokenizer: PreTokenizer?
  private let model: BytePairEncoding
  private let postProcessor: PostProcessor
  let decoder: TokenDecoder

  /// - Parameters:
  ///   - tokenizerJSON: the contents of `tokenizer.json`.
  ///   - configurationJSON: the contents of `tokenizer_config.json`, if there is one.
  /// - Throws: `TokenizerError`, which names the place in the file.
  package init(tokenizerJSON: Data, configurationJSON: Data?) throws(TokenizerError) {
    let file = JSONNode(
      value: try JSONValue(utf8: Array(tokenizerJSON), document: "tokenizer.json"), path: "")
    let modelNode = try file.member("model")
    let vocabulary = try BytePairEncoding.readVocabulary(modelNode)
    var addedTokens = try AddedTokens(file.optional("added_tokens"), model: vocabulary)
    model = try BytePairEncoding(
      modelNode, vocabulary: vocabulary, addedTokens: addedTokens.vocabulary)
    normalizer = try file.optional("normalizer").map { (node) throws(TokenizerError) in
      try Normalizer(node)
    }
    preTokenizer = try file.optional("pre_tokenizer").map { (node) throws(TokenizerError) in
      try PreTokenizer(node)
    }
    decoder = try TokenDecoder(file.optional("decoder"))
    addedTokens.buildTries(normalizer: normalizer)
    self.addedTokens = addedTokens

    let vocabularies = [addedTokens.vocabulary, model.vocabulary]
    let configuration = try configurationJSON.map { (json) throws(TokenizerError) in
      try TokenizerConfiguration(json: json, vocabularies: vocabularies)
    }
    beginTokenID = configuration?.beginTokenID
    endTokenID = configuration?.endTokenID
    chatTemplate = configuration?.chatTemplate

    let written = try PostProcessor(file.optional("post_processor"))
    if let configuration, !written.addsTokens {
      postProcessor = PostProcessor(
        begin: configuration.addedBeginTokenID, end: configuration.addedEndTokenID)
    } else {
      postProcessor = written
    }
  }

  /// One more than the highest id, added tokens included.
  package var vocabularySize: Int {
    Int(max(model.vocabulary.maximumID, addedTokens.vocabulary.maximumID)) + 1
  }

  /// The entry of the vocabulary as written there: "Ġthe", "<0x0A>".
  package func tokenText(_ id: Int32) -> String? {
    writtenToken(id).map { String(decoding: $0, as: UTF8.self) }
  }

  package func tokenID(of text: String) -> Int32? {
    let utf8 = Array(text.utf8)
    return addedTokens.vocabulary.id(of: utf8) ?? model.vocabulary.id(of: utf8)
  }

  /// - Parameters:
  ///   - addSpecialTokens: whether the post-processor puts begin and end tokens around the text.
  ///   - parseSpecialTokens: whether special tokens written in the text become these tokens. Text
  ///     that a user wrote is encoded with `false`.
  /// - Complexity: O(n log n) in the text's longest piece, O(n) in the number of pieces.
  package func encode(
    _ text: String, addSpecialTokens: Bool, parseSpecialTokens: Bool
  ) -> [Int32] {
    var encoder = PieceEncoder(
      model: model, avoided: parseSpecialTokens ? [] : addedTokens.specialIDs)
    let utf8 = Array(text.utf8)
    for part in addedTokens.split(
      utf8, isNormalized: false, parseSpecial: parseSpecialTokens)
    {
      switch part {
      case .token(let id): encoder.append(id)
      case .text(let range):
        encode(
          Array(utf8[range]), startsText: range.lowerBound == 0,
          parseSpecialTokens: parseSpecialTokens, into: &encoder)
      }
    }
    return addSpecialTokens ? postProcessor.apply(encoder.ids) : encoder.ids
  }

  /// Encodes the text between added tokens that are searched in the text as it came.
  private func encode(
    _ utf8: [UInt8], startsText: Bool, parseSpecialTokens: Bool, into encoder: inout PieceEncoder
  ) {
    let normalized = normalizer?.apply(utf8) ?? utf8
    for part in addedTokens.split(
      normalized, isNormalized: true, parseSpecial: parseSpecialTokens)
    {
      switch part {
      case .token(let id): encoder.append(id)
      case .text(let range):
        let piece = PreTokenizer.Piece(
          utf8: normalized[range], startsText: startsText && range.lowerBound == 0)
        for piece in preTokenizer?.apply([piece]) ?? [piece] { encoder.append(piece.utf8) }
      }
    }
  }

  /// The text of tokens; ids of no token count for nothing.
  package func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool) -> String {
    var decoder = decoder.holdingByteRuns()
    var utf8: [UInt8] = []
    for id in ids {
      guard let token = decoderToken(id, skipSpecialTokens: skipSpecialTokens) else { continue }
      utf8.append(contentsOf: decoder.append(token))
    }
    utf8.append(contentsOf: decoder.finish())
    return String(decoding: utf8, as: UTF8.self)
  }

  /// What the decoder is given; `nil` for an unknown id and for a special token that is skipped.
  func decoderToken(_ id: Int32, skipSpecialTokens: Bool) -> [UInt8]? {
    if skipSpecialTokens, addedTokens.specialIDs.contains(id) { return nil }
    return addedTokens.normalizedTexts[id] ?? writtenToken(id)
  }

  private func writtenToken(_ id: Int32) -> [UInt8]? {
    addedTokens.vocabulary.text(of: id) ?? model.vocabulary.text(of: id)
  }
}
