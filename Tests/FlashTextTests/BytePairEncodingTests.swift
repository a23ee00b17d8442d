import Foundation
import Testing

@testable import FlashText

@Suite struct BytePairEncodingTests {
  /// The definition, word for word: merge the earliest-ranked pair, leftmost first, until none is.
  private func mergeByDefinition(_ text: String, ranks: [String: Int]) -> [String] {
    var symbols = text.map { String($0) }
    while true {
      let pairs = symbols.indices.dropLast().compactMap { index in
        ranks["\(symbols[index]) \(symbols[index + 1])"].map { (rank: $0, index: index) }
      }
      guard let best = pairs.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else {
        return symbols
      }
      symbols[best.index] += symbols.remove(at: best.index + 1)
    }
  }

  @Test func randomMergesAreDoneAsTheDefinitionSays() throws {
    var generator = SplitMix64(state: 5)
    for _ in 0..<40 {
      var tokens = ["a", "b", "c"]
      var merges: [String] = []
      while merges.count < 25 {
        guard let left = tokens.randomElement(using: &generator),
          let right = tokens.randomElement(using: &generator)
        else { break }
        if left.count + right.count > 6 || merges.contains("\(left) \(right)") { continue }
        merges.append("\(left) \(right)")
        if !tokens.contains(left + right) { tokens.append(left + right) }
      }
      let ranks = Dictionary(
        uniqueKeysWithValues: merges.enumerated().map { ($0.element, $0.offset) })
      let vocabulary = tokens.enumerated().map { "\"\($0.element)\":\($0.offset)" }
      let json = """
        {"model":{"vocab":{\(vocabulary.joined(separator: ","))},
        "merges":[\(merges.map { "\"\($0)\"" }.joined(separator: ","))]}}
        """
      let tokenizer = try Tokenizer(tokenizerJSON: Data(json.utf8), configurationJSON: nil)
      for length in 0..<40 {
        let text = String((0..<length).compactMap { _ in "abc".randomElement(using: &generator) })
        let ids = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
        #expect(ids.compactMap(tokenizer.tokenText) == mergeByDefinition(text, ranks: ranks))
      }
    }
  }

  @Test func theHeapGivesBackKeysInOrder() {
    var generator = SplitMix64(state: 9)
    for count in 0..<60 {
      let keys = (0..<count).map { _ in UInt64.random(in: 0..<40, using: &generator) }
      var heap = MinimumHeap()
      for key in keys { heap.insert(key) }
      var popped: [UInt64] = []
      while let key = heap.popMinimum() { popped.append(key) }
      #expect(popped == keys.sorted())
    }
  }

  /// Merging these by scanning for the best pair would take hours, or minutes at best.
  @Test(arguments: ["a", " ", "漢", "'s"])
  func hundredThousandCharactersWithoutASpaceComeBack(_ character: String) throws {
    let tokenizer = try TestFiles.tokenizer(in: TestFiles.sample)
    let text = String(repeating: character, count: 100_000)
    let ids = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: true)
    #expect(isSame(tokenizer.decode(ids, skipSpecialTokens: false), text))
  }

  @Test func remembersNoMoreThanItsBound() throws {
    let tokenizer = try Tokenizer(
      tokenizerJSON: Tokenizer.byteTokenizerJSON(vocabularySize: 256), configurationJSON: nil)
    // More different pieces than are remembered, then the first ones again.
    let text = (0..<70_000).map { " \($0)" }.joined() + " 1 2 3"
    let ids = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
    #expect(ids == text.utf8.map { Int32($0) })
  }

  @Test func tokensThatAreCanonicallyEquivalentStayTwo() throws {
    let json =
      "{\"model\":{\"vocab\":{\"\u{E9}\":0,\"e\":1,\"\u{301}\":2,\"e\u{301}\":3},"
      + "\"merges\":[\"e \u{301}\"]}}"
    let tokenizer = try Tokenizer(tokenizerJSON: Data(json.utf8), configurationJSON: nil)
    let ids = tokenizer.encode(
      "\u{E9}e\u{301}", addSpecialTokens: false, parseSpecialTokens: false)
    #expect(ids == [0, 3])
    #expect(tokenizer.tokenID(of: "\u{E9}") == 0)
    #expect(tokenizer.tokenID(of: "e\u{301}") == 3)
    #expect(tokenizer.vocabularySize == 4)
  }
}
