/// Tokens to text, one by one as a model produces them.
///
/// What it returns is always whole characters, at once or as soon as the tokens that complete them
/// came; nothing is ever taken back. All of it together is what `Tokenizer.decode` makes of the
/// tokens (but see `TokenDecoder` on bytes that are no text).
package struct Detokenizer: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecialTokens: Bool
  private var decoder: TokenDecoder

  package init(tokenizer: Tokenizer, skipSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
    decoder = tokenizer.decoder
  }

  /// The text that one more token makes sure; empty for an unknown id and inside a character.
  ///
  /// - Complexity: O(n) in the token's length, whatever came before.
  package mutating func append(_ id: Int32) -> String {
    guard let token = tokenizer.decoderToken(id, skipSpecialTokens: skipSpecialTokens) else {
      return ""
    }
    return String(decoding: decoder.append(token), as: UTF8.self)
  }

  /// The rest, where no token follows: U+FFFD for a character that was not completed. The
  /// detokenizer then stands at the start of a new text.
  package mutating func finish() -> String {
    defer { decoder = tokenizer.decoder }
    return String(decoding: decoder.finish(), as: UTF8.self)
  }
}
