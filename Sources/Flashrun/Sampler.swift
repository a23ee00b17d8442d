/// Chooses a token from logits in llama.cpp's order: bias, penalties, top-k, top-p, min-p,
/// temperature, draw.
///
/// All memory is taken in `init`; `sample` allocates nothing. Equal logits rank by token, lowest
/// first. Probabilities are summed in Double in rank order with `portableExponential`, so that the
/// same seed and logits give the same token on every machine.
package struct Sampler {
  /// The seed in use, given or drawn, for people to repeat a run.
  package let seed: UInt64
  private let options: SamplingOptions
  private let bias: [(token: Int, value: Float)]
  private var generator: SeededGenerator
  private var recent: RecentTokens
  /// Logits after bias and penalties, [vocabulary].
  private var logits: [Float]
  /// Candidates left, as tokens; after `keepLargest` in rank order, [vocabulary].
  private var ranking: [Int32]
  /// Weight of each candidate relative to the first, [vocabulary].
  private var weights: [Double]

  /// - Parameters:
  ///   - bannedTokens: tokens that are never chosen (`--ignore-eos` bans the end tokens).
  ///   - contextLength: what `repeatLastN == -1` means.
  package init(
    options: SamplingOptions, vocabularySize: Int, contextLength: Int, bannedTokens: [Int32] = []
  ) {
    precondition(vocabularySize > 0, "a sampler needs a vocabulary")
    self.options = options
    seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    generator = SeededGenerator(seed: seed)
    var biases = options.logitBias
    for token in bannedTokens { biases[token] = -.infinity }
    bias = biases.filter { (0..<vocabularySize).contains(Int($0.key)) }
      .map { (Int($0.key), $0.value) }.sorted { $0.token < $1.token }
    let recentCount = options.repeatLastN < 0 ? contextLength : options.repeatLastN
    recent = RecentTokens(
      capacity: options.hasPenalties ? recentCount : 0, vocabularySize: vocabularySize)
    logits = Array(repeating: 0, count: vocabularySize)
    ranking = Array(repeating: 0, count: vocabularySize)
    weights = Array(repeating: 0, count: vocabularySize)
  }

  /// Counts a token, of the prompt or chosen, as recent.
  package mutating func accept(_ token: Int32) {
    recent.append(token)
  }

  /// The next token; `values` are logits [vocabulary]. NaN counts as -infinity.
  ///
  /// The caller tells the sampler of the choice with `accept`.
  package mutating func sample(_ values: Span<Float>) -> Int32 {
    precondition(values.count == logits.count, "logits must have the vocabulary's length")
    for index in logits.indices {
      logits[index] = values[index].isNaN ? -.infinity : values[index]
    }
    for (token, value) in bias { logits[token] += value }
    penalize()
    guard options.temperature > 0 else { return mostProbable() }
    let limit = options.topK > 0 ? min(options.topK, logits.count) : logits.count
    keepLargest(limit)
    var count = keepTopP(limit)
    count = keepMinP(count)
    return draw(count)
  }

  private mutating func penalize() {
    recent.forEachDistinct { token, count in
      var logit = logits[token]
      logit = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty
      logits[token] =
        logit - Float(count) * options.frequencyPenalty - options.presencePenalty
    }
  }

  private func mostProbable() -> Int32 {
    var best = 0
    for index in 1..<max(1, logits.count) where logits[index] > logits[best] { best = index }
    return Int32(best)
  }

  /// Whether `left` ranks before `right`.
  private func ranksBefore(_ left: Int32, _ right: Int32) -> Bool {
    let (leftLogit, rightLogit) = (logits[Int(left)], logits[Int(right)])
    return leftLogit != rightLogit ? leftLogit > rightLogit : left < right
  }

  /// Puts the `count` largest, in rank order, at the front of `ranking`: a heap of `count` whose
  /// root is the last in rank, then a heap sort. O(vocabulary · log count).
  private mutating func keepLargest(_ count: Int) {
    for index in 0..<count { ranking[index] = Int32(index) }
    for root in stride(from: count / 2 - 1, through: 0, by: -1) { sift(root, count) }
    for token in Int32(count)..<Int32(logits.count) where ranksBefore(token, ranking[0]) {
      ranking[0] = token
      sift(0, count)
    }
    for end in stride(from: count - 1, to: 0, by: -1) {
      ranking.swapAt(0, end)
      sift(0, end)
    }
  }

  private mutating func sift(_ root: Int, _ count: Int) {
    var parent = root
    while 2 * parent + 1 < count {
      var child = 2 * parent + 1
      if child + 1 < count, ranksBefore(ranking[child], ranking[child + 1]) { child += 1 }
      guard ranksBefore(ranking[parent], ranking[child]) else { return }
      ranking.swapAt(parent, child)
      parent = child
    }
  }

  /// Fills `weights` of the first `count` candidates and returns their sum.
  private mutating func weigh(_ count: Int, temperature: Double) -> Double {
    let largest = Double(logits[Int(ranking[0])])
    var total = 0.0
    for rank in 0..<count {
      // Also where the largest is infinite: equal logits weigh the same.
      let logit = Double(logits[Int(ranking[rank])])
      weights[rank] = logit == largest ? 1 : portableExponential((logit - largest) / temperature)
      total += weights[rank]
    }
    return total
  }

  private mutating func keepTopP(_ count: Int) -> Int {
    guard options.topP < 1 else { return count }
    let goal = Double(options.topP) * weigh(count, temperature: 1)
    var sum = 0.0
    for rank in 0..<count {
      sum += weights[rank]
      if sum >= goal { return rank + 1 }
    }
    return count
  }

  private mutating func keepMinP(_ count: Int) -> Int {
    guard options.minP > 0 else { return count }
    _ = weigh(count, temperature: 1)
    return max(1, weights[..<count].count { $0 >= Double(options.minP) })
  }

  private mutating func draw(_ count: Int) -> Int32 {
    let goal = generator.nextUnit() * weigh(count, temperature: Double(options.temperature))
    var sum = 0.0
    for rank in 0..<count {
      sum += weights[rank]
      if goal < sum { return ranking[rank] }
    }
    return ranking[count - 1]
  }
}
