import Testing

@testable import FlashText
@testable import FlashWeights

/// The splitters that GGUF files name, as the tokenizer that is written runs them.
struct GGUFSplitterTests {
  private static let text = "He's 12345 tests,\n\n  ok a.b"

  /// The pieces of the text in the letters of ByteLevel: Ġ is a blank, Ċ a line feed.
  private func pieces(_ name: String) throws -> [String] {
    let splitter = try #require(GGUFPreTokenizer.named[name])
    var json = JSONBytes()
    json.raw("{")
    splitter.write(to: &json)
    json.raw("}")
    let file = JSONNode(
      value: try FlashText.JSONValue(utf8: json.bytes, document: name), path: "")
    let preTokenizer = try PreTokenizer(file.member("pre_tokenizer"))
    let whole = PreTokenizer.Piece(utf8: Array(Self.text.utf8)[...], startsText: true)
    return preTokenizer.apply([whole]).map { String(decoding: $0.utf8, as: UTF8.self) }
  }

  /// Worked out by hand from the expressions.
  @Test(arguments: [
    ("default", "He ' s Ġ 123 45 Ġtests , ĊĊĠ Ġok Ġa . b"),
    ("gpt-2", "He 's Ġ12345 Ġtests , ĊĊĠ Ġok Ġa . b"),
    ("starcoder", "He 's Ġ 1 2 3 4 5 Ġtests , ĊĊĠ Ġok Ġa . b"),
    ("falcon", "He ' s Ġ 123 45 Ġtests , ĊĊĠ Ġok Ġa . b"),
    ("llama-bpe", "He 's Ġ 123 45 Ġtests ,ĊĊ Ġ Ġok Ġa .b"),
    ("qwen2", "He 's Ġ 1 2 3 4 5 Ġtests ,ĊĊ Ġ Ġok Ġa .b"),
    ("gpt-4o", "He's Ġ 123 45 Ġtests ,ĊĊ Ġ Ġok Ġa .b"),
    ("tekken", "He 's Ġ 1 2 3 4 5 Ġtests ,ĊĊ Ġ Ġok Ġa .b"),
    ("deepseek-llm", "He ' s Ġ 12345 Ġtests , Ċ Ċ Ġ Ġok Ġa . b"),
    ("deepseek-coder", "He ' s Ġ 1 2 3 4 5 Ġtests , Ċ Ċ Ġ Ġok Ġa . b"),
    ("deepseek-v3", "He 's Ġ 123 45 Ġtests ,ĊĊ Ġ Ġok Ġa .b"),
    ("bloom", "He's Ġ12345 Ġtests ,ĊĊĠ Ġok Ġa . b"),
  ])
  func piecesAreThoseOfTheExpressions(name: String, expected: String) throws {
    #expect(try pieces(name).joined(separator: " ") == expected)
  }

  @Test(arguments: GGUFPreTokenizer.names)
  func everyNamedSplitterIsReadAndKeepsTheText(name: String) throws {
    let spelled = Self.text.replacing(" ", with: "Ġ").replacing("\n", with: "Ċ")
    #expect(try pieces(name).joined() == spelled)
  }
}
