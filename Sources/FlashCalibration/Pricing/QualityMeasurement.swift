internal import FlashModel
internal import FlashWeights
internal import Glibc

/// What `predicted` does to the model's predictions, beside dense: perplexities, divergence and
/// agreement over the pricing text.
struct QualityMeasurement {
  /// A perplexity and what it is made of.
  struct Perplexity {
    private var count = 0
    private var sum = 0.0
    private var squares = 0.0

    /// Counts one prediction by its negative log-likelihood in nats.
    mutating func add(_ negativeLogLikelihood: Double) {
      count += 1
      sum += negativeLogLikelihood
      squares += negativeLogLikelihood * negativeLogLikelihood
    }

    /// The perplexity and one standard error, by propagation from the mean's.
    var estimate: Certificate.Estimate {
      let mean = sum / Double(max(1, count))
      let variance = max(0, squares / Double(max(1, count)) - mean * mean)
      let error = (variance / Double(max(1, count - 1))).squareRoot()
      return Certificate.Estimate(value: exp(mean), standardError: error * exp(mean))
    }
  }

  private(set) var dense = Perplexity()
  private(set) var predicted = Perplexity()
  private var divergences: [Double] = []
  private var agreements = 0
  private let chunks: [[Int32]]
  private let vocabularySize: Int
  /// Dense logits, `[positions, vocabulary]`, f32.
  private let file: ScratchFile

  /// Bytes of the dense logits on disk, at most.
  private static let fileByteCount = 4 << 30

  /// - Parameter chunks: each starts a text anew; every token after the first is predicted. Of more
  ///   than a file of 4 GiB takes, the first are used.
  /// - Throws: `StoreError` where the folder takes no files.
  init(chunks: [[Int32]], vocabularySize: Int, folder: String) throws(StoreError) {
    let perChunk = (chunks.first?.count ?? 1) * vocabularySize * 4
    self.chunks = Array(chunks.prefix(max(1, Self.fileByteCount / perChunk)))
    self.vocabularySize = vocabularySize
    file = try ScratchFile(in: folder)
  }

  /// Tokens that go through the model, in each of the two runs.
  var tokenCount: Int { chunks.reduce(0) { $0 + $1.count - 1 } }

  /// Runs the dense model and keeps its logits.
  mutating func runDense(
    _ decoder: Decoder, isCancelled: () -> Bool, progress: (Int) -> Void
  ) throws {
    try unsafe Self.forEachRow(
      of: chunks, decoder, isCancelled: isCancelled, progress: progress
    ) { row, logits, next in
      try unsafe file.write(UnsafeRawBufferPointer(logits), at: row * vocabularySize * 4)
      unsafe dense.add(LogProbabilities(logits).negative(of: next))
    }
  }

  /// Runs the predicted model and compares.
  mutating func runPredicted(
    _ decoder: Decoder, isCancelled: () -> Bool, progress: (Int) -> Void
  ) throws {
    let reference = FloatMatrix(1, vocabularySize)
    try unsafe Self.forEachRow(
      of: chunks, decoder, isCancelled: isCancelled, progress: progress
    ) { row, logits, next in
      try unsafe file.read(
        into: UnsafeMutableRawBufferPointer(start: reference.values, count: vocabularySize * 4),
        at: row * vocabularySize * 4)
      let wanted = unsafe LogProbabilities(
        UnsafeBufferPointer(start: reference.values, count: vocabularySize))
      compare(unsafe LogProbabilities(logits), wanted: wanted, next: next)
    }
  }

  /// Runs every chunk and calls `body` with each row's number, its logits and the token behind it.
  private static func forEachRow(
    of chunks: [[Int32]], _ decoder: Decoder, isCancelled: () -> Bool, progress: (Int) -> Void,
    _ body: (Int, UnsafeBufferPointer<Float>, Int32) throws -> Void
  ) throws {
    var row = 0
    for chunk in chunks {
      decoder.reset()
      let start = row
      try unsafe decoder.forward(
        Array(chunk.dropLast()), promptEnd: chunk.count, logits: .all, isCancelled: isCancelled,
        progress: { progress(start + $0) },
        onLogits: { index, logits in
          try unsafe body(row, logits, chunk[index + 1])
          row += 1
        })
    }
  }

  private mutating func compare(
    _ found: LogProbabilities, wanted: LogProbabilities, next token: Int32
  ) {
    predicted.add(found.negative(of: token))
    divergences.append(wanted.divergence(from: found))
    agreements += wanted.likeliest == found.likeliest ? 1 : 0
  }

  var meanDivergence: Double {
    divergences.reduce(0, +) / Double(max(1, divergences.count))
  }

  /// By nearest rank.
  var p99Divergence: Double {
    guard !divergences.isEmpty else { return 0 }
    let rank = Int((0.99 * Double(divergences.count)).rounded(.up))
    return divergences.sorted()[max(1, rank) - 1]
  }

  var agreement: Double { Double(agreements) / Double(max(1, divergences.count)) }
}

/// The log-probabilities that logits stand for, summed in Double.
@safe struct LogProbabilities {
  private let logits: UnsafeBufferPointer<Float>
  let likeliest: Int
  /// What is taken off each logit.
  private let shift: Double

  init(_ logits: UnsafeBufferPointer<Float>) {
    unsafe self.logits = unsafe logits
    var best = 0
    for index in logits.indices where unsafe logits[index] > logits[best] { best = index }
    likeliest = best
    let largest = unsafe Double(logits[best])
    var sum = 0.0
    for index in logits.indices { sum += unsafe exp(Double(logits[index]) - largest) }
    shift = largest + log(sum)
  }

  func negative(of token: Int32) -> Double { unsafe shift - Double(logits[Int(token)]) }

  /// `Σ p (log p - log q)` in nats, p being these.
  func divergence(from other: LogProbabilities) -> Double {
    var sum = 0.0
    for index in unsafe logits.indices {
      let p = unsafe Double(logits[index]) - shift
      let q = unsafe Double(other.logits[index]) - other.shift
      sum += exp(p) * (p - q)
    }
    return max(0, sum)
  }
}
