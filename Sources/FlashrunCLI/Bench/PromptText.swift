internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// The tokens that a benchmark feeds a model: the same for a seed, whatever the limit.
///
/// What a sparse model computes and reads depends on its tokens, and random ones would make it jump
/// about as no text does. So its prompts are pieces of one text that the model itself wrote,
/// greedily from a random token, before anything is measured. Each prompt begins an eighth of its
/// length behind the one before. A model of which every neuron is computed gets random tokens.
struct PromptText {
  private let vocabularySize: Int
  private let endTokens: Set<Int32>
  private let isWritten: Bool
  private var generator: SeededGenerator
  private var starts: [Int32] = []
  private var tokens: [Int32] = []

  /// - Parameter isWritten: whether the model is to write the prompts.
  init(_ configuration: ModelConfiguration, isWritten: Bool, seed: UInt64) {
    vocabularySize = configuration.vocabularySize
    endTokens = Set(configuration.endTokenIDs)
    self.isWritten = isWritten
    generator = SeededGenerator(seed: seed)
  }

  /// Makes prompts 0 to `count - 1` of up to `length` tokens, if they are not there.
  ///
  /// - Parameter progress: called with the tokens that are written, and of all.
  /// - Throws: as `OpenModel.generate`.
  mutating func prepare(
    count: Int, length: Int, model: OpenModel, isCancelled: @escaping () -> Bool,
    progress: @escaping (Int, Int) -> Void
  ) throws {
    while starts.count < count { starts.append(randomToken()) }
    let needed = length > 0 ? length + (count - 1) * Self.stride(length) : 0
    guard isWritten else {
      while tokens.count < needed { tokens.append(randomToken()) }
      return
    }
    while tokens.count < needed, !isCancelled() {
      try write(needed, model: model, isCancelled: isCancelled, progress: progress)
    }
  }

  /// The prompt of a repetition.
  ///
  /// - Precondition: `prepare` made it.
  func prompt(_ index: Int, length: Int) -> [Int32] {
    let start = index * Self.stride(length)
    return Array(tokens[start..<start + length])
  }

  /// The token with which a generation alone begins.
  func start(_ index: Int) -> Int32 { starts[index] }

  private static func stride(_ length: Int) -> Int { max(1, length / 8) }

  /// Writes on, to `needed` tokens or until the context is full; then a new text begins.
  private mutating func write(
    _ needed: Int, model: OpenModel, isCancelled: @escaping () -> Bool,
    progress: @escaping (Int, Int) -> Void
  ) throws {
    let first = randomToken()
    let done = tokens.count
    let count = min(needed - done, model.decoder.contextLength)
    var written = [first]
    _ = try model.generate(
      .tokens([first]), options: .greedy(tokenCount: count), isCancelled: isCancelled
    ) { event in
      guard case .token(let token) = event else { return }
      written.append(token)
      progress(done + written.count, needed)
    }
    tokens += written
  }

  private mutating func randomToken() -> Int32 {
    while true {
      let token = Int32(generator.next() % UInt64(vocabularySize))
      if !endTokens.contains(token) { return token }
    }
  }
}
