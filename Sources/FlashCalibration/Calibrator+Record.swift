internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import FlashWindow

/// Running the dense model over the text.
extension Calibrator {
  /// What was recorded of the two parts of the text.
  struct Recording {
    var training: SampleRecorder
    var trainingSample: ActivationSample
    var pricingSample: ActivationSample
    /// There in `threshold`.
    var thresholds: RecordedThresholds?
  }

  var memory: CalibrationMemory {
    CalibrationMemory(
      configuration: store.configuration, highestRank: highestRank, threadCount: threadCount)
  }

  /// The largest rank whose smallest type a layer could be given and that there are positions for.
  private var highestRank: Int {
    let width = store.configuration.width
    let layer = store.manifest.bundles.max { $0.neuronCount < $1.neuronCount }
    let (neurons, experts) = (layer?.neuronsPerExpert ?? 0, layer?.expertCount ?? 1)
    let positions = min(
      CalibrationMemory.trainingPositions, text.training.reduce(0) { $0 + $1.count })
    var rank = 32
    while 2 * rank <= min(width, neurons, positions),
      experts
        * PredictorWeights.byteCount(
          rank: 2 * rank, width: width, neuronCount: neurons, format: .q4_0) <= byteLimit
    { rank *= 2 }
    return rank
  }

  /// A decoder for chunks of the text.
  func decoder(_ store: WeightStore, _ configure: (inout DecoderOptions) -> Void) throws -> Decoder
  {
    var options = options.decoder
    let lengths = (text.training + text.pricing).map(\.count)
    options.contextLength = lengths.max() ?? 1
    configure(&options)
    return try Decoder(store: store, options: options)
  }

  func record(
    progress: (CalibrationStage, Int, Int) -> Void, isCancelled: () -> Bool
  ) throws -> Recording {
    let available = text.training.reduce(0) { $0 + $1.count }
    let gates = store.manifest.bundles.map { $0.neuronsPerExpert * $0.lastPartByteCount }.max() ?? 0
    let positions = try memory.trainingPositions(
      limit: options.decoder.storage.memoryLimit, available: available, gateByteCount: gates,
      budget: budget)
    let thresholds = try makeThresholds(progress: progress, isCancelled: isCancelled)
    let bounds = bounds(thresholds?.values)
    let pricing = Self.thinned(text.pricing, CalibrationMemory.pricingPositions)
    let trainingSample = try sample(capacity: positions)
    let pricingSample = try sample(capacity: pricing.count * (text.pricing.first?.count ?? 0))
    let training = SampleRecorder(
      sample: trainingSample, bounds: bounds, stride: (available + positions - 1) / positions)
    let priced = SampleRecorder(
      sample: pricingSample, bounds: bounds, stride: 1, meter: thresholds?.pricing)
    try run(
      [(text.training, training), (pricing, priced)], progress: { progress(.sample, $0, $1) },
      isCancelled: isCancelled)
    return Recording(
      training: training, trainingSample: trainingSample, pricingSample: pricingSample,
      thresholds: thresholds)
  }

  /// Which pre-activations fire, for each layer.
  func bounds(_ thresholds: [Float?]?) -> [FiringBounds] {
    store.manifest.bundles.indices.map { layer in
      if let rule { return FiringBounds(above: rule.threshold) }
      return FiringBounds(
        store.configuration.activation, magnitudeAbove: thresholds?[layer] ?? 0)
    }
  }

  /// Records the pricing text only, the states in f32 and before or after their norm, as the
  /// store's predictors take them.
  func recordPricing(
    thresholds: RecordedThresholds?, progress: (CalibrationStage, Int, Int) -> Void,
    isCancelled: () -> Bool
  ) throws -> (recorder: SampleRecorder, sample: ActivationSample) {
    let layers = store.calibration?.layers ?? []
    let positions = try memory.pricingPositions(
      limit: options.decoder.storage.memoryLimit,
      available: text.pricing.reduce(0) { $0 + $1.count },
      predictorByteCount: layers.map(\.predictorByteCount).max() ?? 0)
    let chunks = Self.thinned(text.pricing, positions)
    let sample = try sample(
      capacity: chunks.count * (chunks.first?.count ?? 0), stateFormat: .f32)
    let recorder = SampleRecorder(
      sample: sample, bounds: bounds(thresholds?.values), stride: 1,
      inputs: layers.map(\.input), meter: thresholds?.pricing)
    try run(
      [(chunks, recorder)], progress: { progress(.sample, $0, $1) }, isCancelled: isCancelled)
    return (recorder, sample)
  }

  /// Runs the dense model over chunks, each before the eyes of its observer.
  func run(
    _ parts: [(chunks: [[Int32]], observer: any TextObserver)],
    progress: (Int, Int) -> Void, isCancelled: () -> Bool
  ) throws {
    let decoder = try decoder(store) {
      $0.callerItems.append(memory.recording(isMetered: mode == .threshold))
      // Whole experts are observed.
      if store.configuration.routing != nil { $0.sparsity = .dense }
    }
    defer { decoder.observer = nil }
    let total = parts.reduce(0) { $0 + $1.chunks.reduce(0) { $0 + $1.count } }
    var done = 0
    for (chunks, observer) in parts {
      decoder.observer = observer
      for chunk in chunks {
        observer.beginChunk(tokenCount: chunk.count)
        decoder.reset()
        try unsafe decoder.forward(
          chunk, promptEnd: chunk.count, logits: .none, isCancelled: isCancelled,
          progress: { progress(done + $0, total) }, onLogits: { _, _ in })
        observer.finish()
        if let failure = observer.failure { throw failure }
        done += chunk.count
      }
    }
  }

  /// As many chunks as make so many positions, evenly over all, at least one.
  static func thinned(_ chunks: [[Int32]], _ positions: Int) -> [[Int32]] {
    let most = max(1, positions / (chunks.first?.count ?? 1))
    guard chunks.count > most else { return chunks }
    return (0..<most).map { chunks[$0 * chunks.count / most] }
  }

  private func sample(
    capacity: Int, stateFormat: RowFormat = .f16
  ) throws(StoreError) -> ActivationSample {
    try ActivationSample(
      bundles: store.manifest.bundles, width: store.configuration.width, capacity: capacity,
      folder: folder, kernels: kernels, stateFormat: stateFormat)
  }
}
