import Foundation
import Testing

@testable import FlashText

/// Tokenizers of every family, made of the sample's by other parts, against what the reference
/// makes of texts with emoji, marks, control characters, digits, spaces and special tokens.
@Suite struct ReferenceGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let tokenizerJSON: Data
    let goldens: [Golden]

    var testDescription: String { name }
  }

  static let cases: [Case] = {
    do { return try readCases() } catch { preconditionFailure("The goldens are damaged: \(error)") }
  }()

  static func readCases() throws -> [Case] {
    let file = JSONNode(value: try TestFiles.json(TestFiles.goldens), path: "")
    let sample = try TestFiles.json(TestFiles.sample.appending(path: "tokenizer.json"))
    let stories = TestFiles.shared.appending(path: "models/stories260K/tokenizer.json")
    return try file.member("cases").elements().compactMap { node in
      var base: JSONValue? = sample
      switch try node.optional("base")?.string() {
      case "stories260K": base = TestFiles.hasShared ? try TestFiles.json(stories) : nil
      case nil: base = .object([])
      default: break
      }
      guard let base else { return nil }
      return Case(
        name: try node.member("name").string(),
        tokenizerJSON: Data(base.overridden(by: try node.member("overrides").value).text.utf8),
        goldens: try node.member("goldens").elements().map(Golden.init))
    }
  }

  @Test(arguments: cases)
  func everyGoldenIsEqual(_ testCase: Case) throws {
    let tokenizer = try Tokenizer(tokenizerJSON: testCase.tokenizerJSON, configurationJSON: nil)
    #expect(!testCase.goldens.isEmpty)
    for golden in testCase.goldens {
      if let text = golden.text {
        let ids = tokenizer.encode(text, addSpecialTokens: true, parseSpecialTokens: true)
        #expect(ids == golden.ids, "\(text.debugDescription)")
        let plain = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
        #expect(plain == golden.plainIDs ?? golden.ids, "\(text.debugDescription)")
      }
      let decoded = tokenizer.decode(golden.ids, skipSpecialTokens: false)
      #expect(isSame(decoded, golden.decoded), "\(golden.ids)")
      if golden.text == nil { continue }
      let skipped = tokenizer.decode(golden.ids, skipSpecialTokens: true)
      #expect(isSame(skipped, golden.skipped), "\(golden.ids)")
    }
  }

  @Test(arguments: cases)
  func streamedTextEqualsDecodedText(_ testCase: Case) throws {
    let tokenizer = try Tokenizer(tokenizerJSON: testCase.tokenizerJSON, configurationJSON: nil)
    for golden in testCase.goldens where golden.text != nil {
      for (skips, expected) in [(false, golden.decoded), (true, golden.skipped)] {
        var detokenizer = Detokenizer(tokenizer: tokenizer, skipSpecialTokens: skips)
        let text = golden.ids.map { detokenizer.append($0) }.joined() + detokenizer.finish()
        #expect(isSame(text, expected), "\(golden.ids)")
      }
    }
  }
}

/// The goldens that came with real tokenizers.
@Suite(.enabled(if: TestFiles.hasShared, "needs ../shared"))
struct SharedVectorTests {
  @Test(arguments: ["gpt-2", "pythia"])
  func everyGoldenIsEqualAlsoStreamed(_ name: String) throws {
    let folder = TestFiles.shared.appending(path: "vectors/tokenizers/\(name)")
    let tokenizer = try TestFiles.tokenizer(in: folder)
    let lines = try Data(contentsOf: folder.appending(path: "goldens.jsonl"))
      .split(separator: UInt8(ascii: "\n"))
    #expect(lines.count > 400)
    for line in lines {
      let golden = try Golden(
        JSONNode(value: JSONValue(utf8: Array(line), document: name), path: name))
      let text = try #require(golden.text)
      let ids = tokenizer.encode(text, addSpecialTokens: true, parseSpecialTokens: true)
      #expect(ids == golden.ids, "\(text.debugDescription)")
      #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: false), golden.decoded))
      var detokenizer = Detokenizer(tokenizer: tokenizer, skipSpecialTokens: false)
      let streamed = ids.map { detokenizer.append($0) }.joined() + detokenizer.finish()
      #expect(isSame(streamed, golden.decoded))
    }
  }

  @Test func samplePromptsHaveTheIDsOfTheirReference() throws {
    let tokenizer = try TestFiles.tokenizer(in: TestFiles.sample, withConfiguration: true)
    let reference = JSONNode(
      value: try TestFiles.json(
        TestFiles.shared.appending(path: "models/novels-13m/reference.json")), path: "")
    let cases = try reference.member("cases").elements()
    #expect(!cases.isEmpty)
    for node in cases {
      let prompt = try node.member("prompt").string()
      let ids = try node.member("ids").elements().map { try $0.tokenID() }
      #expect(
        tokenizer.encode(prompt, addSpecialTokens: true, parseSpecialTokens: true) == ids)
    }
  }

  @Test func aWholeBookComesBackFromItsTokens() throws {
    let text = try String(
      contentsOf: TestFiles.shared.appending(path: "models/novels-13m/heldout.txt"),
      encoding: .utf8)
    let start = String(text.prefix(50_000))
    for folder in [TestFiles.sample, TestFiles.shared.appending(path: "models/stories260K")] {
      let tokenizer = try TestFiles.tokenizer(in: folder)
      let ids = tokenizer.encode(start, addSpecialTokens: true, parseSpecialTokens: true)
      #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: true), start))
    }
  }
}
