package import Foundation

/// The tokenizer of synthetic stores: every byte a token.
extension Tokenizer {
  /// A tokenizer for a model of random weights: id b is the byte b, id 256 is `<|endoftext|>`, and
  /// every other id below the size decodes to text that names it, " t300". Nothing is merged, so
  /// text becomes its bytes.
  ///
  /// A vocabulary of less than 256 has the bytes below its size; encoding drops the others.
  ///
  /// - Parameter vocabularySize: at least 1.
  /// - Returns: the contents of a `tokenizer.json`.
  package static func byteTokenizerJSON(vocabularySize: Int) -> Data {
    precondition(vocabularySize > 0, "A vocabulary has at least one token.")
    let endOfText = JSONText.quote("<|endoftext|>")
    var entries = (0..<min(vocabularySize, 256)).map { byte in
      let text = String(decoding: ByteLevelAlphabet.characters[byte], as: UTF8.self)
      return "\(JSONText.quote(text)):\(byte)"
    }
    var addedTokens = ""
    if vocabularySize > 256 {
      entries.append("\(endOfText):256")
      addedTokens = """
        {"id":256,"content":\(endOfText),"single_word":false,"lstrip":false,"rstrip":false,\
        "normalized":false,"special":true}
        """
    }
    entries += (257..<max(vocabularySize, 257)).map { "\(JSONText.quote("Ġt\($0)")):\($0)" }
    let byteLevel =
      #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#
    return Data(
      """
      {"version":"1.0","truncation":null,"padding":null,"added_tokens":[\(addedTokens)],\
      "normalizer":null,"pre_tokenizer":\(byteLevel),"post_processor":null,\
      "decoder":\(byteLevel),"model":{"type":"BPE","dropout":null,"unk_token":null,\
      "continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,\
      "byte_fallback":false,"ignore_merges":false,"vocab":{\(entries.joined(separator: ","))},\
      "merges":[]}}
      """.utf8)
  }
}
