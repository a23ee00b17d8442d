import Testing

@testable import FlashModel

/// Which experts a router's logits name.
struct ExpertRouterTests {
  private func ranked(_ count: Int, _ logits: [Float]) -> [Int32] {
    var found = [Int32](repeating: -1, count: count)
    unsafe ExpertRouter.rank(count, of: logits.count, logits, into: &found)
    return found
  }

  @Test func theLargestLogitsAreNamedAndOfEqualsTheFirst() {
    #expect(ranked(3, [0, 5, -1, 5, 2, 5]) == [1, 3, 5])
    #expect(ranked(2, [7, 7, 7]) == [0, 1])
    #expect(ranked(3, [-3, -1, -2]) == [1, 2, 0])
    #expect(ranked(1, [0, 1, 1]) == [1])
  }

  @Test func rankingEqualsSorting() {
    var state: UInt64 = 7
    for count in 1...9 {
      let logits = (0..<32).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(state >> 60)
      }
      let sorted = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
      #expect(ranked(count, logits) == sorted.prefix(count).map { Int32($0) })
    }
  }
}
