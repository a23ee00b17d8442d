import FlashKernels
import FlashWeights
import FlashWindow

/// The choices behind a decoder, made once: instruction set, threads, chunk, KV formats, mode.
struct DecoderSettings {
  /// Reads that may be outstanding: a layer's misses and the stream ring's.
  static let outstandingReads = 4096

  let manifest: StoreManifest
  let options: DecoderOptions
  let kernels: Kernels
  let threadCount: Int
  private(set) var chunk: Int
  let keyFormat: KeyValueFormat
  let valueFormat: KeyValueFormat
  /// There where `predicted` was asked for.
  let predictor: SparsityPredictor?
  /// Which pre-activations fire, for each layer.
  let bounds: [FiringBounds]
  /// Of the neurons of a token's experts, those that are expected to fire.
  private let activeFraction: Double

  /// Between TurboSparse-Mixtral's tenth (arXiv 2406.05955) and SmallThinker's two fifths (arXiv
  /// 2507.20984), where nothing is known of a model.
  private static let assumedActiveFraction = 0.25

  init(
    manifest: StoreManifest, calibration: Calibration?, options: DecoderOptions
  ) throws(DecoderError) {
    let configuration = manifest.configuration
    let isa = options.instructionSet ?? .best
    guard isa.isSupported else { throw .missingInstructions(isa) }
    let lossy = try Self.lossyCalibration(calibration, options, configuration)
    predictor = options.sparsity == .predicted ? lossy.map { SparsityPredictor($0) } : nil
    bounds = configuration.layers.indices.map { layer in
      guard options.sparsity == .threshold, let lossy else {
        return FiringBounds(above: configuration.firingThreshold)
      }
      // A layer without neurons has no threshold.
      return FiringBounds(
        configuration.activation, magnitudeAbove: Float(lossy.layers[layer].threshold ?? 0))
    }
    self.manifest = manifest
    self.options = options
    activeFraction =
      calibration?.certificate?.trueActivity ?? manifest.synthetic?.targetActivity
      ?? Self.assumedActiveFraction
    kernels = Kernels(isa)
    threadCount = max(1, options.threadCount ?? WorkerPool.physicalCoreCount)
    chunk = max(
      1,
      ScratchShape.chunk(
        wanted: max(1, options.prefillChunk ?? (configuration.routing == nil ? 64 : 512)),
        configuration: configuration))
    let isFull = manifest.bundles.contains { $0.parts.contains { $0.format == .f32 } }
    keyFormat = options.keyFormat ?? (isFull ? .f32 : .f16)
    valueFormat = options.valueFormat ?? (isFull ? .f32 : .f16)
    for format in [keyFormat, valueFormat]
    where !format.fits(headDimension: configuration.headDimension) {
      throw .unsupported(
        "a KV cache in \(format.rawValue) needs heads of a multiple of 32 values, "
          + "this model's have \(configuration.headDimension)")
    }
  }

  /// What a lossy mode goes by; nil in the others.
  ///
  /// - Throws: `unsupported` for a mode that the model cannot have, `uncertified` for a lossy one
  ///   that the store has no price of.
  private static func lossyCalibration(
    _ calibration: Calibration?, _ options: DecoderOptions, _ configuration: ModelConfiguration
  ) throws(DecoderError) -> Calibration? {
    let sparsity = options.sparsity
    let computes = "\(configuration.architecture) computes \(configuration.activation.rawValue)"
    if [.exact, .predicted].contains(sparsity), !configuration.hasSilentNeurons {
      throw .unsupported(
        "--sparsity \(sparsity.rawValue) needs a ReLU model: \(computes), of which no neuron is "
          + "ever silent; --sparsity threshold leaves out those that hardly answer")
    }
    if sparsity == .threshold, configuration.hasSilentNeurons {
      throw .unsupported(
        "--sparsity threshold is for models without silent neurons: \(computes), for which "
          + "--sparsity exact loses nothing, and predicted little")
    }
    guard let mode = SparsityMode(rawValue: sparsity.rawValue), mode.isLossy else { return nil }
    let isMade =
      mode == .threshold ? calibration?.hasThresholds == true : calibration?.predicts == true
    guard let calibration, mode == .predicted || isMade,
      calibration.certificate != nil || options.allowsUnpriced
    else { throw .uncertified(mode, canBePriced: isMade) }
    return calibration
  }

  /// Chunks are not made smaller than this to save memory.
  private static let leastChunk = 64

  /// The plan, with as large a chunk as a sixteenth of the limit holds and the plan has room for,
  /// where nobody asked for one.
  mutating func plan(unit: Int) throws -> MemoryPlan {
    let mayShrink = options.prefillChunk == nil && chunk > Self.leastChunk
    guard mayShrink, let limit = options.storage.memoryLimit else {
      return try planner(unit: unit).plan()
    }
    var least = self
    least.chunk = Self.leastChunk
    let smallest = try least.planner(unit: unit).plan()
    while chunk > Self.leastChunk {
      if memoryByteCount(contextLength: 1) <= limit / 16,
        var plan = try? planner(unit: unit).plan()
      {
        plan.minimumByteCount = smallest.minimumByteCount
        return plan
      }
      chunk = max(Self.leastChunk, chunk / 2)
    }
    return smallest
  }

  /// The most positions: learned positions end with their table, rotary ones with the model's.
  var maximumContextLength: Int { manifest.configuration.maximumPositions }

  func planner(unit: Int) throws(DecoderError) -> MemoryPlanner {
    if let wanted = options.contextLength {
      guard wanted > 0 else { throw .unsupported("-c \(wanted): a context has a position") }
      if case .learned = manifest.configuration.positions, wanted > maximumContextLength {
        throw .unsupported(
          "-c \(wanted): the model has learned positions for \(maximumContextLength)")
      }
    }
    return MemoryPlanner(
      manifest: manifest, demand: demand, options: options.storage, unit: unit)
  }

  private var demand: MemoryDemand {
    let settings = self
    let exact: MemoryDemand.ExactDemand =
      switch options.sparsity {
      case .dense, .predicted: .no
      case .exact, .threshold: .required
      case .auto:
        manifest.configuration.hasSilentNeurons ? .ifItFits : .no
      }
    var demand = MemoryDemand(
      items: { settings.items(contextLength: $0) }, contextLength: options.contextLength,
      maximumContextLength: min(4096, maximumContextLength), exact: exact,
      predictorExtents: predictor?.extents, rowsPerChunk: chunk)
    demand.activeFraction = activeFraction
    return demand
  }

  /// Everything but weights.
  private func items(contextLength: Int) -> [MemoryPlan.Item] {
    let all = memoryByteCount(contextLength: contextLength)
    let cache = keyValueByteCount(contextLength: contextLength)
    return [
      .init("process", ProcessBudget.byteCount(threadCount: threadCount), "code, runtime, stacks"),
      .init("text", options.textByteCount, "tokenizer"),
      .init(
        "kv cache", cache,
        "\(contextLength) positions, \(keyFormat.rawValue) keys, \(valueFormat.rawValue) values"),
      .init("scratch", all - cache, "buffers for chunks of \(chunk) tokens"),
    ] + options.callerItems
  }

  private func keyValueByteCount(contextLength: Int) -> Int {
    let configuration = manifest.configuration
    let perPosition =
      keyFormat.byteCount(configuration.headDimension)
      + valueFormat.byteCount(configuration.headDimension)
    return configuration.layers.reduce(0) { $0 + $1.keyValueHeads } * perPosition * contextLength
  }

  /// Which arithmetic a plan means: deciding rows in DRAM make `exact` free, lossy modes are used
  /// where they were asked for.
  func mode(for plan: MemoryPlan) -> SparsityMode {
    if predictor != nil { return .predicted }
    if options.sparsity == .threshold { return .threshold }
    guard options.sparsity != .dense, manifest.configuration.hasSilentNeurons else {
      return .dense
    }
    if plan.windowUnit == .experts { return .dense }
    if case .streamed = plan.feedForward { return .dense }
    return .exact
  }

  struct Buffers {
    var scratch: DecoderScratch
    var cache: KVCache
    var rotary: RotaryTables
  }

  /// Cuts all buffers from `arena`.
  func buffers(contextLength: Int, in arena: ScratchArena) -> Buffers {
    let configuration = manifest.configuration
    let shape = ScratchShape(
      configuration: configuration, kernels: kernels, chunk: chunk, threadCount: threadCount,
      logitsRows: options.logitsRowCapacity, contextLength: contextLength, predictor: predictor,
      hasMixedInputs: manifest.bundles.contains {
        $0.neuronCount > 0 && $0.inputFormats.gate != $0.inputFormats.up
      })
    let rotary = RotaryTables(configuration, chunk: chunk, scratch: arena)
    return Buffers(
      scratch: DecoderScratch(shape, arena),
      cache: KVCache(
        configuration: configuration, contextLength: contextLength, keyFormat: keyFormat,
        valueFormat: valueFormat, scratch: arena),
      rotary: rotary)
  }

  /// Bytes of all buffers and the KV cache.
  func memoryByteCount(contextLength: Int) -> Int {
    let arena = ScratchArena()
    _ = buffers(contextLength: contextLength, in: arena)
    return arena.byteCount
  }
}

/// What the process takes before any of our buffers.
package enum ProcessBudget {
  /// Code, the Swift runtime, Foundation, and the heap of an opened store: of the bundled sample
  /// 34 MB of mapped files and 4.5 MB of heap are resident, whatever the limit.
  static let baseByteCount = 40 << 20
  /// A worker's stack and its share of the allocator.
  static let threadByteCount = 1 << 20

  package static func byteCount(threadCount: Int) -> Int {
    baseByteCount + threadCount * threadByteCount
  }
}
