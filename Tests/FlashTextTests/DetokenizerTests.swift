import Foundation
import Testing

@testable import FlashText

/// A stream of text never splits a character and never takes anything back.
@Suite struct DetokenizerTests {
  /// A byte-fallback tokenizer as SentencePiece models have: token b is the byte b, 257 "▁", 258
  /// "a", 259 "▁a".
  static func byteFallbackTokenizer() throws -> Tokenizer {
    var entries = ["\"<unk>\":256", "\"▁\":257", "\"a\":258", "\"▁a\":259"]
    for byte in 0...255 {
      let digits = String(byte, radix: 16, uppercase: true)
      entries.append("\"<0x\(byte < 16 ? "0" : "")\(digits)>\":\(byte)")
    }
    let json = """
      {"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
      {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
      "decoder":{"type":"Sequence","decoders":[
      {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
      {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
      "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,
      "vocab":{\(entries.joined(separator: ","))},"merges":["▁ a"]}}
      """
    return try Tokenizer(tokenizerJSON: Data(json.utf8), configurationJSON: nil)
  }

  static func byteLevelTokenizer() throws -> Tokenizer {
    try Tokenizer(
      tokenizerJSON: Tokenizer.byteTokenizerJSON(vocabularySize: 300), configurationJSON: nil)
  }

  private func stream(_ ids: some Sequence<Int32>, _ tokenizer: Tokenizer) -> [String] {
    var detokenizer = Detokenizer(tokenizer: tokenizer, skipSpecialTokens: false)
    return ids.map { detokenizer.append($0) } + [detokenizer.finish()]
  }

  @Test func aCharacterAppearsWithItsLastByte() throws {
    let fallback = stream(
      [0xF0, 0x9F, 0x98, 0x80, 258], try Self.byteFallbackTokenizer())
    #expect(fallback == ["", "", "", "😀", "a", ""])
    let byteLevel = stream([0xF0, 0x9F, 0x98, 0x80, 0x61], try Self.byteLevelTokenizer())
    #expect(byteLevel == ["", "", "", "😀", "a", ""])
  }

  @Test func aCharacterLeftIncompleteBecomesReplacements() throws {
    let fallback = stream([0xE2, 0x82], try Self.byteFallbackTokenizer())
    #expect(fallback == ["", "", "\u{FFFD}\u{FFFD}"])
    let byteLevel = stream([0xE2, 0x82], try Self.byteLevelTokenizer())
    #expect(byteLevel == ["", "", "\u{FFFD}"])
  }

  @Test func bytesOfNoCharacterDoNotWait() throws {
    let byteLevel = stream([0xE2, 0x41, 0xFF, 0x80], try Self.byteLevelTokenizer())
    #expect(byteLevel == ["", "\u{FFFD}A", "\u{FFFD}", "\u{FFFD}", ""])
    let fallback = stream([0xE2, 258, 0xFF], try Self.byteFallbackTokenizer())
    #expect(fallback == ["", "\u{FFFD}a", "\u{FFFD}", ""])
  }

  @Test func onlyTheFirstSpaceIsStripped() throws {
    let tokenizer = try Self.byteFallbackTokenizer()
    #expect(stream([259, 259, 257], tokenizer) == ["a", " a", " ", ""])
    #expect(stream([257, 257, 258], tokenizer) == ["", " ", "a", ""])
    #expect(tokenizer.decode([0x20, 258], skipSpecialTokens: false) == "a")
  }

  @Test func specialTokensAndUnknownIDsAreSilent() throws {
    let tokenizer = try Self.byteLevelTokenizer()
    var detokenizer = Detokenizer(tokenizer: tokenizer, skipSpecialTokens: true)
    #expect(detokenizer.append(256) == "")
    #expect(detokenizer.append(9999) == "")
    #expect(detokenizer.append(-1) == "")
    #expect(detokenizer.append(0x41) == "A")
    #expect(stream([256], tokenizer) == ["<|endoftext|>", ""])
  }

  @Test func finishStartsANewText() throws {
    var detokenizer = Detokenizer(
      tokenizer: try Self.byteFallbackTokenizer(), skipSpecialTokens: false)
    for _ in 0..<2 {
      #expect(detokenizer.append(259) == "a")
      #expect(detokenizer.append(0xE2) == "")
      #expect(detokenizer.finish() == "\u{FFFD}")
    }
  }

  @Test func everyCutOfATextStreamsWholeCharacters() throws {
    let text = "Zoë’s 家 👩‍👩‍👧 e\u{301} \u{0} ａ\n  " + "נ𝔘"
    for tokenizer in [try Self.byteLevelTokenizer(), try Self.byteFallbackTokenizer()] {
      let ids = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
      for cut in 0...ids.count {
        let streamed = stream(ids[..<cut], tokenizer)
        #expect(text.utf8.starts(with: streamed.dropLast().joined().utf8))
        #expect(streamed.dropLast().allSatisfy { !$0.contains("\u{FFFD}") })
      }
      #expect(isSame(stream(ids, tokenizer).joined(), text))
    }
  }

  @Test func anyBytesStreamAsTheyDecode() throws {
    let tokenizer = try Self.byteLevelTokenizer()
    var generator = SplitMix64(state: 3)
    let bytes: [Int32] = [0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xA0, 0xED, 0x9F, 0xF0, 0x90, 0xF4, 0xFF]
    for _ in 0..<2_000 {
      let ids = (0..<Int.random(in: 0...8, using: &generator)).map { _ in
        bytes.randomElement(using: &generator) ?? 0
      }
      let expected = String(decoding: ids.map { UInt8($0) }, as: UTF8.self)
      #expect(isSame(stream(ids, tokenizer).joined(), expected))
      #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: false), expected))
    }
  }

  @Test func stripHoldsBackWhatMayBeTheEnd() throws {
    let node = JSONNode(
      value: try JSONValue(
        utf8: Array(
          #"""
          {"type":"Sequence","decoders":[{"type":"Fuse"},
          {"type":"Strip","content":"x","start":1,"stop":2}]}
          """#.utf8), document: "decoder"), path: "decoder")
    var decoder = try TokenDecoder(node)
    var pieces: [String] = []
    for token in ["xx", "ax", "x", "x", "b", "xx"] {
      pieces.append(String(decoding: decoder.append(Array(token.utf8)), as: UTF8.self))
    }
    pieces.append(String(decoding: decoder.finish(), as: UTF8.self))
    // The first "x" is stripped; of "xaxxxbxx" the last two are.
    #expect(pieces.joined() == "xaxxxb")
  }
}
