import FlashKernels
import FlashTestSupport
import FlashWeights
import Testing

@testable import FlashCalibration

struct RankAllocationTests {
  private func candidates(_ pairs: [(Int, Double)]) -> [PredictorCandidate] {
    pairs.map { PredictorCandidate(predictor: nil, byteCount: $0.0, predictedActivity: $0.1) }
  }

  @Test func bytesGoWhereTheySaveMost() {
    let layers = [
      candidates([(0, 1), (100, 0.5), (200, 0.45)]), candidates([(0, 1), (100, 0.2), (200, 0.1)]),
    ]
    func choose(_ budget: Int) -> [Int] {
      RankAllocation.choose(
        layers, trueActivities: [1, 1], bundleByteCounts: [10_000, 10_000], budget: budget)
    }
    #expect(choose(100) == [0, 1])
    #expect(choose(200) == [1, 1])
    #expect(choose(300) == [1, 2])
    #expect(choose(4000) == [2, 2])
  }

  @Test func growthThatSavesLittleIsNotMade() {
    let layers = [candidates([(0, 1), (100, 0.5), (10_000, 0.499)])]
    #expect(
      RankAllocation.choose(
        layers, trueActivities: [0.5], bundleByteCounts: [1000], budget: 20_000) == [1])
  }

  @Test func layersFarAboveWhatFiresComeFirst() {
    // The first layer's growth saves more bytes, but the second reads ten times what fires.
    let layers = [
      candidates([(0, 0.4), (100, 0.3)]), candidates([(0, 0.1), (100, 0.02)]),
    ]
    let chosen = RankAllocation.choose(
      layers, trueActivities: [0.2, 0.01], bundleByteCounts: [10_000, 10_000], budget: 100)
    #expect(chosen == [0, 1])
  }

  @Test func onlyWhatNoSmallerOneBeatsIsACandidate() {
    let found = PredictorSearch.frontier(
      candidates([(50, 0.3), (0, 1), (100, 0.3), (80, 0.4), (120, 0.2), (50, 0.35)]))
    #expect(found.map(\.byteCount) == [0, 50, 120])
  }
}

struct CalibrationTextTests {
  private func tokens(_ count: Int) -> [Int32] { (0..<count).map(Int32.init) }

  @Test func trainingAndPricingNeverOverlap() throws {
    for count in [20, 31, 100, 999] {
      for fraction in [0.01, 0.2, 0.5, 0.99] {
        let text = try CalibrationText(
          tokens: tokens(count), begin: 5000, chunkLength: 9, pricingFraction: fraction, name: "")
        let training = Set(text.training.flatMap { $0.dropFirst() })
        let pricing = Set(text.pricing.flatMap { $0.dropFirst() })
        #expect(!training.isEmpty && !pricing.isEmpty)
        #expect(training.isDisjoint(with: pricing))
        // The last part of the text prices.
        #expect(training.max()! < pricing.min()!)
        for chunk in text.training + text.pricing {
          #expect(chunk.count == 9)
          #expect(chunk[0] == 5000)
        }
      }
    }
  }

  @Test func longTextsAreThinnedEvenly() throws {
    let text = try CalibrationText(
      tokens: tokens(400_000), begin: nil, chunkLength: 512, pricingFraction: 0.5, name: "")
    #expect(text.training.count == CalibrationText.trainingTokenLimit / 512)
    #expect(text.pricing.count == CalibrationText.pricingTokenLimit / 512)
    #expect(text.training.first![0] == 0)
    #expect(text.training.last![0] > 190_000)
    #expect(text.pricing.last![0] > 380_000)
  }

  @Test func tooLittleTextIsSaid() {
    #expect(
      throws: CalibrationError.textTooShort(tokenCount: 15, chunkLength: 8, neededChunks: 2)
    ) {
      _ = try CalibrationText(
        tokens: tokens(15), begin: nil, chunkLength: 8, pricingFraction: 0.2, name: "")
    }
    #expect(throws: CalibrationError.textTooShort(tokenCount: 0, chunkLength: 8, neededChunks: 1)) {
      _ = try CalibrationText(
        training: tokens(20), pricing: [], begin: nil, chunkLength: 8, name: "")
    }
    #expect(throws: CalibrationError.chunkTooShort(2)) {
      _ = try CalibrationText(
        tokens: tokens(15), begin: nil, chunkLength: 2, pricingFraction: 0.2, name: "")
    }
  }
}

struct WindowCurveTests {
  @Test(arguments: [3, 17, 60])
  func theCurveEqualsAPlainCount(chunkLength: Int) {
    var generator = SplitMix(seed: 5)
    let chunks = (0..<3).map { _ in
      (0..<chunkLength).map { _ in Set((0..<25).filter { _ in generator.chance(0.15) }) }
    }
    // Of all neurons, and of two parts of them together.
    func curve(_ neurons: Range<Int>) -> WindowCurve {
      var curve = WindowCurve(neuronCount: 25)
      for chunk in chunks {
        curve.beginChunk(tokenCount: chunk.count)
        for (index, token) in chunk.enumerated() {
          for neuron in token.sorted() where neurons.contains(neuron) {
            curve.add(neuron, token: index)
          }
        }
      }
      return curve
    }
    var sum = WindowCurve(neuronCount: 0)
    for part in [0..<9, 9..<25] { sum.add(curve(part)) }
    expectPlainCount(curve(0..<25), chunks)
    expectPlainCount(sum, chunks)
  }

  private func expectPlainCount(_ curve: WindowCurve, _ chunks: [[Set<Int>]]) {
    let chunkLength = chunks[0].count
    let first = chunkLength > 16 ? 16 : 1
    for window in 1...16 {
      var (new, total) = (0, 0)
      for chunk in chunks {
        for token in first..<chunk.count {
          let last = chunk[max(0, token - window)..<token].reduce(into: Set()) { $0.formUnion($1) }
          new += chunk[token].subtracting(last).count
          total += chunk[token].count
        }
      }
      #expect(curve.newCounts[window - 1] == new)
      #expect(curve.newFractions[window - 1] == Double(new) / Double(total))
      #expect(
        curve.newNeuronsPerToken[window - 1] == Double(new) / Double(3 * (chunkLength - first)))
    }
  }
}
