import FlashWindow

/// The buffers of routed experts. A *pair* is a token and one of its experts; pairs are sorted by
/// expert, then by token.
@safe struct ExpertScratch {
  /// `[chunk, experts]`.
  let logits: UnsafeMutablePointer<Float>
  /// A token's experts, ascending, and their scores, `[chunk, active]`.
  let chosen: UnsafeMutablePointer<Int32>
  let scores: UnsafeMutablePointer<Float>
  /// The experts that some token uses, ascending, `[experts]`, and for each expert its first pair,
  /// `[experts + 1]`.
  let active: UnsafeMutablePointer<Int32>
  let firstPair: UnsafeMutablePointer<Int32>
  /// The token of each pair, and the pair of each `token * active + choice`, `[chunk * active]`.
  let tokenOfPair: UnsafeMutablePointer<Int32>
  let pairOfChoice: UnsafeMutablePointer<Int32>
  /// The prepared activations of one expert's tokens, `[chunk, activationByteCount]`, for gate rows
  /// and where their formats differ for up rows.
  let gateInputs: UnsafeMutableRawPointer
  let upInputs: UnsafeMutableRawPointer
  /// What each pair's expert answers, in packed order, `[chunk * active, width]`.
  let answers: UnsafeMutablePointer<Float>
  /// For each thread an answer in plain order and a sum, `[threadCount, 2, width]`.
  let sums: UnsafeMutablePointer<Float>
  /// What the next layer's input is guessed to be, `[width]`.
  let guessedState: UnsafeMutablePointer<Float>
  /// The experts that are computed together, `[active]`.
  let group: UnsafeMutablePointer<ExpertWork>
  /// Experts that the next layer is guessed to want, `[active]`, of a chunk more of them; and how
  /// many of a chunk's tokens would choose each, `[experts]`.
  let guesses: UnsafeMutablePointer<Int32>
  let votes: UnsafeMutablePointer<Float>

  init(_ shape: ScratchShape, _ arena: ScratchArena) {
    let (chunk, active, experts) = (shape.chunk, shape.activeExpertCount, shape.expertCount)
    let isThere = experts > 0
    let inputByteCount = isThere ? chunk * shape.activationByteCount : 0
    unsafe logits = arena.take(Float.self, chunk * experts)
    unsafe chosen = arena.take(Int32.self, chunk * active)
    unsafe scores = arena.take(Float.self, chunk * active)
    unsafe self.active = arena.take(Int32.self, experts)
    unsafe firstPair = arena.take(Int32.self, experts + 1)
    unsafe tokenOfPair = arena.take(Int32.self, chunk * active)
    unsafe pairOfChoice = arena.take(Int32.self, chunk * active)
    unsafe gateInputs = UnsafeMutableRawPointer(arena.take(UInt8.self, inputByteCount))
    unsafe upInputs = UnsafeMutableRawPointer(
      arena.take(UInt8.self, shape.hasMixedInputs ? inputByteCount : 0))
    unsafe answers = arena.take(Float.self, chunk * active * shape.width)
    unsafe sums = arena.take(Float.self, isThere ? 2 * shape.threadCount * shape.width : 0)
    unsafe guessedState = arena.take(Float.self, isThere ? shape.width : 0)
    unsafe group = arena.take(ExpertWork.self, active)
    unsafe guesses = arena.take(
      Int32.self, max(active, min(experts, WeightResidency.chunkGuessLimit)))
    unsafe votes = arena.take(Float.self, experts)
  }

  /// The pairs of an expert.
  func pairs(of expert: Int) -> Range<Int> {
    unsafe Int(firstPair[expert])..<Int(firstPair[expert + 1])
  }
}

/// An expert that is computed now.
@unsafe struct ExpertWork: BitwiseCopyable {
  /// Its place in the load.
  var place: Int32
  var layer: Int32
  var expert: Int32
  var base: UnsafeRawPointer
  var partsLieApart: Bool
  /// The layer's neuron that is first at the base.
  var firstNeuron: Int
  /// Its pairs.
  var firstPair: Int
  var pairCount: Int
  var pairs: Range<Int> { unsafe firstPair..<firstPair + pairCount }
  /// Where its neurons' values begin, in rows of `scratch.deciding` and `scratch.neuronOutputs`.
  var firstRow: Int
}
