import Foundation
import Testing

@testable import FlashText

/// A damaged or unsupported file is an error that names the place, never a crash.
@Suite struct TokenizerFailureTests {
  /// A small tokenizer's file with some members replaced.
  private func open(
    _ overrides: String, configuration: String? = nil
  ) throws(TokenizerError) -> Tokenizer {
    let base = try JSONValue(
      utf8: Array(
        #"""
        {"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},
        "added_tokens":[{"id":3,"content":"<e>","special":true}]}
        """#.utf8), document: "base")
    let json = base.overridden(by: try JSONValue(utf8: Array(overrides.utf8), document: "test"))
    return try Tokenizer(
      tokenizerJSON: Data(json.text.utf8), configurationJSON: configuration.map { Data($0.utf8) })
  }

  @Test func theBaseIsSound() throws {
    let tokenizer = try open("{}")
    #expect(tokenizer.encode("ab<e>", addSpecialTokens: true, parseSpecialTokens: true) == [2, 3])
    #expect(tokenizer.vocabularySize == 4)
  }

  @Test(arguments: [
    (#"{"model":{"type":"Unigram"}}"#, "model Unigram", "model"),
    (#"{"model":{"type":"WordPiece"}}"#, "model WordPiece", "model"),
    (#"{"normalizer":{"type":"Precompiled"}}"#, "normalizer Precompiled", "normalizer"),
    (
      #"{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]}}"#,
      "normalizer Nmt", "normalizer.normalizers[1]"
    ),
    (
      #"{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"UnicodeScripts"}]}}"#,
      "pre-tokenizer UnicodeScripts", "pre_tokenizer.pretokenizers[0]"
    ),
    (#"{"post_processor":{"type":"X"}}"#, "post-processor X", "post_processor"),
    (#"{"decoder":{"type":"WordPiece"}}"#, "decoder WordPiece", "decoder"),
    (
      #"{"decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]}}"#,
      "decoder ByteFallback after Fuse", "decoder.decoders[1]"
    ),
  ])
  func unsupportedPartsAreNamed(_ overrides: String, _ part: String, _ path: String) {
    #expect(throws: TokenizerError.unsupported(part: part, path: path)) { try open(overrides) }
  }

  @Test(arguments: [
    (#"{"model":null}"#, "model"),
    (#"{"model":[]}"#, "model"),
    (#"{"model":{"vocab":null}}"#, "model.vocab"),
    (#"{"model":{"vocab":{"a":-1}}}"#, "model.vocab[\"a\"]"),
    (#"{"model":{"vocab":{"a":2147483648}}}"#, "model.vocab[\"a\"]"),
    (#"{"model":{"vocab":{"a":1.5}}}"#, "model.vocab[\"a\"]"),
    (#"{"model":{"merges":null}}"#, "model.merges"),
    (#"{"model":{"merges":["a b","ab"]}}"#, "model.merges[1]"),
    (#"{"model":{"merges":["a b b"]}}"#, "model.merges[0]"),
    (#"{"model":{"merges":[["a"]]}}"#, "model.merges[0]"),
    (#"{"model":{"merges":[["a",1]]}}"#, "model.merges[0]"),
    (#"{"model":{"byte_fallback":1}}"#, "model.byte_fallback"),
    (#"{"added_tokens":[{"content":"x"}]}"#, "added_tokens[0].id"),
    (#"{"added_tokens":[{"id":"3","content":"x"}]}"#, "added_tokens[0].id"),
    (#"{"added_tokens":{}}"#, "added_tokens"),
    (#"{"normalizer":{}}"#, "normalizer.type"),
    (#"{"normalizer":{"type":"Replace","content":"x"}}"#, "normalizer.pattern"),
    (#"{"normalizer":{"type":"Replace","pattern":{},"content":""}}"#, "normalizer.pattern.Regex"),
    (
      #"{"pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"Sometimes"}}"#,
      "pre_tokenizer.behavior"
    ),
    (#"{"pre_tokenizer":{"type":"Metaspace","replacement":"ab"}}"#, "pre_tokenizer.replacement"),
    (
      #"{"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}}"#,
      "pre_tokenizer.prepend_scheme"
    ),
    (#"{"post_processor":{"type":"TemplateProcessing"}}"#, "post_processor.single"),
    (
      #"{"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}]}}"#,
      "post_processor.single[0].Sequence.id"
    ),
    (#"{"post_processor":{"type":"BertProcessing","cls":["x"]}}"#, "post_processor.cls"),
    (#"{"decoder":{"type":"Strip","content":"","start":0,"stop":0}}"#, "decoder.content"),
    (#"{"decoder":{"type":"Strip","content":"x","start":-1,"stop":0}}"#, "decoder"),
  ])
  func wrongFieldsAreNamed(_ overrides: String, _ expectedPath: String) {
    let error = #expect(throws: TokenizerError.self) { try open(overrides) }
    guard case .unexpectedValue(let path, _, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(path == expectedPath)
  }

  @Test(arguments: [
    (#"{"model":{"merges":["a c"]}}"#, "c", "model.merges[0]"),
    (#"{"model":{"merges":[["b","a"]]}}"#, "ba", "model.merges[0]"),
    (#"{"model":{"unk_token":"<unk>"}}"#, "<unk>", "model.unk_token"),
    (
      #"""
      {"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],
      "special_tokens":{}}}
      """#, "<s>", "post_processor.single[0].SpecialToken.id"
    ),
  ])
  func unknownTokensAreNamed(_ overrides: String, _ token: String, _ path: String) {
    #expect(throws: TokenizerError.unknownToken(token: token, path: path)) { try open(overrides) }
  }

  @Test func anInvalidExpressionIsNamed() {
    let error = #expect(throws: TokenizerError.self) {
      try open(
        #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"}}"#)
    }
    guard case .invalidPattern("(a", "pre_tokenizer.pattern.Regex", _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aMissingBeginTokenIsAnErrorOnlyWhereItIsAdded() throws {
    let error = #expect(throws: TokenizerError.self) {
      try open("{}", configuration: #"{"add_bos_token":true}"#)
    }
    #expect(error?.description.contains("tokenizer_config.bos_token: expected") == true)
    #expect(throws: TokenizerError.self) {
      try open("{}", configuration: #"{"add_bos_token":true,"bos_token":"<nowhere>"}"#)
    }
    let tokenizer = try open("{}", configuration: #"{"bos_token":"<nowhere>"}"#)
    #expect(tokenizer.beginTokenID == nil)
  }

  @Test func messagesSayWhatIsWrongAndWhere() {
    let error = #expect(throws: TokenizerError.self) {
      try open(#"{"model":{"merges":["a b","ab"]}}"#)
    }
    #expect(
      error?.description
        == #"tokenizer: model.merges[1]: expected "left right" or ["left", "right"], found "ab""#)
  }

  @Test func aFileCutAnywhereIsRefused() throws {
    let whole = Tokenizer.byteTokenizerJSON(vocabularySize: 260)
    for count in 0..<whole.count {
      #expect(throws: TokenizerError.self) {
        try Tokenizer(tokenizerJSON: whole.prefix(count), configurationJSON: nil)
      }
    }
  }

  @Test func aDamagedFileNeverCrashes() throws {
    let url = ReferenceGoldenTests.cases.first { $0.name == "prefix" }
    let whole = Array(try #require(url).tokenizerJSON)
    var generator = SplitMix64(state: 11)
    var openedCount = 0
    for _ in 0..<600 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let index = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[index] = UInt8.random(in: 0x20...0x7E, using: &generator)
        case 1: bytes.remove(at: index)
        default: bytes.insert(bytes[bytes.count - 1 - index], at: index)
        }
      }
      guard let tokenizer = try? Tokenizer(tokenizerJSON: Data(bytes), configurationJSON: nil)
      else { continue }
      openedCount += 1
      let ids = tokenizer.encode("Thing [UNK] é", addSpecialTokens: true, parseSpecialTokens: true)
      _ = tokenizer.decode(ids, skipSpecialTokens: false)
    }
    #expect(openedCount > 0)
    #expect(openedCount < 600)
  }
}
