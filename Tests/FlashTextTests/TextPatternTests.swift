import Testing

@testable import FlashText

@Suite struct TextPatternTests {
  private func cut(_ text: String, _ expression: String) throws -> [(text: String, isMatch: Bool)] {
    let utf8 = Array(text.utf8)
    let pattern = try TextPattern(expression: expression, path: "test")
    return pattern.stretches(of: utf8[...]).map {
      (String(decoding: utf8[$0.range], as: UTF8.self), $0.isMatch)
    }
  }

  /// The reference's own example.
  @Test(arguments: [
    (SplitBehavior.removed, ["the", "final", "countdown"]),
    (.isolated, ["the", "-", "final", "-", "-", "countdown"]),
    (.contiguous, ["the", "-", "final", "--", "countdown"]),
    (.mergedWithPrevious, ["the-", "final-", "-", "countdown"]),
    (.mergedWithNext, ["the", "-final", "-", "-countdown"]),
  ])
  func textIsSplitAsTheBehaviorSays(_ behavior: SplitBehavior, _ expected: [String]) {
    let utf8 = Array("the-final--countdown".utf8)
    let stretches = TextPattern.scalars { $0 == "-" }.stretches(of: utf8[...])
    let pieces = behavior.pieces(stretches).map { String(decoding: utf8[$0], as: UTF8.self) }
    #expect(pieces == expected)
  }

  @Test func stretchesCoverTheTextAndCutNoCharacter() throws {
    let text = "é😀 1 漢字𝔘\u{10FFFF}2x"
    for expression in [#"\d"#, #"\p{L}+"#, "[^x]", "x*", "$", ".", "😀"] {
      let stretches = try cut(text, expression)
      #expect(isSame(stretches.map(\.text).joined(), text), "\(expression)")
      #expect(stretches.allSatisfy { !$0.text.contains("\u{FFFD}") }, "\(expression)")
    }
    #expect(try cut(text, "😀").map(\.isMatch) == [false, true, false])
  }

  @Test func aLineEndsWithALineFeedOnly() throws {
    let stretches = try cut("a\ra\u{85}a\u{2028}a\na", "^a")
    #expect(stretches.map(\.text) == ["a", "\ra\u{85}a\u{2028}a\n", "a"])
    #expect(try cut("a\rb\nc", ".+").map(\.text) == ["a\rb", "\n", "c"])
  }

  @Test func aStringIsSearchedAsItIsWritten() throws {
    let node = JSONNode(
      value: try JSONValue(utf8: Array(#"{"String":"a.b"}"#.utf8), document: "test"), path: "test")
    let replaced = try TextPattern(node).replaceMatches(
      in: Array("a.b axb a.ba.b".utf8)[...], with: Array("-".utf8))
    #expect(replaced == Array("- axb --".utf8))
  }
}
