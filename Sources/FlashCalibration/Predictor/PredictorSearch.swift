internal import FlashKernels
internal import FlashWeights

/// A predictor of one layer that could be shipped; nil names every neuron.
struct PredictorCandidate {
  var predictor: PredictorDraft?
  var byteCount: Int
  /// Of the neurons, mean over the positions set aside, at the target recall.
  var predictedActivity: Double

  static let all = PredictorCandidate(predictor: nil, byteCount: 0, predictedActivity: 1)
}

/// The neurons of a layer, or of one of its experts, for which a predictor is made.
struct PredictorSubject {
  let sample: LayerSample
  let weights: LayerReader.Layer
  /// Of the pre-activations over all training positions, `[neurons]`.
  let variances: [Double]
}

/// Makes and prices predictors of one layer: low-rank gates, the same trained as a classifier, and
/// perceptrons, of growing rank, in the types a predictor may have.
///
/// Experts have gates of one rank and type, each made from the positions that used it; perceptrons
/// are tried for whole layers only.
struct PredictorSearch {
  struct Settings {
    var targetRecall: Double
    /// The most bytes one layer's predictor may take.
    var byteLimit: Int
    var seed: UInt64
    var rule: FiringRule
    /// Multiplications of one training; wider layers get fewer steps.
    var trainingWork = 1e10
  }

  let settings: Settings
  /// The widths of a subject: of its states, and its neurons.
  let width: Int
  let neuronCount: Int
  /// Training positions of the subject that has most.
  let positionCount: Int
  /// The layer, or its experts.
  let subjectCount: Int
  /// One of them; only the last is held.
  let subject: (Int) throws -> PredictorSubject
  let kernels: Kernels
  let pool: WorkerPool

  /// Predicted over true activity from which on nothing is left to gain.
  static let goodEnough = 1.15
  /// A rank that does not save this part of the predicted activity ends the search, and a training
  /// that does not is not tried again.
  static let leastGain = 0.02

  /// Candidates of rising size and falling activity; `all` is among them.
  ///
  /// - Parameter isCancelled: asked between trainings.
  /// - Throws: `CalibrationError.cancelled`, and what making a subject throws.
  func candidates(isCancelled: () -> Bool) throws -> [PredictorCandidate] {
    guard neuronCount > 0 else { return [.all] }
    var found = [PredictorCandidate.all]
    var best = 1.0
    var kinds: [PredictorKind] = subjectCount == 1 ? [.lowRankGate, .perceptron] : [.lowRankGate]
    for rank in ranks {
      let made = try candidates(rank: rank, training: kinds, isCancelled: isCancelled)
      guard made.fires else { return made.best.suffix(1) }
      guard made.trueActivity * Self.goodEnough < 1 else { return [.all] }
      found += made.best.filter { $0.byteCount <= settings.byteLimit }
      kinds = made.helped
      let activity = made.best.map(\.predictedActivity).min() ?? 1
      if activity <= made.trueActivity * Self.goodEnough { break }
      if rank > 32, activity > best * (1 - Self.leastGain) { break }
      best = min(best, activity)
    }
    return Self.frontier(found)
  }

  /// 32, 64, 96, 128, 192, 256 and so on, as far as the bytes of the smallest type allow, and no
  /// more than positions have directions.
  private var ranks: [Int] {
    let sides = min(width, neuronCount, RankSearch.fittedCount(of: positionCount))
    let most = max(32, sides / 32 * 32)
    var ranks: [Int] = []
    for power in 0..<12 {
      ranks += power == 0 ? [32] : [32 << power, 48 << power]
    }
    return ranks.filter { rank in
      let byteCount = PredictorWeights.byteCount(
        rank: rank, width: width, neuronCount: neuronCount, format: .q4_0)
      return rank <= most && subjectCount * byteCount <= settings.byteLimit
    }
  }

  /// The best of one rank for all subjects, in each type; of the kinds that are to be trained those
  /// that may help at the ranks above too; and what fires.
  private func candidates(
    rank: Int, training kinds: [PredictorKind], isCancelled: () -> Bool
  ) throws -> RankSearch.Result {
    var results: [RankSearch.Result] = []
    for index in 0..<subjectCount {
      if isCancelled() { throw CalibrationError.cancelled }
      let search = RankSearch(
        settings: settings, subject: try subject(index), kernels: kernels, pool: pool)
      results.append(
        try search.run(
          rank: rank, training: kinds, isExpert: subjectCount > 1, isCancelled: isCancelled))
    }
    let pairCount = results.reduce(0) { $0 + $1.pairCount }
    func mean(_ activity: (RankSearch.Result) -> Double) -> Double {
      results.reduce(0) { $0 + activity($1) * Double($1.pairCount) } / Double(max(1, pairCount))
    }
    let best = RowFormat.ofPredictors.indices.map { type in
      PredictorCandidate(
        predictor: PredictorDraft(experts: results.compactMap { $0.best[type].predictor }),
        byteCount: results.reduce(0) { $0 + $1.best[type].byteCount },
        predictedActivity: mean { $0.best[type].predictedActivity })
    }
    return RankSearch.Result(
      best: best, helped: kinds.filter { kind in results.contains { $0.helped.contains(kind) } },
      fires: results.contains(where: \.fires), trueActivity: mean(\.trueActivity),
      pairCount: pairCount)
  }

  /// Those that no smaller one beats, smallest first.
  static func frontier(_ candidates: [PredictorCandidate]) -> [PredictorCandidate] {
    var kept: [PredictorCandidate] = []
    for candidate in candidates.sorted(by: {
      ($0.byteCount, $0.predictedActivity) < ($1.byteCount, $1.predictedActivity)
    }) where candidate.predictedActivity < kept.last?.predictedActivity ?? .infinity {
      kept.append(candidate)
    }
    return kept
  }
}

extension RowFormat {
  /// Types that predictors are stored in, the most exact first.
  static let ofPredictors: [RowFormat] = [.q8_0, .q4_0]
}
