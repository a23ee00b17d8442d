package import FlashIO
package import FlashWeights
package import FlashWindow

/// What a recording was made of: everything that a replay or a prediction needs beside the events.
///
/// It is the first event of a trace, and of every further run in the same file (`bench` writes one
/// for each model it opens). Bytes are bytes, times nanoseconds.
package struct TraceHeader: Codable, Sendable, Equatable {
  /// The version of the format that this program writes, and the only one it reads.
  package static let currentFormat = 1

  package var format = Self.currentFormat
  /// Program and version.
  package var generator: String
  /// `MonotonicClock.nanoseconds` at the events' time 0.
  package var startNanoseconds: Int
  package var model: Model
  package var run: Run
  package var plan: Plan
  package var reads: Reads
  package var layers: [Layer]
  /// The store's files in the order that reads count them.
  package var files: [File]

  /// Which model it was.
  package struct Model: Codable, Sendable, Equatable {
    /// The store's path as it was given.
    package var store: String
    package var name: String
    package var digest: String
    package var isSynthetic: Bool
    /// Bytes of the output head, which a token with logits multiplies.
    package var headBytes: Int
    /// Bytes of the KV cache for each position of the context.
    package var keyValueBytesPerPosition: Int
  }

  /// How it was computed.
  package struct Run: Codable, Sendable, Equatable {
    /// dense, exact or predicted.
    package var mode: String
    package var instructionSet: String
    package var threads: Int
    package var contextLength: Int
    /// Tokens of a prompt that go through a layer together.
    package var prefillChunk: Int
    /// Bytes of deciding rows after which a token's reads begin in a windowed run.
    package var sliceBytes: Int

    package init(
      mode: String, instructionSet: String, threads: Int, contextLength: Int, prefillChunk: Int,
      sliceBytes: Int
    ) {
      self.mode = mode
      self.instructionSet = instructionSet
      self.threads = threads
      self.contextLength = contextLength
      self.prefillChunk = prefillChunk
      self.sliceBytes = sliceBytes
    }
  }

  /// What lay where in memory.
  package struct Plan: Codable, Sendable, Equatable {
    package struct Item: Codable, Sendable, Equatable {
      package var name: String
      package var bytes: Int
      package var detail: String
    }
    /// Nil where there was none.
    package var limitBytes: Int?
    package var items: [Item]
    package var modelBytes: Int
    package var minimumBytes: Int
    package var residentBytes: Int
    /// resident, windowed or streamed.
    package var feedForward: String
    /// A slot of the window, and slots that nobody keeps.
    package var slotBytes: Int
    package var stagingSlots: Int
    /// Slots for guesses of what the next layer wants; 0 where nothing is guessed.
    package var lookAheadSlots: Int
    /// window, lru, lfu or lfru; nil where there is no window.
    package var policy: String?
    /// The window's length; nil for other policies.
    package var windowTokens: Int?
  }

  /// How flash was read.
  package struct Reads: Codable, Sendable, Equatable {
    /// io_uring, pread or simulated.
    package var engine: String
    /// As in the footer.
    package var summary: String
    package var queueDepth: Int
    /// Nil where files were read through the page cache.
    package var directUnit: Int?
    package var mergeGapBytes: Int
    package var readAmplificationLimit: Double
    /// Whether reads went on while there was arithmetic.
    package var overlapsArithmetic: Bool
  }

  /// A layer's shape, and what of it is in memory; where the window keeps experts whole one of
  /// those is a stride, and no row decides.
  package struct Layer: Codable, Sendable, Equatable {
    package var neurons: Int
    /// Experts that they belong to; nil where they belong to none.
    package var experts: Int?
    package var neuronsPerStride: Int
    package var strides: Int
    /// Bytes from one stride to the next on flash.
    package var strideBytes: Int
    /// Bytes that a missing stride wants.
    package var missBytes: Int
    /// Slots of the window; 0 where there is none.
    package var slots: Int
    /// Strides that are resident for good.
    package var residentStrides: Int
    /// Arithmetic of a forward pass: tensors used whole, deciding rows of all neurons or of those
    /// of one token's experts, and of each computed neuron the other rows.
    package var denseBytes: Int
    package var decidingBytes: Int
    package var bytesPerNeuron: Int
  }

  package struct File: Codable, Sendable, Equatable {
    package var path: String
    package var bytes: Int
    /// As `major:minor`.
    package var device: String
    package var inode: UInt64

    /// The path's last part.
    package var name: String { path.split(separator: "/").last.map(String.init) ?? path }
  }
}

extension TraceHeader {
  /// - Parameters:
  ///   - policy: nil where the plan has no window.
  ///   - paths: of the files, in the engine's order.
  package init(
    generator: String, store: String, manifest: StoreManifest, plan: MemoryPlan, run: Run,
    policy: ReplacementPolicy?, storage: StorageOptions, engine: ReadEngineDescription,
    paths: [String], keyValueBytesPerPosition: Int
  ) {
    self.generator = generator
    startNanoseconds = MonotonicClock.nanoseconds
    self.run = run
    model = Model(
      store: store, name: manifest.source.name, digest: manifest.modelDigest,
      isSynthetic: manifest.synthetic != nil, headBytes: Self.headByteCount(manifest),
      keyValueBytesPerPosition: keyValueBytesPerPosition)
    self.plan = Plan(plan, policy: policy)
    reads = Reads(
      engine: engine.kind.rawValue, summary: engine.summary, queueDepth: engine.queueDepth,
      directUnit: engine.directUnit, mergeGapBytes: storage.mergeGapByteCount,
      readAmplificationLimit: storage.readAmplificationLimit,
      overlapsArithmetic: storage.overlapsReads)
    layers = manifest.bundles.indices.map { Layer(manifest, plan, index: $0) }
    files = paths.map { File(path: $0) }
  }

  private static func headByteCount(_ manifest: StoreManifest) -> Int {
    let role: TensorRole = manifest.configuration.hasTiedHead ? .tokenEmbedding : .outputHead
    return manifest.tensors.reduce(0) {
      $1.role == role && !$1.isBias ? $0 + $1.extent.byteCount : $0
    }
  }
}

extension TraceHeader.Plan {
  init(_ plan: MemoryPlan, policy: ReplacementPolicy?) {
    limitBytes = plan.limit
    items = plan.items.map { Item(name: $0.name, bytes: $0.byteCount, detail: $0.detail) }
    modelBytes = plan.modelByteCount
    minimumBytes = plan.minimumByteCount
    residentBytes = plan.residentByteCount
    slotBytes = plan.slotByteCount
    lookAheadSlots = plan.lookAheadSlots
    stagingSlots = 0
    switch plan.feedForward {
    case .resident: feedForward = "resident"
    case .windowed(_, let staging):
      feedForward = "windowed"
      stagingSlots = staging
    case .streamed: feedForward = "streamed"
    }
    self.policy = policy?.name
    if case .window(let tokens)? = policy { windowTokens = tokens }
  }
}

extension TraceHeader.Layer {
  init(_ manifest: StoreManifest, _ plan: MemoryPlan, index: Int) {
    let bundle = manifest.bundles[index]
    neurons = bundle.neuronCount
    experts = bundle.expertCount
    strides = bundle.windowUnitCount(plan.windowUnit)
    if plan.windowUnit == .experts, bundle.expertCount != nil {
      neuronsPerStride = bundle.neuronsPerExpert
      strideBytes = bundle.extent(ofExpert: 0).byteCount
      missBytes = strideBytes
    } else {
      neuronsPerStride = bundle.neuronsPerStride
      strideBytes = bundle.stride
      missBytes =
        plan.predictorExtents == nil
        ? bundle.frontByteCount
        : bundle.frontByteCount + bundle.lastPartByteCount * neuronsPerStride
    }
    slots = 0
    residentStrides = 0
    switch plan.feedForward {
    case .resident: residentStrides = strides
    case .windowed(let slotsPerLayer, _): slots = slotsPerLayer[index]
    case .streamed(let resident): residentStrides = resident[index]
    }
    denseBytes = manifest.tensors.reduce(0) {
      $1.layer == index ? $0 + $1.extent.byteCount : $0
    }
    let decides = plan.windowUnit == .neurons
    decidingBytes =
      decides ? manifest.configuration.neuronsPerToken(layer: index) * bundle.lastPartByteCount : 0
    bytesPerNeuron = bundle.frontBytesPerNeuron + (decides ? 0 : bundle.lastPartByteCount)
  }
}

extension TraceHeader.File {
  /// What cannot be looked at has no identity.
  init(path: String) {
    self.path = path
    let identity = try? FileIdentity(path: path)
    bytes = identity?.byteCount ?? 0
    inode = identity?.inode ?? 0
    device = identity.map { "\($0.device >> 32):\($0.device & 0xFFFF_FFFF)" } ?? ""
  }
}
