internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow

/// The rates of this host for a store, measured for about a second without opening the model.
struct HostMeasurement {
  var rates: HostRates
  var threadCount: Int
  var instructionSet: InstructionSet
  /// Where the device's rates come from; nil where nothing is read.
  var deviceSource: String?
  /// What could not be measured, and why.
  var remarks: [String] = []

  /// Far more than the caches of most hosts; less where the limit leaves less.
  private static let wantedByteCount = 256 << 20
  private static let leastByteCount = 8 << 20
  private static let rounds = 3
  private static let roundDuration = Duration.milliseconds(40)

  /// - Parameters:
  ///   - plans: of the runs that are predicted; what they read decides what is measured.
  ///   - room: bytes that measuring may take.
  /// - Throws: what reserving memory and reading the store's file throws.
  init(
    _ store: WeightStore, _ options: DecoderOptions, plans: [MemoryPlan], room: Int
  ) throws {
    threadCount = max(1, options.threadCount ?? WorkerPool.physicalCoreCount)
    instructionSet = options.instructionSet ?? .best
    rates = HostRates(arithmetic: [:], memory: nil, device: nil)
    let byteCount = max(Self.leastByteCount, min(Self.wantedByteCount, room))
    try measureArithmetic(
      store.manifest, byteCount: byteCount,
      isSparse: store.configuration.hasSilentNeurons || options.sparsity == .threshold)
    guard let plan = plans.first(where: \.isWindowed) ?? plans.first(where: { !$0.isResident })
    else { return }
    try measureDevice(store, options.storage, readByteCount: plan.readByteCount, byteCount)
  }

  /// - Parameter isSparse: whether rows of neurons may lie apart.
  private mutating func measureArithmetic(
    _ manifest: StoreManifest, byteCount: Int, isSparse: Bool
  ) throws {
    let arena = try DirectArena(byteCount: byteCount, prefault: true)
    let pool = WorkerPool(threadCount: threadCount)
    let probe = unsafe ArithmeticProbe(
      kernels: Kernels(instructionSet), pool: pool, bytes: arena.bytes)
    var widths: [RowWork: Int] = [:]
    for tensor in manifest.tensors where tensor.rows > 1 {
      widths[RowWork(tensor.format)] = tensor.width
    }
    for bundle in manifest.bundles {
      for part in bundle.parts {
        let operation: RowWork.Operation = part.role == .down ? .accumulate : .dot
        widths[RowWork(part.format, operation)] = bundle.width
        if isSparse { widths[RowWork(part.format, operation, isScattered: true)] = bundle.width }
      }
    }
    // Each kind several times, apart: what a host takes away for a tenth of a second falls on one.
    var found: [RowWork: [Double]] = [:]
    for _ in 0..<Self.rounds {
      for (work, width) in widths {
        found[work, default: []].append(
          probe.rate(work, width: width, duration: Self.roundDuration))
      }
    }
    rates.arithmetic = found.mapValues { $0.sorted()[$0.count / 2] }
    rates.memory = unsafe MemoryProbe.bandwidth(
      of: UnsafeRawBufferPointer(arena.bytes), pool: pool, duration: .milliseconds(200))
    if byteCount < MemoryProbe.leastByteCount {
      remarks.append(
        "the limit leaves \(Units.bytes(byteCount)) to measure with, which a cache holds in part: "
          + "arithmetic may be slower than predicted")
    }
  }

  /// Takes what a probe saved of the store's device, or measures it for a moment.
  private mutating func measureDevice(
    _ store: WeightStore, _ storage: StorageOptions, readByteCount: Int, _ byteCount: Int
  ) throws {
    let device = StoreDevice(
      store, storage, readByteCount: readByteCount, duration: .milliseconds(400),
      memory: min(byteCount, 64 << 20))
    rates.device = device.profile
    if let file = try? FlashFile(path: store.bundlesPath, direct: storage.direct) {
      rates.readCost = ReadCost.measure(file: file, readByteCount: readByteCount) ?? .none
    }
    deviceSource = device.source
    if let refusal = device.refusal { remarks.append(refusal) }
  }
}

extension MemoryPlan {
  var isResident: Bool { feedForward == .resident }
  var isWindowed: Bool { if case .windowed = feedForward { true } else { false } }
}
