import Flashrun
import Testing

/// A stop text is found however the text was cut, and no part of it is ever shown.
@Suite struct StopTextFilterTests {
  /// What is shown when `text` comes in pieces of `size` characters.
  static func shown(_ text: String, stops: [String], size: Int) -> (String, String?) {
    var filter = StopTextFilter(stops: stops)
    var shown = ""
    var rest = text[...]
    while !rest.isEmpty {
      shown += filter.append(String(rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
    return (shown + filter.finish(), filter.foundStop)
  }

  @Test func everyCutGivesTheSameTextAndStop() {
    let cases: [(String, [String], String, String?)] = [
      ("one two three", ["two"], "one ", "two"),
      ("one two three", [], "one two three", nil),
      ("one two three", [""], "one two three", nil),
      ("aaab", ["aab"], "a", "aab"),
      ("ababac", ["abac"], "ab", "abac"),
      ("xabcd", ["abcd", "bc"], "xa", "bc"),
      ("xabc", ["bc", "abc"], "x", "abc"),
      ("the end <", ["<|end|>"], "the end <", nil),
      ("grün und gräulich", ["gräu"], "grün und ", "gräu"),
      ("😀😀😁", ["😁"], "😀😀", "😁"),
      ("stop", ["stop"], "", "stop"),
    ]
    for (text, stops, expected, stop) in cases {
      for size in 1...max(1, text.count) {
        let (shown, found) = Self.shown(text, stops: stops, size: size)
        #expect(shown == expected && found == stop, "\(text) in pieces of \(size)")
      }
    }
  }

  @Test func textThatCannotBeginAStopIsShownAtOnce() {
    var filter = StopTextFilter(stops: ["\nUser:"])
    #expect(filter.append("Hello") == "Hello")
    #expect(filter.append("\nUse") == "")
    #expect(filter.append("ful") == "\nUseful")
  }

  @Test func nothingIsShownAfterAStop() {
    var filter = StopTextFilter(stops: ["."])
    #expect(filter.append("a.b") == "a")
    #expect(filter.append("c") == "")
    #expect(filter.finish() == "")
  }
}
