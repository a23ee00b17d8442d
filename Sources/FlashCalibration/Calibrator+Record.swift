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
  }

  var memory: CalibrationMemory {
    CalibrationMemory(
      configuration: store.configuration, highestRank: highestRank, threadCount: threadCount)
  }

  /// The largest rank whose smallest type a layer could be given and that there are positions for.
  private var highestRank: Int {
    let (width, neurons) = (
      store.configuration.width, store.configuration.layers.map(\.feedForwardWidth).max() ?? 0
    )
    let positions = min(
      CalibrationMemory.trainingPositions, text.training.reduce(0) { $0 + $1.count })
    var rank = 32
    while 2 * rank <= min(width, neurons, positions),
      PredictorWeights.byteCount(
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
    let gates = store.manifest.bundles.map { $0.neuronCount * $0.lastPartByteCount }.max() ?? 0
    let positions = try memory.trainingPositions(
      limit: options.decoder.storage.memoryLimit, available: available, gateByteCount: gates,
      budget: budget)
    let pricing = pricedChunks(CalibrationMemory.pricingPositions)
    let trainingSample = try sample(capacity: positions)
    let pricingSample = try sample(capacity: pricing.count * (text.pricing.first?.count ?? 0))
    let training = SampleRecorder(
      sample: trainingSample, rule: rule, stride: (available + positions - 1) / positions)
    let decoder = try decoder(store) { $0.callerItems.append(memory.recording) }
    defer { decoder.observer = nil }
    let total = available + pricing.reduce(0) { $0 + $1.count }
    var done = 0
    func run(_ chunks: [[Int32]], _ recorder: SampleRecorder) throws {
      decoder.observer = recorder
      for chunk in chunks {
        recorder.beginChunk(tokenCount: chunk.count, isRecorded: true)
        decoder.reset()
        try unsafe decoder.forward(
          chunk, promptEnd: chunk.count, logits: .none, isCancelled: isCancelled,
          progress: { progress(.sample, done + $0, total) }, onLogits: { _, _ in })
        recorder.finish()
        if let failure = recorder.failure { throw failure }
        done += chunk.count
      }
    }
    try run(text.training, training)
    try run(pricing, SampleRecorder(sample: pricingSample, rule: rule, stride: 1))
    return Recording(
      training: training, trainingSample: trainingSample, pricingSample: pricingSample)
  }

  /// Chunks of the pricing text whose layers are priced: as many as make so many positions, evenly
  /// over all, at least one.
  private func pricedChunks(_ positions: Int) -> [[Int32]] {
    let most = max(1, positions / (text.pricing.first?.count ?? 1))
    guard text.pricing.count > most else { return text.pricing }
    return (0..<most).map { text.pricing[$0 * text.pricing.count / most] }
  }

  private func sample(capacity: Int) throws(StoreError) -> ActivationSample {
    try ActivationSample(
      width: store.configuration.width,
      neuronCounts: store.manifest.bundles.map(\.neuronCount), capacity: capacity,
      folder: folder, kernels: kernels)
  }
}
