import Foundation
import Testing

@testable import FlashWeights

/// How often a synthetic router chooses each expert.
struct SyntheticRoutingTests {
  private func configuration(_ shape: String) throws -> ModelConfiguration {
    try #require(SynthShape(named: shape)).configuration
  }

  /// Parts of tokens that choose each expert, by rank, where logits are normal: by another
  /// generator than the biases were found with.
  private func shares(_ biases: [Float], activeCount: Int) -> [Double] {
    var bits = RandomBits(seed: 77)
    var counts = [Int](repeating: 0, count: biases.count)
    let tokenCount = 3000
    for _ in 0..<tokenCount {
      let logits = biases.map { $0 + bits.normal() }
      for expert in logits.indices.sorted(by: { logits[$0] > logits[$1] }).prefix(activeCount) {
        counts[expert] += 1
      }
    }
    return counts.map { Double($0) / Double(tokenCount) }
  }

  @Test(arguments: [("mixtral-8x7b", 1.0), ("gpt-oss-20b", 0.5), ("gpt-oss-20b", 1.0)])
  func expertsAreChosenInProportionToAPowerOfTheirRank(shape: String, skew: Double) throws {
    let configuration = try configuration(shape)
    let activeCount = try #require(configuration.routing).activeCount
    let routing = try #require(
      SyntheticRouting(configuration, skew: skew, seed: RandomBits(seed: 1)))
    let biases = routing.biases(layer: 0)
    let found = shares(biases.sorted(by: >), activeCount: activeCount)
    // Below the ranks that every token chooses the shares fall as wanted.
    let free = found.indices.filter { found[$0] < 0.8 }
    let (x, y) = (free.map { log(Double($0 + 1)) }, free.map { log(found[$0]) })
    let (meanX, meanY) = (
      x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count)
    )
    let slope =
      zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
      / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    #expect(abs(slope + skew) < 0.12, "\(slope)")
    #expect(routing.biases(layer: 1) != biases)
    #expect(routing.biases(layer: 1).sorted() == biases.sorted())
  }

  @Test func expertsWithoutSkewAreAllAlike() throws {
    let configuration = try configuration("olmoe-1b-7b")
    let routing = try #require(SyntheticRouting(configuration, skew: 0, seed: RandomBits(seed: 1)))
    #expect(routing.biases(layer: 3) == Array(repeating: 0, count: 64))
    #expect(routing.weightSquares > 0.01 && routing.weightSquares < 0.06)
    let dense = try self.configuration("llama-2-7b")
    #expect(SyntheticRouting(dense, skew: 0, seed: RandomBits(seed: 1)) == nil)
  }
}
