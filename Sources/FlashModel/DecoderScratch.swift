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
  /// Neurons that are computed together at most: those of a layer, or of a token's experts.
  var groupWidth: Int
  /// Values of all neurons that are computed together for a chunk, or of its shared experts.
  var valueCount: Int
  /// Experts of the layer with most of them and those of a token; 0 without experts.
  var expertCount = 0
  var activeExpertCount = 0
  /// Whether gate and up rows of some layer need prepared activations of their own.
  var hasMixedInputs: Bool
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
    logitsRows: Int, contextLength: Int, predictor: SparsityPredictor?, hasMixedInputs: Bool
  ) {
    self.hasMixedInputs = hasMixedInputs
    let layers = configuration.layers
    width = configuration.width
    headDimension = configuration.headDimension
    vocabularySize = configuration.vocabularySize
    queryHeads = layers.map(\.queryHeads).max() ?? 0
    queryWidth = queryHeads * headDimension
    keyValueWidth = (layers.map(\.keyValueHeads).max() ?? 0) * headDimension
    activeExpertCount = configuration.routing?.activeCount ?? 0
    expertCount = layers.map { $0.expertCount ?? 0 }.max() ?? 0
    let widest = layers.map(\.expertWidth).max() ?? 0
    // One token's experts are computed side by side, a chunk's one after another.
    groupWidth = max(1, activeExpertCount) * widest
    valueCount = max(
      max(chunk, activeExpertCount) * widest, chunk * (layers.map(\.shared).max() ?? 0))
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
  /// Prepared activations, `[chunk, activationByteCount]`; for up rows, where their format is
  /// another one, those below.
  let activations: UnsafeMutableRawPointer
  let upActivations: UnsafeMutableRawPointer
  /// Pre-activations of the deciding rows, `[valueCount]`: a row for each token, as wide as the
  /// neurons are many that are computed together (`NeuronGroup`).
  let deciding: UnsafeMutablePointer<Float>
  /// The other projection and then the neurons' outputs, likewise.
  let neuronOutputs: UnsafeMutablePointer<Float>
  /// Sums of down columns in packed order, `[chunk, width]`.
  let accumulators: UnsafeMutablePointer<Float>
  /// What is computed together, `[max(1, activeExpertCount)]`, the part of it that lies in a piece,
  /// and what the next layer is guessed to want.
  let runs: UnsafeMutablePointer<NeuronRun>
  let clippedRuns: UnsafeMutablePointer<NeuronRun>
  let guessedRuns: UnsafeMutablePointer<NeuronRun>
  /// Row addresses, `[groupWidth]`.
  let rowAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  let upAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  let downAddresses: UnsafeMutablePointer<UnsafeRawPointer>
  /// Neurons that fire, ascending, and the strides they lie in, `[groupWidth]`.
  let activeNeurons: UnsafeMutablePointer<Int32>
  let activeStrides: UnsafeMutablePointer<Int32>
  /// Where each active neuron's up product lies, and one token's products in order,
  /// `[groupWidth]`.
  let upColumns: UnsafeMutablePointer<Int32>
  let orderedUp: UnsafeMutablePointer<Float>
  /// Pre-activations that the next layer is guessed to have, `[groupWidth]`, and strides
  /// ranked by them, `[guessCapacity]`.
  let guesses: UnsafeMutablePointer<Float>
  let guessedStrides: UnsafeMutablePointer<Int32>
  let guessedValues: UnsafeMutablePointer<Float>
  /// With predictors: a token's deciding and up products in order, `[threadCount, 2, groupWidth]`;
  /// the states `[chunk, activationByteCount]`, the hidden states `[chunk, predictorRank]`, the
  /// same prepared `[chunk, hiddenByteCount]`; and a bit for each token and neuron.
  let orderedProducts: UnsafeMutablePointer<Float>
  let predictorInputs: UnsafeMutableRawPointer
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
    unsafe upActivations = UnsafeMutableRawPointer(
      arena.take(UInt8.self, shape.hasMixedInputs ? chunk * shape.activationByteCount : 0))
    unsafe deciding = arena.take(Float.self, shape.valueCount)
    unsafe neuronOutputs = arena.take(Float.self, shape.valueCount)
    unsafe accumulators = arena.take(Float.self, chunk * shape.width)
    let runCount = max(1, shape.activeExpertCount)
    unsafe runs = arena.take(NeuronRun.self, runCount)
    unsafe clippedRuns = arena.take(NeuronRun.self, runCount)
    unsafe guessedRuns = arena.take(NeuronRun.self, runCount)
    unsafe rowAddresses = arena.take(UnsafeRawPointer.self, shape.groupWidth)
    unsafe downAddresses = arena.take(UnsafeRawPointer.self, shape.groupWidth)
    unsafe activeNeurons = arena.take(Int32.self, shape.groupWidth)
    unsafe activeStrides = arena.take(Int32.self, shape.groupWidth)
    unsafe upColumns = arena.take(Int32.self, shape.groupWidth)
    unsafe orderedUp = arena.take(Float.self, shape.groupWidth)
    unsafe guesses = arena.take(Float.self, shape.groupWidth)
    unsafe guessedStrides = arena.take(Int32.self, Self.guessCapacity)
    unsafe guessedValues = arena.take(Float.self, Self.guessCapacity)
    let predicted = shape.usesPredictor ? shape.groupWidth : 0
    unsafe upAddresses = arena.take(
      UnsafeRawPointer.self, shape.expertCount > 0 ? shape.groupWidth : predicted)
    unsafe orderedProducts = arena.take(Float.self, shape.threadCount * 2 * predicted)
    unsafe predictorInputs = UnsafeMutableRawPointer(
      arena.take(UInt8.self, shape.usesPredictor ? chunk * shape.activationByteCount : 0))
    unsafe hidden = arena.take(Float.self, chunk * shape.predictorRank)
    unsafe preparedHidden = UnsafeMutableRawPointer(
      arena.take(UInt8.self, chunk * shape.hiddenByteCount))
    unsafe predictedSets = arena.take(
      UInt64.self, shape.usesPredictor ? shape.valueCount / 64 + max(chunk, runCount) : 0)
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
