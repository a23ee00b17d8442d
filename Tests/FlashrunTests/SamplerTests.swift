import Flashrun
import Testing

/// Every option's effect on small known vectors, the draw's distribution, and reproducibility.
@Suite struct SamplerTests {
  /// Options under which every token may be drawn with its softmax probability.
  static func neutral(seed: UInt64 = 1) -> SamplingOptions {
    var options = SamplingOptions()
    options.temperature = 1
    options.topK = 0
    options.topP = 1
    options.minP = 0
    options.seed = seed
    return options
  }

  /// How often each token is drawn from fixed logits.
  static func frequencies(
    of logits: [Float], _ options: SamplingOptions, draws: Int = 20_000, accepted: [Int32] = []
  ) -> [Double] {
    var sampler = Sampler(options: options, vocabularySize: logits.count, contextLength: 64)
    for token in accepted { sampler.accept(token) }
    var counts = Array(repeating: 0.0, count: logits.count)
    for _ in 0..<draws { counts[Int(sampler.sample(logits.span))] += 1 / Double(draws) }
    return counts
  }

  /// The tokens that are drawn at all.
  static func support(
    of logits: [Float], _ options: SamplingOptions, accepted: [Int32] = []
  ) -> [Int] {
    let found = frequencies(of: logits, options, draws: 4000, accepted: accepted)
    return found.indices.filter { found[$0] > 0 }
  }

  @Test func defaultsAreLlamaCpps() {
    let options = SamplingOptions()
    #expect(options.temperature == 0.8)
    #expect(options.topK == 40)
    #expect(options.topP == 0.95)
    #expect(options.minP == 0.05)
    #expect(options.repeatPenalty == 1.0)
    #expect(options.repeatLastN == 64)
    #expect(options.presencePenalty == 0)
    #expect(options.frequencyPenalty == 0)
  }

  @Test func drawsFollowTheSoftmax() {
    let probabilities = [0.1, 0.2, 0.3, 0.4]
    let logits = probabilities.map { Float(naturalLogarithm($0)) }
    let found = Self.frequencies(of: logits, Self.neutral())
    for (expected, drawn) in zip(probabilities, found) {
      // Five standard deviations of a binomial of 20,000.
      #expect(abs(drawn - expected) < 5 * (expected * (1 - expected) / 20_000).squareRoot())
    }
  }

  @Test(arguments: [Float(0.5), 2])
  func temperatureRaisesProbabilitiesToItsInverse(temperature: Float) {
    let logits: [Float] = [0, 1, 2]
    var options = Self.neutral()
    options.temperature = temperature
    let found = Self.frequencies(of: logits, options)
    let weights = logits.map { cLibraryExponential(Double($0) / Double(temperature)) }
    for (weight, drawn) in zip(weights, found) {
      #expect(abs(drawn - weight / weights.reduce(0, +)) < 0.02)
    }
  }

  @Test func zeroTemperatureTakesTheLargestAndTheLowestTokenOnTies() {
    var sampler = Sampler(options: .greedy, vocabularySize: 5, contextLength: 8)
    let logits: [Float] = [1, 3, 2, 3, .nan]
    #expect(sampler.sample(logits.span) == 1)
    let flat: [Float] = [0, 0, 0, 0, 0]
    #expect(sampler.sample(flat.span) == 0)
    let hopeless = Array(repeating: -Float.infinity, count: 5)
    #expect(sampler.sample(hopeless.span) == 0)
  }

  @Test func topKKeepsTheKLargestForEveryK() {
    let logits: [Float] = [0.3, 0.1, 0.5, 0.2, 0.4, 0.5]
    let ranked = [2, 5, 4, 0, 3, 1]
    for k in 1...6 {
      var options = Self.neutral()
      options.topK = k
      #expect(Self.support(of: logits, options) == ranked.prefix(k).sorted())
    }
    for k in [-1, 0, 7, 100] {
      var options = Self.neutral()
      options.topK = k
      #expect(Self.support(of: logits, options) == Array(0..<6))
    }
  }

  @Test func topPKeepsTheSmallestSetThatReachesIt() {
    let logits = [0.5, 0.3, 0.15, 0.05].map { Float(naturalLogarithm($0)) }
    let expected: [(Float, [Int])] = [
      (0.0, [0]), (0.45, [0]), (0.55, [0, 1]), (0.79, [0, 1]), (0.9, [0, 1, 2]),
      (0.97, [0, 1, 2, 3]), (1, [0, 1, 2, 3]),
    ]
    for (topP, kept) in expected {
      var options = Self.neutral()
      options.topP = topP
      #expect(Self.support(of: logits, options) == kept, "top-p \(topP)")
    }
  }

  @Test func minPIsRelativeToTheMostProbable() {
    let logits = [0.5, 0.3, 0.15, 0.05].map { Float(naturalLogarithm($0)) }
    for (minP, kept) in [(Float(0.05), 4), (0.2, 3), (0.5, 2), (0.9, 1), (1.5, 1)] {
      var options = Self.neutral()
      options.minP = minP
      #expect(Self.support(of: logits, options) == Array(0..<kept), "min-p \(minP)")
    }
  }

  @Test func filtersActBeforeTheTemperature() {
    // At temperature 100 all four would pass top-p 0.6; at 1 only the first two do.
    let logits = [0.5, 0.3, 0.15, 0.05].map { Float(naturalLogarithm($0)) }
    var options = Self.neutral()
    options.temperature = 100
    options.topP = 0.6
    #expect(Self.support(of: logits, options) == [0, 1])
  }

  @Test func repeatPenaltyDividesPositiveAndMultipliesNegativeLogits() {
    var options = SamplingOptions.greedy
    options.repeatPenalty = 2
    #expect(Self.support(of: [3, 2], options, accepted: [0]) == [1])
    #expect(Self.support(of: [5, 2], options, accepted: [0]) == [0])
    #expect(Self.support(of: [-1, -1.5], options, accepted: [0]) == [1])
    #expect(Self.support(of: [-1, -2.5], options, accepted: [0, 0]) == [0])
  }

  @Test func presenceCountsOnceAndFrequencyEachTime() {
    var presence = SamplingOptions.greedy
    presence.presencePenalty = 1
    #expect(Self.support(of: [2.5, 2], presence, accepted: [0]) == [1])
    #expect(Self.support(of: [3.5, 2], presence, accepted: [0, 0]) == [0])
    var frequency = SamplingOptions.greedy
    frequency.frequencyPenalty = 1
    #expect(Self.support(of: [3.5, 2], frequency, accepted: [0]) == [0])
    #expect(Self.support(of: [3.5, 2], frequency, accepted: [0, 0]) == [1])
  }

  @Test func onlyTheLastTokensArePenalized() {
    var options = SamplingOptions.greedy
    options.presencePenalty = 1
    options.repeatLastN = 2
    #expect(Self.support(of: [1, 0.5, 0.2], options, accepted: [0, 2, 2]) == [0])
    #expect(Self.support(of: [1, 0.5, 0.2], options, accepted: [2, 2, 0]) == [1])
    options.repeatLastN = 0
    #expect(Self.support(of: [1, 0.5, 0.2], options, accepted: [0]) == [0])
    options.repeatLastN = -1
    #expect(Self.support(of: [1, 0.5, 0.2], options, accepted: [0, 2, 2]) == [1])
  }

  @Test func biasIsAddedAndForbids() {
    var options = SamplingOptions.greedy
    options.logitBias = [1: 5, 99: 3]
    #expect(Self.support(of: [2, 0], options) == [1])
    options.logitBias = [0: -.infinity]
    #expect(Self.support(of: [2, 0], options) == [1])
    var banned = Sampler(
      options: Self.neutral(), vocabularySize: 3, contextLength: 8, bannedTokens: [0, 2])
    let logits: [Float] = [9, 0, 9]
    #expect((0..<100).allSatisfy { _ in banned.sample(logits.span) == 1 })
  }

  @Test func aSeedRepeatsItsDrawsAndAnotherDoesNot() {
    let logits = (0..<50).map { Float($0 % 7) / 3 }
    func draws(_ seed: UInt64?) -> [Int32] {
      var options = SamplingOptions()
      options.seed = seed
      var sampler = Sampler(options: options, vocabularySize: 50, contextLength: 8)
      return (0..<64).map { _ in sampler.sample(logits.span) }
    }
    #expect(draws(42) == draws(42))
    #expect(draws(42) != draws(43))
    #expect(draws(nil) != draws(nil))
  }

  @Test func infiniteLogitsAreDrawn() {
    let logits: [Float] = [0, .infinity, 1, .infinity]
    #expect(Self.support(of: logits, Self.neutral()) == [1, 3])
  }
}
