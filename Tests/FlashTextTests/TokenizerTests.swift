import Foundation
import Testing

@testable import FlashText

@Suite struct TokenizerTests {
  private func open(_ parts: String, configuration: String? = nil) throws -> Tokenizer {
    let json = """
      {"added_tokens":[{"id":300,"content":"<b>","special":true},
      {"id":301,"content":"<e>","special":true}],
      "model":{"vocab":{"a":0,"b":1,"<":2,">":3,"e":4},"merges":[]}\(parts)}
      """
    return try Tokenizer(
      tokenizerJSON: Data(json.utf8), configurationJSON: configuration.map { Data($0.utf8) })
  }

  private static let template = """
    ,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<e>"}},
    {"Sequence":{"id":"A"}}],"special_tokens":{"<e>":{"ids":[301]}}}
    """
  private static let emptyTemplate = """
    ,"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}}]}
    """

  @Test func theConfigurationAddsTokensWhereTheFileNamesNone() throws {
    let configuration = #"""
      {"bos_token":"<b>","eos_token":{"content":"<e>"},"add_bos_token":true,"add_eos_token":true}
      """#
    for parts in ["", Self.emptyTemplate, #","post_processor":{"type":"ByteLevel"}"#] {
      let tokenizer = try open(parts, configuration: configuration)
      #expect(tokenizer.beginTokenID == 300)
      #expect(tokenizer.endTokenID == 301)
      #expect(
        tokenizer.encode("a", addSpecialTokens: true, parseSpecialTokens: true) == [300, 0, 301])
      #expect(tokenizer.encode("a", addSpecialTokens: false, parseSpecialTokens: true) == [0])
      #expect(
        tokenizer.encode("", addSpecialTokens: true, parseSpecialTokens: true) == [300, 301])
    }
  }

  @Test func theFilesTemplateGoesBeforeTheConfiguration() throws {
    let tokenizer = try open(
      Self.template, configuration: #"{"bos_token":"<b>","add_bos_token":true}"#)
    #expect(tokenizer.encode("a", addSpecialTokens: true, parseSpecialTokens: true) == [301, 0])
  }

  @Test func nothingIsAddedUnasked() throws {
    let tokenizer = try open("", configuration: #"{"bos_token":"<b>","add_bos_token":false}"#)
    #expect(tokenizer.encode("a", addSpecialTokens: true, parseSpecialTokens: true) == [0])
    #expect(try open("").beginTokenID == nil)
  }

  @Test func specialTokensInTextAreTokensOnlyWhereParsed() throws {
    let tokenizer = try open("")
    #expect(
      tokenizer.encode("a<b>b", addSpecialTokens: true, parseSpecialTokens: true) == [0, 300, 1])
    #expect(
      tokenizer.encode("a<b>b", addSpecialTokens: true, parseSpecialTokens: false)
        == [0, 2, 1, 3, 1])
  }

  @Test func aUsersTextIsNoSpecialTokenAlsoWherePiecesAreLookedUpWhole() throws {
    let json = """
      {"added_tokens":[{"id":3,"content":"<b>","special":true}],
      "model":{"ignore_merges":true,"vocab":{"b":0,"<":1,">":2,"<b>":3},"merges":[]}}
      """
    let tokenizer = try Tokenizer(tokenizerJSON: Data(json.utf8), configurationJSON: nil)
    #expect(tokenizer.encode("<b>", addSpecialTokens: true, parseSpecialTokens: true) == [3])
    #expect(
      tokenizer.encode("<b>", addSpecialTokens: true, parseSpecialTokens: false) == [1, 0, 2])
  }

  @Test func theTemplateOfChatsIsTheDefaultOne() throws {
    #expect(try open("", configuration: #"{"chat_template":"{{x}}"}"#).chatTemplate == "{{x}}")
    let named = #"""
      {"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}
      """#
    #expect(try open("", configuration: named).chatTemplate == "d")
    #expect(try open("", configuration: "{}").chatTemplate == nil)
  }

  @Test func entriesAreFoundByTextAndByID() throws {
    let tokenizer = try open("")
    #expect(tokenizer.vocabularySize == 302)
    #expect(tokenizer.tokenText(301) == "<e>")
    #expect(tokenizer.tokenID(of: "<e>") == 301)
    #expect(tokenizer.tokenText(299) == nil)
    #expect(tokenizer.tokenText(-1) == nil)
    #expect(tokenizer.tokenID(of: "zz") == nil)
  }

  @Test func nothingIsPutBeforeATextThatANormalizerEmptied() throws {
    let tokenizer = try open(
      """
      ,"normalizer":{"type":"Sequence","normalizers":[{"type":"Strip"},
      {"type":"Prepend","prepend":"b"}]}
      """)
    #expect(tokenizer.encode(" a ", addSpecialTokens: true, parseSpecialTokens: true) == [1, 0])
    #expect(tokenizer.encode("  ", addSpecialTokens: true, parseSpecialTokens: true) == [])
    #expect(tokenizer.encode("", addSpecialTokens: true, parseSpecialTokens: true) == [])
  }

  @Test func charactersUnknownToTheModelAreDropped() throws {
    #expect(
      try open("").encode("aéb", addSpecialTokens: true, parseSpecialTokens: true) == [0, 1])
  }

  @Test(arguments: [1, 2, 255, 256, 257, 258, 1_000, 32_000])
  func everyIDOfAByteTokenizerIsPrintable(_ size: Int) throws {
    let tokenizer = try Tokenizer(
      tokenizerJSON: Tokenizer.byteTokenizerJSON(vocabularySize: size), configurationJSON: nil)
    #expect(tokenizer.vocabularySize == size)
    for id in 0..<Int32(size) {
      #expect(!tokenizer.decode([id], skipSpecialTokens: false).isEmpty)
    }
    #expect(tokenizer.tokenID(of: "<|endoftext|>") == (size > 256 ? 256 : nil))
    if size > 257 { #expect(tokenizer.decode([257], skipSpecialTokens: true) == " t257") }
    if size < 256 { return }
    let text = "Any text, naïve 家 😀\n\0 t300"
    let ids = tokenizer.encode(text, addSpecialTokens: true, parseSpecialTokens: true)
    #expect(ids == text.utf8.map { Int32($0) })
    #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: true), text))
  }

  @Test func randomTextsComeBack() throws {
    let tokenizer = try TestFiles.tokenizer(in: TestFiles.sample)
    var generator = SplitMix64(state: 2)
    for _ in 0..<300 {
      let scalars = (0..<30).compactMap { _ in
        let bits = Int.random(in: 5...20, using: &generator)
        return Unicode.Scalar(UInt32.random(in: 0..<(1 << UInt32(bits)), using: &generator))
      }
      let text = String(String.UnicodeScalarView(scalars))
      let ids = tokenizer.encode(text, addSpecialTokens: true, parseSpecialTokens: true)
      #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: false), text))
    }
  }
}

@Suite struct TokenizeLinesTests {
  private let tokenizer: Tokenizer

  init() throws {
    tokenizer = try TestFiles.tokenizer(in: TestFiles.sample, withConfiguration: true)
  }

  private func encode(_ line: String, special: Bool = true, parse: Bool = true) throws -> String {
    try TokenizeLines.encodeLine(
      line, tokenizer: tokenizer, addSpecialTokens: special, parseSpecialTokens: parse)
  }

  private func decode(_ line: String, skip: Bool = false) throws -> String {
    try TokenizeLines.decodeLine(line, tokenizer: tokenizer, skipSpecialTokens: skip)
  }

  @Test func aStringBecomesIDsAndComesBack() throws {
    let line = #""It\u0020was \"é\" \n<|endoftext|>""#
    let ids = try encode(line, special: false)
    #expect(try encode(line) == "[0," + ids.dropFirst())
    #expect(ids.hasSuffix(",0]"))
    #expect(try !encode(line, special: false, parse: false).hasSuffix(",0]"))
    #expect(try decode(ids) == #""It was \"é\" \n<|endoftext|>""#)
    #expect(try decode(ids, skip: true) == #""It was \"é\" \n""#)
    #expect(try encode(#""""#, special: false) == "[]")
    #expect(try decode(" [ ] ") == #""""#)
  }

  @Test func wrongLinesSayWhatTheyShouldHold() {
    #expect(throws: TokenizerError.invalidLine(expected: "a JSON string", found: "an array of 1")) {
      try encode("[1]")
    }
    #expect(throws: TokenizerError.invalidLine(expected: "a JSON array of token ids", found: "7")) {
      try decode("7")
    }
    let error = #expect(throws: TokenizerError.self) { try decode("[1, 4096]") }
    #expect(
      error?.description
        == "expected a token id of the vocabulary (4096 ids), found 4096 at index 1")
    #expect(throws: TokenizerError.self) { try decode("[1.5]") }
    #expect(throws: TokenizerError.self) { try decode(#"["1"]"#) }
    #expect(throws: TokenizerError.self) { try decode("[-1]") }
    #expect(throws: TokenizerError.self) { try decode("[99999999999]") }
    #expect(throws: TokenizerError.self) { try encode("Hello") }
    #expect(throws: TokenizerError.self) { try encode(#""\ud800""#) }
  }
}
