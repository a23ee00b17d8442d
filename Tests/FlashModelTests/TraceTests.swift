import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// What a recorder is told adds up to what the decoder counts, and changes nothing.
@Suite(.serialized)
struct TraceTests {
  enum Shape: CaseIterable { case resident, windowed, streamed, predicted, expertNeurons }

  /// Keeps the events it is given.
  private final class Collector: TraceSink {
    var events: [TraceEvent] = []
    /// For each layer the strides that were wanted, chunk after chunk.
    var wanted: [Int: [[Int32]]] = [:]

    func write(_ events: UnsafeBufferPointer<TraceEvent>, text: UnsafeBufferPointer<UInt8>) {
      for index in events.indices {
        let event = unsafe events[index]
        self.events.append(event)
        if case .strides(let set) = event {
          let strides = unsafe StrideGaps.decode(text[set.text])
          wanted[set.layer, default: []].append(strides ?? [-1])
        }
      }
    }
  }

  private struct Opened {
    var decoder: Decoder
    var bundles: [BundleLayout]

    func record(to sink: Collector) {
      decoder.recorder = TraceRecorder(
        sink: sink, readCapacity: decoder.readEngine.capacity,
        strideCapacity: bundles.map(\.strideCount).max() ?? 0)
    }
  }

  private static let plain = Result { try convert(feedForwardWidth: 1500) }
  /// More than the stream ring's buffers hold.
  private static let wide = Result { try convert(feedForwardWidth: 4000) }
  private static let experts = Result { try ExpertModels.convert(.turboSparseMixtral, .q8_0) }
  private static let calibrated = Result {
    let converted = try convert(feedForwardWidth: 1500)
    let draft = TestCalibration.draft(converted.store, seed: 1, shift: -8)
    _ = try TestCalibration.install(draft, in: converted.store)
    return converted
  }

  private static func convert(feedForwardWidth: Int) throws -> ConvertedStore {
    let folder = try ProjectFiles.TemporaryFolder()
    let model = TinyModel(
      family: .deci, seed: 7, width: 64, headDimension: 16, keyValueHeads: [4, 2, 1],
      feedForwardWidth: feedForwardWidth)
    try model.write(to: folder.path + "/tiny")
    return try ConvertedStore(folder.path + "/tiny", StoreFormats(.q8_0))
  }

  private static func open(
    _ shape: Shape, engine: ReadEngineSelection.Choice = .auto
  ) throws -> Opened {
    let converted =
      switch shape {
      case .resident, .windowed: try Self.plain.get()
      case .streamed: try Self.wide.get()
      case .predicted: try Self.calibrated.get()
      case .expertNeurons: try Self.experts.get()
      }
    let store = try WeightStore.open(converted.store.path)
    var options = DecoderOptions()
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = 8
    options.storage.engine = engine
    if shape != .resident {
      options.sparsity =
        shape == .predicted ? .predicted : shape == .streamed ? .dense : .exact
      if shape == .expertNeurons { options.storage.residency = .window }
      options.sliceByteCount = 16 << 10
      options.storage.lookAhead = .on
      options = try DecoderRuns.limited(options, store, percent: shape == .streamed ? 0 : 20)
    }
    return Opened(
      decoder: try Decoder(store: store, options: options), bundles: store.manifest.bundles)
  }

  /// A prompt in two chunks and some tokens of decode; the logits of the last positions.
  private static func run(_ decoder: Decoder) throws -> [Float] {
    decoder.reset()
    var logits: [Float] = []
    let prompt: [Int32] = [1, 17, 5, 33, 33, 2, 9, 38, 4, 21, 0]
    try unsafe decoder.forward(prompt, promptEnd: prompt.count, logits: .last) { _, values in
      unsafe logits += Array(values)
    }
    for token in [7, 20] as [Int32] {
      try unsafe decoder.forward([token], logits: .last) { _, values in
        unsafe logits += Array(values)
      }
    }
    return logits
  }

  @Test(arguments: Shape.allCases, [ReadEngineSelection.Choice.uring, .pread])
  func eventsAddUpToTheStatistics(shape: Shape, engine: ReadEngineSelection.Choice) throws {
    guard engine == .pread || UringReadEngine.probe() == nil else { return }
    let opened = try Self.open(shape, engine: engine)
    let decoder = opened.decoder
    let sink = Collector()
    opened.record(to: sink)
    let before = decoder.statistics
    _ = try Self.run(decoder)
    decoder.flushTrace()
    // Reads that pread brought between a count and the next are in one of them.
    let after = decoder.statistics - before
    var sums = TraceSums()
    for event in sink.events { sums.add(event) }
    #expect(sums.chunks == [8, 3, 1, 1] && sums.promptChunks == 2)
    #expect(sums.arithmetic == after.arithmeticNanoseconds)
    #expect(sums.stall == after.stallNanoseconds)
    #expect(sums.hits == after.windowHits && sums.misses == after.windowMisses)
    #expect(sums.wanted == after.windowWantedByteCount && sums.asked == after.windowReadByteCount)
    #expect(sums.neurons == after.neurons)
    #expect(sums.forward <= after.forwardNanoseconds)
    #expect(sums.numbers.count == sums.reads && sums.failed == 0)
    if engine == .uring || shape != .streamed {
      #expect(sums.reads == after.reads.readCount && sums.bytes == after.reads.byteCount)
    }
    #expect((shape == .resident) == (sums.reads == 0))
    #expect(sums.layerNesting == 0 && sums.layerCount == 4 * decoder.configuration.layers.count)
  }

  @Test(arguments: Shape.allCases)
  func tracingChangesNoBit(shape: Shape) throws {
    let opened = try Self.open(shape)
    let decoder = opened.decoder
    let plain = try Self.run(decoder)
    let sink = Collector()
    opened.record(to: sink)
    #expect(try Self.run(decoder) == plain)
    decoder.recorder = nil
    let count = sink.events.count
    #expect(try Self.run(decoder) == plain)
    #expect(sink.events.count == count, "nothing is recorded without a recorder")
  }

  @Test(arguments: [Shape.resident, .windowed, .predicted, .expertNeurons])
  func wantedStridesAreThoseThatAreComputed(shape: Shape) throws {
    let opened = try Self.open(shape)
    let sink = Collector()
    opened.record(to: sink)
    _ = try Self.run(opened.decoder)
    opened.decoder.flushTrace()
    let layers = opened.bundles
    var neurons = [Int](repeating: 0, count: layers.count)
    for event in sink.events {
      if case .layerEnded(let layer) = event { neurons[layer.layer] += layer.neurons }
    }
    for layer in layers.indices {
      guard let sets = sink.wanted[layer] else {
        #expect(shape == .predicted && layer == 2, "that one has no predictor and computes all")
        continue
      }
      // A prompt's experts come one after another.
      #expect(shape == .expertNeurons ? (6...18).contains(sets.count) : sets.count == 4)
      for set in sets {
        #expect(zip(set, set.dropFirst()).allSatisfy { $0 < $1 })
        #expect(set.allSatisfy { (0..<Int32(layers[layer].strideCount)).contains($0) })
      }
      let perStride = layers[layer].neuronsPerStride
      let strides = sets.reduce(0) { $0 + $1.count }
      #expect(strides <= neurons[layer] && strides * perStride >= neurons[layer])
    }
  }

  @Test func aCancelledChunkEndsInTheTraceToo() throws {
    let opened = try Self.open(.windowed)
    let decoder = opened.decoder
    let sink = Collector()
    opened.record(to: sink)
    var calls = 0
    #expect(throws: DecoderError.self) {
      try unsafe decoder.forward(
        [1, 2, 3], logits: .last,
        isCancelled: {
          calls += 1
          return calls == 3
        }, onLogits: { _, _ in })
    }
    decoder.flushTrace()
    guard
      case .forwardEnded(_, _, let isWhole)? = sink.events.last(where: {
        if case .forwardEnded = $0 { true } else { false }
      })
    else {
      Issue.record("the chunk does not end")
      return
    }
    #expect(!isWhole)
    _ = try Self.run(decoder)
  }
}

/// Sums of a trace, taken event by event.
private struct TraceSums {
  var chunks: [Int] = []
  var promptChunks = 0
  var forward = 0
  var arithmetic = 0
  var stall = 0
  var hits = 0
  var misses = 0
  var wanted = 0
  var asked = 0
  var neurons = 0
  var reads = 0
  var failed = 0
  var bytes = 0
  var numbers: Set<Int> = []
  var layerNesting = 0
  var layerCount = 0
  private var start = 0

  mutating func add(_ event: TraceEvent) {
    switch event {
    case .forwardBegan(let chunk):
      chunks.append(chunk.tokenCount)
      promptChunks += chunk.isPrompt ? 1 : 0
      start = chunk.time
    case .forwardEnded(let time, _, _): forward += time - start
    case .layerBegan: layerNesting += 1
    case .layerEnded(let layer):
      layerNesting -= 1
      layerCount += 1
      hits += layer.hits
      misses += layer.misses
      wanted += layer.wantedByteCount
      asked += layer.askedByteCount
      neurons += layer.neurons
    case .span(let span):
      if span.kind.isArithmetic { arithmetic += span.duration }
      if span.kind.isStall { stall += span.duration }
    case .read(let read):
      reads += 1
      failed += read.isFailed ? 1 : 0
      bytes += read.extent.byteCount
      numbers.insert(read.number)
    case .strides, .readsInFlight: break
    }
  }
}
