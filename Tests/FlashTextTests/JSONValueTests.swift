import Foundation
import Testing

@testable import FlashText

@Suite struct JSONValueTests {
  private func read(_ text: String) throws(TokenizerError) -> JSONValue {
    try JSONValue(utf8: Array(text.utf8), document: "text")
  }

  @Test func everyKindOfValueIsRead() throws {
    let value = try read(#" {"a" : [1, -2.5e1, true, false, null, "x"], "b":{}, "c":[]} "#)
    #expect(
      value
        == .object([
          .init(
            name: Array("a".utf8),
            value: .array([
              .integer(1), .real(-25), .boolean(true), .boolean(false), .null,
              .string(Array("x".utf8)),
            ])), .init(name: Array("b".utf8), value: .object([])),
          .init(name: Array("c".utf8), value: .array([])),
        ]))
  }

  @Test func canonicallyEquivalentNamesStayTwo() throws {
    guard case .object(let members) = try read("{\"\u{E9}\":1,\"e\u{301}\":2}") else {
      Issue.record("no object")
      return
    }
    #expect(members.map(\.name.count) == [2, 3])
  }

  @Test func escapesAreCharacters() throws {
    let value = try read(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000""#)
    #expect(value == .string(Array("\"\\/\u{8}\u{C}\n\r\té😀\u{0}".utf8)))
  }

  @Test func writtenTextReadsAsItself() throws {
    var generator = SplitMix64(state: 1)
    for _ in 0..<300 {
      let scalars = (0..<20).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0...0x2100, using: &generator))
      }
      let text = String(String.UnicodeScalarView(scalars))
      let quoted = JSONText.quote(text)
      #expect(!quoted.contains { $0.isNewline })
      #expect(try read(quoted) == .string(Array(text.utf8)))
    }
  }

  @Test(arguments: [
    "", " ", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "tru", "nul", "01",
    "-", "1.e", "+1", ".5", "0x10", "1 2", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
    "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\u+123\"", "\"\n\"", "[1}", "]", "NaN", "Infinity",
  ])
  func malformedTextIsRefusedWithItsPlace(_ text: String) {
    let error = #expect(throws: TokenizerError.self) { try read(text) }
    guard case .malformedJSON("text", let offset, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect((0...text.utf8.count).contains(offset))
  }

  @Test func textThatIsNotUTF8IsRefused() {
    #expect(throws: TokenizerError.malformedJSON(document: "x", byteOffset: 0, expected: "UTF-8")) {
      try JSONValue(utf8: [0x22, 0xC3, 0x22], document: "x")
    }
  }

  @Test func nestingDoesNotOverflowTheStack() {
    #expect(throws: TokenizerError.self) { try read(String(repeating: "[", count: 1_000_000)) }
    #expect(throws: TokenizerError.self) {
      try read(String(repeating: "{\"a\":", count: 1_000_000))
    }
  }
}
