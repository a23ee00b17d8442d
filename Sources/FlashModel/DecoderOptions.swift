package import FlashKernels
package import FlashWindow

/// How a decoder is opened; everything not given is chosen and reported.
package struct DecoderOptions: Sendable {
  package var sparsity: SparsityChoice = .auto
  /// Positions of the KV cache; nil takes the largest that the plan allows.
  package var contextLength: Int?
  package var keyFormat: KeyValueFormat?
  package var valueFormat: KeyValueFormat?
  /// Nil: one thread per physical core.
  package var threadCount: Int?
  package var instructionSet: InstructionSet?
  /// Tokens that go through a layer together in prefill; never changes the answer. Nil: 64, and
  /// with experts 512, so that each of a prompt's is read once, or as many as a sixteenth of the
  /// limit has room for.
  package var prefillChunk: Int?
  /// Bytes of deciding rows after which a token's reads begin in a windowed run: 2 MiB take about
  /// as long to multiply as 30 reads of 4 KiB take; never changes the answer.
  package var sliceByteCount = 2 << 20
  /// Rows of logits that one call can hand out per chunk: 1 to generate, more to score text.
  package var logitsRowCapacity = 1
  /// Whether lossy modes may run without a certificate: for the one who is about to price them.
  package var allowsUnpriced = false
  /// Whether `predicted` also multiplies the gates of neurons that were not named but are in DRAM,
  /// and computes those that fire. The answer then depends on the cache: on the memory limit and on
  /// what was read before.
  package var computesResidentGates = false
  /// Bytes that the caller's tokenizer takes, for the plan.
  package var textByteCount = 0
  /// What else the caller holds while the decoder is open, for the plan.
  package var callerItems: [MemoryPlan.Item] = []
  /// Whether to count which neurons fire (`Decoder.meter`); costs allocations for every token.
  package var measuresActivity = false
  /// Whether that also keeps every token's active sets (`ActivityMeter.trace`).
  package var recordsActiveSets = false
  /// What limits memory and how flash is read.
  package var storage = StorageOptions()

  package init() {}
}

/// What the user asked for with `--sparsity`.
package enum SparsityChoice: String, CaseIterable, Sendable {
  /// Lossless: `exact` where the model and the limit allow, otherwise `dense`.
  case auto
  case dense, exact
  /// Lossy: what the store's predictors expect, at the price its certificate names.
  case predicted
  /// Lossy: what passes the store's thresholds, at the price its certificate names.
  case threshold
}

/// What is computed; dense and exact give the same bits.
package enum SparsityMode: String, Sendable {
  /// Every neuron.
  case dense
  /// Only neurons that their resident gate row says fire; ReLU models.
  case exact
  /// Only neurons that a predictor names; lossy.
  case predicted
  /// Only neurons whose resident gate row gives a magnitude above their layer's threshold; models
  /// without silent neurons; lossy.
  case threshold

  /// Whether the answer differs from that of `dense`.
  package var isLossy: Bool { self == .predicted || self == .threshold }
}

/// Why a forward pass ended early or could not begin.
package enum DecoderError: Error {
  /// The tokens do not fit behind those already in the KV cache.
  case contextFull(contextLength: Int, needed: Int)
  /// A token ID outside the vocabulary.
  case unknownToken(Int32, vocabularySize: Int)
  /// Options that this model cannot have; the text names both.
  case unsupported(String)
  /// An instruction set that this CPU, or its kernel, does not offer.
  case missingInstructions(InstructionSet)
  /// A lossy mode over a store without a certificate of it; whether the store has the predictors or
  /// thresholds that could be priced.
  case uncertified(SparsityMode, canBePriced: Bool)
  /// A router's logits are not all finite, so that they choose no experts.
  case noRouting(layer: Int, position: Int)
  /// `isCancelled` said so; the KV cache keeps whole chunks only.
  case cancelled
}
