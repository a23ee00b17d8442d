internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// What the host can do, measured just before a run under the same limit: how fast DRAM is read,
/// and how fast the device that holds the store.
struct Roofline: Sendable {
  /// Bytes a second with the run's threads, and with one; nil where the limit is too small.
  var memoryBandwidth: Double?
  var memoryBandwidthOfOneThread: Double?
  /// At the run's queue depth and read size; nil for a store without neurons.
  var device: DeviceProfile?
  var threadCount: Int
  var queueDepth: Int
  /// What could not be measured, and why.
  var remarks: [String] = []

  /// A probe reads this much where the limit allows, so that no cache matters.
  private static let wantedByteCount = 1 << 30
  /// Less than this part of what was probed is no chance.
  private static let slowerThanProfile = 0.75

  /// Measures for about two seconds; the memory it takes is within the limit and given back.
  ///
  /// - Precondition: no model is open.
  /// - Throws: what opening and reading the store's file throws.
  init(_ store: WeightStore, _ configuration: BenchConfiguration) throws {
    let storage = configuration.options.decoder.storage
    threadCount = configuration.options.threadCount ?? WorkerPool.physicalCoreCount
    queueDepth = storage.queueDepth
    let process = configuration.plan.items.first { $0.name == "process" }?.byteCount ?? 0
    let room = (configuration.plan.limit ?? 4 << 30) - process
    try measureMemory(room: room)
    guard store.manifest.bundles.contains(where: { $0.extent.byteCount > 0 }) else { return }
    device = try StoreDevice.measured(
      store, storage, configuration.plan.readByteCount, .seconds(1),
      memory: max(2 << 20, min(64 << 20, room / 2)))
    compareWithProfile(of: store, readByteCount: configuration.plan.readByteCount)
  }

  /// A device that does less than when it was probed is worth a remark.
  private mutating func compareWithProfile(of store: WeightStore, readByteCount: Int) {
    guard case .found(let saved) = StoreDevice.saved(for: store), let device else { return }
    let profile = saved.profile(readByteCount: readByteCount)
    let worst = min(
      device.bandwidth / profile.bandwidth, device.readsPerSecond / profile.readsPerSecond)
    guard worst < Self.slowerThanProfile else { return }
    remarks.append(
      "the device is slower than in its profile of \(saved.measuredAt.prefix(10)) "
        + "(\(Int(worst * 100)) % of it)")
  }

  /// Bytes a second at which the threads read what an open model holds; nil where that is too
  /// little beside the cache. About 0.15 s.
  ///
  /// Shared hosts read DRAM at half the rate from one second to the next, so that what a repetition
  /// is compared with is measured beside it.
  static func memoryBandwidth(of decoder: Decoder, pool: WorkerPool) -> Double? {
    unsafe decoder.withResidentBytes { bytes in
      guard bytes.count >= MemoryProbe.leastByteCount else { return nil }
      let part = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(wantedByteCount))
      return unsafe MemoryProbe.bandwidth(of: part, pool: pool, duration: .milliseconds(100))
    }
  }

  /// Memory with which the device is measured beside an open model; an item of its plan.
  static let besideModel = MemoryPlan.Item(
    "roofline", 8 << 20, "to measure the device before and after each repetition")

  /// The device's rates beside an open model, in about 0.1 s; nil where the run reads nothing.
  ///
  /// A shared disk stands still at times; what a repetition is compared with is the better of what
  /// the device gave just before and just after it.
  ///
  /// - Throws: what opening and reading the store's file throws.
  static func device(
    of store: WeightStore, _ configuration: BenchConfiguration
  ) throws -> DeviceProfile? {
    guard !configuration.plan.isResident, configuration.plan.readByteCount > 0,
      store.manifest.bundles.contains(where: { $0.extent.byteCount > 0 })
    else { return nil }
    return try StoreDevice.measured(
      store, configuration.options.decoder.storage, configuration.plan.readByteCount,
      .milliseconds(100), memory: besideModel.byteCount)
  }

  private mutating func measureMemory(room: Int) throws {
    let byteCount = min(Self.wantedByteCount, room)
    guard byteCount >= MemoryProbe.leastByteCount else {
      remarks.append(
        "the limit leaves \(Units.bytes(max(0, room))) for reading DRAM, too little beside the "
          + "caches: DRAM's rate is not measured")
      return
    }
    let arena = try DirectArena(byteCount: byteCount, prefault: true)
    let bytes = unsafe UnsafeRawBufferPointer(arena.bytes)
    memoryBandwidthOfOneThread = unsafe MemoryProbe.bandwidth(
      of: bytes, pool: WorkerPool(threadCount: 1))
    memoryBandwidth =
      unsafe threadCount == 1
      ? memoryBandwidthOfOneThread
      : MemoryProbe.bandwidth(of: bytes, pool: WorkerPool(threadCount: threadCount))
  }

  /// `DRAM 27.1 GB/s with 2 threads, 14.2 with one; flash 2.10 GB/s, 98400 reads/s of 4608 bytes`.
  var text: String {
    func rate(_ value: Double) -> String { Units.threeDigits(value / 1e9) }
    var parts: [String] = []
    if let memoryBandwidth, let memoryBandwidthOfOneThread {
      parts.append(
        "DRAM is read at \(rate(memoryBandwidth)) GB/s with \(threadCount) "
          + "thread\(threadCount == 1 ? "" : "s"), \(rate(memoryBandwidthOfOneThread)) with one")
    }
    if let device {
      parts.append(
        "flash at \(rate(device.bandwidth)) GB/s in order, "
          + "\(Int(device.readsPerSecond)) reads/s of \(device.readByteCount) bytes at depth "
          + "\(queueDepth)")
    }
    return (parts + remarks).joined(separator: "; ")
  }
}

/// How near a test came to what the host can do.
struct RooflineShare: Sendable {
  /// What takes longest, were everything else free; nil where nothing was measured that it uses.
  enum Bound: String, Sendable {
    case memory = "dram"
    case flashBandwidth = "flash_bandwidth"
    case flashReads = "flash_iops"

    var title: String {
      switch self {
      case .memory: "DRAM bandwidth"
      case .flashBandwidth: "flash bandwidth"
      case .flashReads: "flash IOPS"
      }
    }
  }

  var roofline: Roofline
  var bound: Bound?
  /// Of the measured time, the part that the bound alone would take.
  var fraction: Double?
  /// Bytes of DRAM that a repetition touches.
  var memoryByteCount: Int

  init(_ roofline: Roofline, _ result: BenchResult, _ decoder: DecoderShape) {
    self.roofline = roofline
    let bytes = result.mean(\.reads.byteCount)
    memoryByteCount = decoder.memoryByteCount(
      of: result.test, neurons: result.mean(\.neurons), flashByteCount: bytes)
    var seconds: [(bound: Bound, seconds: Double)] = []
    let bandwidths = result.samples.compactMap(\.memoryBandwidth)
    if !bandwidths.isEmpty {
      self.roofline.memoryBandwidth = SampleMath.mean(bandwidths)
    }
    if let bandwidth = self.roofline.memoryBandwidth {
      let inverse =
        bandwidths.isEmpty ? 1 / bandwidth : SampleMath.mean(bandwidths.map { 1 / $0 })
      seconds.append((.memory, Double(memoryByteCount) * inverse))
    }
    let devices = result.samples.compactMap(\.device)
    if let size = devices.first?.readByteCount {
      self.roofline.device = DeviceProfile(
        bandwidth: SampleMath.median(devices.map(\.bandwidth)),
        readsPerSecond: SampleMath.median(devices.map(\.readsPerSecond)), readByteCount: size)
    }
    if let device = self.roofline.device {
      seconds.append((.flashBandwidth, Double(bytes) / device.bandwidth))
      seconds.append(
        (.flashReads, Double(result.mean(\.reads.readCount)) / device.readsPerSecond))
    }
    guard let longest = seconds.max(by: { $0.seconds < $1.seconds }), longest.seconds > 0 else {
      return
    }
    bound = longest.bound
    let measured = SampleMath.mean(result.samples.map { Double($0.nanoseconds) / 1e9 })
    fraction = longest.seconds / max(measured, 1e-9)
  }
}

/// What a model touches in DRAM for each forward pass.
struct DecoderShape: Sendable {
  private let manifest: StoreManifest
  private let mode: SparsityMode
  private let windowUnit: MemoryPlan.WindowUnit
  private let chunk: Int
  private let predictorByteCount: Int
  /// Bytes of one position of the KV cache.
  private let positionByteCount: Int

  init(_ manifest: StoreManifest, _ decoder: Decoder) {
    self.manifest = manifest
    mode = decoder.mode
    windowUnit = decoder.plan.windowUnit
    chunk = decoder.prefillChunk
    predictorByteCount = (decoder.plan.predictorExtents ?? []).reduce(0) { $0 + $1.byteCount }
    let heads = manifest.configuration.layers.reduce(0) { $0 + $1.keyValueHeads }
    let dimension = manifest.configuration.headDimension
    positionByteCount =
      heads
      * (decoder.keyFormat.byteCount(dimension) + decoder.valueFormat.byteCount(dimension))
  }

  /// Bytes of DRAM that one repetition touches: tensors used whole and the rows that decide, or
  /// predictors, in every pass; of neurons that are computed the rest; the KV cache; and once more
  /// what flash writes there.
  func memoryByteCount(of test: BenchTest, neurons: Int, flashByteCount: Int) -> Int {
    let head = head
    let whole = manifest.tensors.reduce(0) { sum, tensor in
      switch tensor.role {
      case .tokenEmbedding, .positionEmbedding, .outputHead: sum
      default: sum + tensor.extent.byteCount
      }
    }
    let bundle = manifest.bundles.first { $0.neuronCount > 0 }
    var perNeuron = bundle?.frontBytesPerNeuron ?? 0
    var deciding = predictorByteCount
    if mode == .predicted || windowUnit == .experts {
      // Rows that decide are those of neurons that are computed.
      perNeuron += bundle?.lastPartByteCount ?? 0
    } else {
      deciding = manifest.bundles.indices.reduce(0) {
        $0 + manifest.configuration.neuronsPerToken(layer: $1)
          * manifest.bundles[$1].lastPartByteCount
      }
    }
    let passes = (test.promptCount + chunk - 1) / chunk + test.generationCount
    let heads = (test.promptCount > 0 ? 1 : 0) + test.generationCount
    return passes * (whole + deciding) + heads * head + neurons * perNeuron
      + positions(of: test) * positionByteCount + flashByteCount
  }

  private var head: Int {
    let role: TensorRole =
      manifest.configuration.hasTiedHead ? .tokenEmbedding : .outputHead
    return manifest.tensors.reduce(0) {
      $1.role == role && !$1.isBias ? $0 + $1.extent.byteCount : $0
    }
  }

  /// Positions that attention reads, over all passes.
  private func positions(of test: BenchTest) -> Int {
    let prompt = stride(from: 0, to: test.promptCount, by: chunk).reduce(0) {
      $0 + min(test.promptCount, $1 + chunk)
    }
    let start = max(1, test.promptCount)
    return prompt + test.generationCount * start
      + test.generationCount * (test.generationCount + 1) / 2
  }
}
