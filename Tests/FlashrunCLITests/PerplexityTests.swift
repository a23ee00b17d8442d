import FlashrunCLI
import Foundation
import Testing

/// The two rules of counting, and the arithmetic behind the estimate.
@Suite struct PerplexityTests {
  static func chunks(
    _ count: Int, begin: Int32? = 0, context: Int, allTokens: Bool, maximum: Int? = nil
  ) -> [PerplexityChunks.Chunk] {
    PerplexityChunks(
      tokens: (0..<Int32(count)).map { $0 + 1 }, begin: begin, contextLength: context,
      allTokens: allTokens, maximumCount: maximum
    ).chunks
  }

  @Test func llamaCppsRuleReplacesTheFirstTokenAndCountsTheSecondHalf() {
    // The text is 0 1 2 … 9; its chunks of four are [0 1 2 3] and [4 5 6 7].
    let chunks = Self.chunks(9, context: 4, allTokens: false)
    #expect(
      chunks == [
        .init(tokens: [0, 1, 2, 3], firstCounted: 2), .init(tokens: [0, 5, 6, 7], firstCounted: 2),
      ])
    #expect(chunks.map(\.predictionCount) == [1, 1])
    #expect(Self.chunks(300, context: 256, allTokens: false)[0].predictionCount == 127)
  }

  @Test func allTokensPutsTheBeginTokenBeforeEachChunk() {
    let chunks = Self.chunks(7, context: 4, allTokens: true)
    #expect(
      chunks == [
        .init(tokens: [0, 1, 2, 3], firstCounted: 0), .init(tokens: [0, 4, 5, 6], firstCounted: 0),
      ])
    #expect(Self.chunks(300, context: 256, allTokens: true)[0].predictionCount == 255)
  }

  @Test func withoutABeginTokenTheTextIsCutAsItIs() {
    #expect(
      Self.chunks(9, begin: nil, context: 4, allTokens: false).map(\.tokens)
        == [[1, 2, 3, 4], [5, 6, 7, 8]])
    #expect(
      Self.chunks(9, begin: nil, context: 4, allTokens: true).map(\.tokens)
        == [[1, 2, 3, 4], [5, 6, 7, 8]])
  }

  @Test func theNumberOfChunksCanBeLimited() {
    #expect(Self.chunks(100, context: 4, allTokens: false, maximum: 3).count == 3)
    #expect(Self.chunks(3, context: 8, allTokens: false).isEmpty)
  }

  @Test func theEstimateIsTheExponentOfTheMeanWithItsError() throws {
    var estimate = PerplexityEstimate()
    #expect(estimate.uncertainty == nil)
    for value in [1.0, 2, 3] { estimate.add(value) }
    #expect(estimate.perplexity == exp(2))
    // Mean of squares 14/3, less 4, over 2: the standard error of the mean.
    let error = ((14.0 / 3 - 4) / 2).squareRoot() * exp(2)
    #expect(abs(try #require(estimate.uncertainty) - error) < 1e-12)
    #expect(estimate.line == "Final estimate: PPL = 7.3891 +/- 4.26607")
  }

  @Test func logLikelihoodsAreStableForLargeLogits() {
    let logits: [Float] = [1000, 1001, 999]
    let total = exp(-1.0) + 1 + exp(-2.0)
    for (index, difference) in [(0, 1.0), (1, 0), (2, 2)] {
      let found = PerplexityEstimate.negativeLogLikelihood(of: Int32(index), logits: logits.span)
      #expect(abs(found - (log(total) + difference)) < 1e-12)
    }
  }
}
