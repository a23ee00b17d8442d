import FlashKernels
import FlashTestSupport
import FlashWeights
import Testing

@testable import FlashCalibration

struct PredictorTests {
  private let kernels = Kernels(.best)
  private let pool = WorkerPool(threadCount: 2)

  /// 96 neurons over 64 values, a quarter of which fire.
  private func sample(positions: Int, seed: UInt64 = 4) -> (LayerSample, FloatMatrix) {
    let gates = RandomMatrix.product(
      RandomMatrix.make(96, 12, seed: 1), RandomMatrix.make(12, 64, seed: 2))
    let states = RandomMatrix.make(positions, 64, seed: seed)
    return (RandomMatrix.sample(states: states, gates: gates, bias: -4), gates)
  }

  private func subject(_ sample: LayerSample, _ gates: FloatMatrix) -> PredictorSubject {
    let answers = FloatMatrix(sample.positionCount, gates.rowCount)
    answers.setProduct(sample.inputs, gates, transposeB: true)
    let variances = (0..<gates.rowCount).map { neuron in
      let values = (0..<answers.rowCount).map { Double(answers[$0, neuron]) }
      let mean = values.reduce(0, +) / Double(max(1, values.count))
      return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, values.count))
    }
    let layer = LayerReader.Layer(
      gates: GateRows(
        format: .f32, width: gates.columnCount,
        bytes: unsafe gates.array.withUnsafeBytes { unsafe Array($0) },
        kernels: kernels),
      decidingBias: Array(repeating: -4, count: gates.rowCount),
      downNorms: Array(repeating: 1, count: gates.rowCount))
    return PredictorSubject(sample: sample, weights: layer, variances: variances)
  }

  private func search(_ subjects: [PredictorSubject]) -> PredictorSearch {
    let gates = subjects[0].weights.gates
    return PredictorSearch(
      settings: .init(
        targetRecall: 0.99, byteLimit: 1 << 20, seed: 7, rule: FiringRule(.relu)!),
      width: gates.width, neuronCount: gates.neuronCount,
      positionCount: subjects.map(\.sample.positionCount).max()!, subjectCount: subjects.count,
      subject: { subjects[$0] }, kernels: kernels, pool: pool)
  }

  private func search(_ sample: LayerSample, _ gates: FloatMatrix) -> PredictorSearch {
    search([subject(sample, gates)])
  }

  @Test func aThresholdReachesItsTargetOnItsOwnSample() throws {
    let (sample, gates) = sample(positions: 150)
    let noise = RandomMatrix.make(96, 64, seed: 77)
    for index in 0..<noise.count { noise[index / 64, index % 64] *= 0.5 }
    let rough = PredictorWeights(
      kind: .lowRankGate, reduction: identity(64),
      expansion: sum(gates, noise), bias: Array(repeating: -4, count: 96))
    for target in [0.5, 0.9, 0.99, 1] {
      for format in RowFormat.ofPredictors {
        var packed = rough.packed(format, targetRecall: target)
        let threshold = try #require(
          PredictorThreshold.find(
            packed, sample, 0..<150, targetRecall: target, kernels: kernels, pool: pool))
        packed.subtract(threshold: threshold)
        let price = PredictorPrice(packed.draft, sample, 0..<150, kernels: kernels, pool: pool)
        #expect(price.weightedRecall >= target)
        #expect(price.weightedRecall < target + 0.02)
        #expect(price.predictedActivity < 1)
      }
    }
  }

  private func identity(_ size: Int) -> FloatMatrix {
    let matrix = FloatMatrix(size, size)
    for index in 0..<size { matrix[index, index] = 1 }
    return matrix
  }

  private func sum(_ a: FloatMatrix, _ b: FloatMatrix) -> FloatMatrix {
    FloatMatrix(a.rowCount, a.columnCount, values: zip(a.array, b.array).map { $0 + $1 })
  }

  @Test func aPriceEqualsAPlainCount() {
    let (sample, gates) = sample(positions: 70)
    let packed = PredictorWeights(
      kind: .perceptron, reduction: RandomMatrix.make(32, 64, seed: 3),
      expansion: RandomMatrix.make(96, 32, seed: 5), bias: Array(repeating: -0.5, count: 96)
    ).packed(.q8_0, targetRecall: 0.99).draft
    let price = PredictorPrice(packed, sample, 10..<70, kernels: kernels, pool: pool)
    var (predicted, firing, both, weight, found) = (0, 0, 0, 0.0, 0.0)
    let scorer = PredictorScorer(packed, kernels: kernels, pool: pool)
    unsafe scorer.forEachPosition(10..<70, of: sample.inputs) { position, scores in
      for neuron in 0..<96 {
        let answer = (0..<64).reduce(Float(-4)) {
          $0 + sample.inputs[position, $1] * gates[neuron, $1]
        }
        let isNamed = unsafe scores[neuron] > 0
        predicted += isNamed ? 1 : 0
        guard answer > 0 else { continue }
        firing += 1
        weight += Double(answer)
        guard isNamed else { continue }
        both += 1
        found += Double(answer)
      }
    }
    #expect(price.recall == Double(both) / Double(firing))
    #expect(abs(price.weightedRecall - found / weight) < 1e-6)
    #expect(price.precision == Double(both) / Double(predicted))
    #expect(price.predictedActivity == Double(predicted) / (60 * 96))
    #expect(price.trueActivity == Double(firing) / (60 * 96))
  }

  @Test func firingsAndSilencesWeighTheSameInTraining() {
    // States tell nothing, so the best a bias can do is the classes' odds: with equal weights of
    // both classes, zero, however rare firing is.
    let states = FloatMatrix(256, 32)
    let gates = FloatMatrix(1, 32)
    var masks = [UInt64](repeating: 0, count: 256)
    for position in stride(from: 0, to: 256, by: 16) { masks[position] = 1 }
    _ = gates
    let sample = LayerSample(
      inputs: states, neuronCount: 1, masks: masks,
      contributions: Array(repeating: 3, count: 16), chunkStarts: [0])
    let start = PredictorWeights(
      kind: .lowRankGate, reduction: FloatMatrix(32, 32), expansion: FloatMatrix(1, 32),
      bias: [2])
    var settings = PredictorTraining.Settings()
    settings.batchLength = 256
    settings.rate = 0.05
    let trained = PredictorTraining(
      start, sample: sample, positions: 0..<256, pool: pool, settings: settings
    ).run()
    #expect(abs(trained.bias[0]) < 0.1, "\(trained.bias)")
  }

  @Test func aSigmoidIsOne() {
    var values: [Float] = [-100, -3, -0.5, 0, 0.25, 2, 8, 100]
    let expected = values.map { 1 / (1 + exponential(-Double($0))) }
    unsafe Sigmoid.apply(to: &values, count: values.count)
    for (value, wanted) in zip(values, expected) { #expect(abs(Double(value) - wanted) < 1e-4) }
  }

  private func exponential(_ x: Double) -> Double {
    // (1 + x/2^k)^(2^k), which needs no library.
    var power = 1 + x / 0x1p30
    for _ in 0..<30 { power *= power }
    return power
  }

  @Test(.enabled(if: isOptimizedBuild, "needs an optimized build"))
  func equalSeedsGiveEqualPredictorsAndTrainingHelps() throws {
    let (sample, gates) = sample(positions: 600)
    let first = try search(sample, gates).candidates(isCancelled: { false })
    let second = try search(sample, gates).candidates(isCancelled: { false })
    #expect(first.map(\.byteCount) == second.map(\.byteCount))
    for (a, b) in zip(first, second) {
      #expect(a.predictor?.reduction == b.predictor?.reduction)
      #expect(a.predictor?.expansion == b.predictor?.expansion)
      #expect(a.predictor?.bias == b.predictor?.bias)
    }
    // The gates have rank 12, so 32 directions know all.
    #expect(first.last!.predictedActivity < 1.15 * sample.activity(0..<600))
  }

  @Test func aLayerThatNeverFiresPredictsNothingAndOneThatAlwaysDoesAll() throws {
    let states = RandomMatrix.make(64, 64, seed: 4)
    let gates = RandomMatrix.make(96, 64, seed: 5)
    let silent = RandomMatrix.sample(states: states, gates: gates, bias: -1000)
    let none = try search(silent, gates).candidates(isCancelled: { false })
    #expect(none.count == 1)
    let predictor = try #require(none[0].predictor)
    let price = PredictorPrice(predictor, silent, 0..<64, kernels: kernels, pool: pool)
    #expect(price.predictedActivity == 0)
    #expect(price.weightedRecall == 1)
    let busy = RandomMatrix.sample(states: states, gates: gates, bias: 1000)
    let all = try search(busy, gates).candidates(isCancelled: { false })
    #expect(all.count == 1)
    #expect(all[0].predictor == nil)
  }

  @Test func expertsShareARankAndEachHasAPredictorOfItsOwn() throws {
    let (sample, gates) = sample(positions: 150)
    let (rare, _) = self.sample(positions: RankSearch.leastPositions - 1, seed: 6)
    let silent = RandomMatrix.sample(states: sample.inputs, gates: gates, bias: -1000)
    let subjects = [sample, rare, silent].map { subject($0, gates) }
    let found = try search(subjects).candidates(isCancelled: { false })
    #expect(found.count > 1 && found[0].predictor == nil)
    for candidate in found.dropFirst() {
      let predictor = try #require(candidate.predictor)
      #expect(predictor.kind == .lowRankGate)
      #expect(predictor.reduction.rowCount == 3 * predictor.rank)
      #expect(predictor.expansion.rowCount == 3 * 96 && predictor.bias.count == 3 * 96)
      var pricing = LayerPricing()
      let parts = (0..<3).map { predictor.expert($0, of: 3) }
      #expect(PredictorDraft(experts: parts).expansion == predictor.expansion)
      for (part, subject) in zip(parts, subjects) {
        pricing.add(part, subject.sample, kernels: kernels, pool: pool)
      }
      func activity(_ expert: Int) -> Double {
        let sample = subjects[expert].sample
        return PredictorPrice(
          parts[expert], sample, 0..<sample.positionCount, kernels: kernels, pool: pool
        ).predictedActivity
      }
      #expect(activity(0) > 0.1 && activity(0) < 0.9)
      #expect(activity(1) == 1 && activity(2) == 0)
      let pairs = [150.0, Double(RankSearch.leastPositions - 1), 150]
      let mean = (0..<3).reduce(0) { $0 + activity($1) * pairs[$1] } / pairs.reduce(0, +)
      #expect(abs(pricing.line.predictedActivity - mean) < 1e-12)
      #expect(pricing.line.weightedRecall > 0.97)
    }
  }

  @Test func cancellingEndsTheSearch() {
    let (sample, _) = sample(positions: 100)
    let gates = RandomMatrix.make(96, 64, seed: 9)
    #expect(throws: CalibrationError.cancelled) {
      _ = try search(sample, gates).candidates(isCancelled: { true })
    }
  }
}
