import FlashKernels
import FlashWeights

/// The sizes that a decoder's buffers follow from.
struct ScratchShape {
  /// Tokens that go through a layer together.
  var chunk: Int
  var threadCount: Int
  var logitsRows: Int
  var contextLength: Int
  var width: Int
  var headDimension: Int
  var vocabularySize: Int
  var queryWidth: Int
  var keyValueWidth: Int
  var queryHeads: Int
  var feedForwardWidth: Int
  /// The largest rank of a predictor, and bytes of its prepared hidden state; 0 without predictors.
  var usesPredictor = false
  var predictorRank = 0
  var hiddenByteCount = 0
  /// Bytes of the largest prepared activation: of the residual width or of the query width.
  var activationByteCount: Int

  /// Gate and up values of a chunk stay under 32 MiB, whatever the feed-forward width.
  static func chunk(wanted: Int, feedForwardWidth: Int) -> Int {
    min(wanted, max(1, (32 << 20) / max(1, 8 * feedForwardWidth)))
  }

  init(
    configuration: ModelConfiguration, kernels: Kernels, chunk: Int, threadCount: Int,
    logitsRows: Int, contextLength: Int, predictor: SparsityPredictor?
  ) {
    let layers = configuration.layers
    width = configuration.width
    headDimension = configuration.headDimension
    vocabularySize = configuration.vocabularySize
    queryHeads = layers.map(\.queryHeads).max() ?? 0
    queryWidth = queryHeads * headDimension
    keyValueWidth = (layers.map(\.keyValueHeads).max() ?? 0) * headDimension
    feedForwardWidth = layers.map(\.feedForwardWidth).max() ?? 0
    self.chunk = Self.chunk(wanted: chunk, feedForwardWidth: feedForwardWidth)
    self.threadCount = threadCount
    self.logitsRows = logitsRows
    self.contextLength = contextLength
    var largest = 0
    for format in RowFormat.allCases {
      for values in [width, queryWidth] where format.fits(width: values) {
        largest = max(largest, kernels.activationByteCount(format, width: values))
      }
    }
    activationByteCount = (largest + 63) / 64 * 64
    if let predictor {
      predictorRank = predictor.rank
      hiddenByteCount = (predictor.hiddenByteCount(kernels) + 63) / 64 * 64
    }
    usesPredictor = predictor != nil
  }
}

/// Every buffer of a forward pass, taken once.
///
/// `chunk` is the number of tokens that go through a layer together.
@safe struct DecoderScratch {
  /// Strides of the next layer that are guessed at a time.
  static let guessCapacity = 64

  let shape: ScratchShape
  /// The residual stream, `[chunk, width]`.
  let residual: UnsafeMutablePointer<Float>
  /// The normed state, `[chunk, width]`.
  let normed: UnsafeMutablePointer<Float>
  /// A projection on its way into the residual stream, `[chunk, width]`.
  let projected: UnsafeMutablePointer<Float>
  /// `[chunk, queryWidth]`.
  let queries: UnsafeMutablePointer<Float>
  let attended: UnsafeMutablePointer<Float>
  /// `[chunk, keyValueWidth]`.
  let keys: UnsafeMutablePointer<Float>
  let values: UnsafeMutablePointer<Float>
  /// Prepared activations, `[chunk, activationByteCount]`.
  let activations: UnsafeMutableRawPointer
  /// Pre-activations of the deciding rows, `[chunk, feedForwardWidth]`.
  let deciding: UnsafeMutablePointer<Float>
  /// The other projection and then the neurons' outputs, `[chunk, feedForwardWidth]`.
  let neuronOutputs: UnsafeMutablePointer<Float>
  /// Sums of down columns in packed order, `[chunk, width]`.
  let accumulators: UnsafeMutablePointer<Float>
  /// Row addresses, `[feedForwardWidth]`.
  let rowAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  let downAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  /// Neurons that fire, ascending, and the strides they lie in, `[feedForwardWidth]`.
  let activeNeurons: UnsafeMutablePointer<Int32>
  let activeStrides: UnsafeMutablePointer<Int32>
  /// Where each active neuron's up product lies, and one token's products in order,
  /// `[feedForwardWidth]`.
  let upColumns: UnsafeMutablePointer<Int32>
  let orderedUp: UnsafeMutablePointer<Float>
  /// Pre-activations that the next layer is guessed to have, `[feedForwardWidth]`, and strides
  /// ranked by them, `[guessCapacity]`.
  let guesses: UnsafeMutablePointer<Float>
  let guessedStrides: UnsafeMutablePointer<Int32>
  let guessedValues: UnsafeMutablePointer<Float>
  /// With predictors: up rows beside `rowAddresses`, `[feedForwardWidth]`; a token's deciding and
  /// up products in order, `[threadCount, 2, feedForwardWidth]`; the hidden states
  /// `[chunk, predictorRank]`, the same prepared `[chunk, hiddenByteCount]`; and a bit for each
  /// token and neuron, `[chunk, feedForwardWidth / 64]`.
  let upAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  let orderedProducts: UnsafeMutablePointer<Float>
  let hidden: UnsafeMutablePointer<Float>
  let preparedHidden: UnsafeMutableRawPointer
  let predictedSets: UnsafeMutablePointer<UInt64>
  /// Rows of embeddings, `[chunk]`.
  let lookUpRows: UnsafeMutablePointer<Int32>
  let lookUpAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  /// Softmax weights of one part, `[threadCount, partLength]`.
  let attentionWeights: UnsafeMutablePointer<Float>
  /// Parts of attention before they are combined, `[queryHeads, parts, headDimension + 2]`, and one
  /// more for each thread.
  let attentionParts: UnsafeMutablePointer<Float>
  /// `[logitsRows, vocabularySize]`.
  let logits: UnsafeMutablePointer<Float>

  init(_ shape: ScratchShape, _ arena: ScratchArena) {
    self.shape = shape
    let chunk = shape.chunk
    unsafe residual = arena.take(Float.self, chunk * shape.width)
    unsafe normed = arena.take(Float.self, chunk * shape.width)
    unsafe projected = arena.take(Float.self, chunk * shape.width)
    unsafe queries = arena.take(Float.self, chunk * shape.queryWidth)
    unsafe attended = arena.take(Float.self, chunk * shape.queryWidth)
    unsafe keys = arena.take(Float.self, chunk * shape.keyValueWidth)
    unsafe values = arena.take(Float.self, chunk * shape.keyValueWidth)
    unsafe activations = UnsafeMutableRawPointer(
      arena.take(UInt8.self, chunk * shape.activationByteCount))
    unsafe deciding = arena.take(Float.self, chunk * shape.feedForwardWidth)
    unsafe neuronOutputs = arena.take(Float.self, chunk * shape.feedForwardWidth)
    unsafe accumulators = arena.take(Float.self, chunk * shape.width)
    unsafe rowAddresses = arena.take(UnsafeRawPointer.self, shape.feedForwardWidth)
    unsafe downAddresses = arena.take(UnsafeRawPointer.self, shape.feedForwardWidth)
    unsafe activeNeurons = arena.take(Int32.self, shape.feedForwardWidth)
    unsafe activeStrides = arena.take(Int32.self, shape.feedForwardWidth)
    unsafe upColumns = arena.take(Int32.self, shape.feedForwardWidth)
    unsafe orderedUp = arena.take(Float.self, shape.feedForwardWidth)
    unsafe guesses = arena.take(Float.self, shape.feedForwardWidth)
    unsafe guessedStrides = arena.take(Int32.self, Self.guessCapacity)
    unsafe guessedValues = arena.take(Float.self, Self.guessCapacity)
    let predicted = shape.usesPredictor ? shape.feedForwardWidth : 0
    unsafe upAddresses = arena.take(UnsafeRawPointer.self, predicted)
    unsafe orderedProducts = arena.take(Float.self, shape.threadCount * 2 * predicted)
    unsafe hidden = arena.take(Float.self, chunk * shape.predictorRank)
    unsafe preparedHidden = UnsafeMutableRawPointer(
      arena.take(UInt8.self, chunk * shape.hiddenByteCount))
    unsafe predictedSets = arena.take(UInt64.self, chunk * ((predicted + 63) / 64))
    unsafe lookUpRows = arena.take(Int32.self, chunk)
    unsafe lookUpAddresses = arena.take(UnsafeRawPointer.self, chunk)
    unsafe attentionWeights = arena.take(
      Float.self, shape.threadCount * Attention.partLength)
    let parts = (shape.contextLength + Attention.partLength - 1) / Attention.partLength
    unsafe attentionParts = arena.take(
      Float.self,
      (shape.queryHeads * parts + shape.threadCount) * (shape.headDimension + 2))
    unsafe logits = arena.take(Float.self, shape.logitsRows * shape.vocabularySize)
  }
}
