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
  /// Neurons of the widest layer; with experts, whose neurons are computed expert by expert, of the
  /// widest shared one.
  var feedForwardWidth: Int
  /// Experts of the layer with most of them and those of a token, neurons of an expert, and whether
  /// gate and up rows need prepared activations of their own; 0 without experts.
  var expertCount = 0
  var activeExpertCount = 0
  var expertWidth = 0
  var hasMixedExperts = false
  /// The largest rank of a predictor, and bytes of its prepared hidden state; 0 without predictors.
  var usesPredictor = false
  /// Whether the stream before attention's answer is needed when that is in it: where the parts of
  /// a layer stand side by side and may be predicted.
  var keepsLayerInput: Bool
  var predictorRank = 0
  var hiddenByteCount = 0
  /// Bytes of the largest prepared activation: of the residual width or of the query width.
  var activationByteCount: Int

  /// Gate and up values of a chunk stay under 32 MiB, whatever the feed-forward width, and so do
  /// what its experts answer.
  static func chunk(wanted: Int, configuration: ModelConfiguration) -> Int {
    let neurons = configuration.layers.map { max($0.expertWidth, $0.shared) }.max() ?? 0
    let answers = (configuration.routing?.activeCount ?? 0) * configuration.width
    return min(wanted, (32 << 20) / max(1, 8 * neurons), (64 << 20) / max(1, 4 * answers))
  }

  init(
    configuration: ModelConfiguration, kernels: Kernels, chunk: Int, threadCount: Int,
    logitsRows: Int, contextLength: Int, predictor: SparsityPredictor?, hasMixedExperts: Bool
  ) {
    self.hasMixedExperts = hasMixedExperts
    let layers = configuration.layers
    width = configuration.width
    headDimension = configuration.headDimension
    vocabularySize = configuration.vocabularySize
    queryHeads = layers.map(\.queryHeads).max() ?? 0
    queryWidth = queryHeads * headDimension
    keyValueWidth = (layers.map(\.keyValueHeads).max() ?? 0) * headDimension
    let widths = layers.map {
      $0.expertCount == nil ? max($0.feedForwardWidth, $0.shared) : $0.shared
    }
    feedForwardWidth = widths.max() ?? 0
    if let routing = configuration.routing {
      activeExpertCount = routing.activeCount
      expertCount = layers.map { $0.expertCount ?? 0 }.max() ?? 0
      expertWidth = layers.map { $0.expertCount == nil ? 0 : $0.expertWidth }.max() ?? 0
    }
    self.chunk = chunk
    self.threadCount = threadCount
    self.logitsRows = logitsRows
    self.contextLength = contextLength
    var largest = 0
    for format in RowFormat.allCases {
      let shared = layers.map(\.shared).max() ?? 0
      for values in [width, queryWidth, shared] where format.fits(width: values) {
        largest = max(largest, kernels.activationByteCount(format, width: values))
      }
    }
    activationByteCount = (largest + 63) / 64 * 64
    if let predictor {
      predictorRank = predictor.rank
      hiddenByteCount = (predictor.hiddenByteCount(kernels) + 63) / 64 * 64
    }
    usesPredictor = predictor != nil
    keepsLayerInput = configuration.layerOrder.isParallel && configuration.hasSilentNeurons
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
  /// The same as the layer found it, `[chunk, width]`, where `shape.keepsLayerInput`.
  let layerInput: UnsafeMutablePointer<Float>
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
  /// There with experts.
  let experts: ExpertScratch
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
    unsafe layerInput = arena.take(
      Float.self, shape.keepsLayerInput ? chunk * shape.width : 0)
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
    experts = ExpertScratch(shape, arena)
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
