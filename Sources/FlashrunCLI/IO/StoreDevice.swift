internal import FlashIO
internal import FlashModel
internal import FlashProfiler
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// What is known of the device under a store: its saved profile, or what a brief measurement finds.
struct StoreDevice {
  /// Nil where nothing was measured, saved or possible.
  private(set) var profile: DeviceProfile?
  /// Nil where the queue's depth stays as it is.
  private(set) var queueDepth: Int?
  /// Where the figures come from, such as `measured for 30 ms`.
  private(set) var source: String
  /// Why a profile that is there is not used; nil where there is none.
  private(set) var refusal: String?

  /// Opening a model may take this much longer for it.
  static let briefly = Duration.milliseconds(30)
  /// Eight reads of 1 MiB in flight are enough for a device's bandwidth.
  private static let arenaByteCount = 8 << 20
  /// A gap beyond this would come from a measurement gone wrong.
  private static let largestGap = 256 << 10

  /// Looks the profile up, and measures where there is none.
  ///
  /// - Parameters:
  ///   - readByteCount: the size in which the run reads neurons.
  ///   - duration: of measuring; nil measures nothing.
  ///   - memory: what the measurement may take.
  init(
    _ store: WeightStore, _ storage: StorageOptions, readByteCount: Int,
    duration: Duration? = briefly, memory: Int = arenaByteCount
  ) {
    source = "not measured"
    switch Self.saved(for: store) {
    case .found(let saved) where saved.isUsable:
      profile = saved.profile(readByteCount: readByteCount)
      queueDepth = Self.queueDepth(of: saved, storage, readByteCount: readByteCount)
      source = "device profile of \(saved.device.text), \(saved.measuredAt.prefix(10))"
      if !saved.isCold, let file = saved.measuredFile { source += ", a cache in front of \(file)" }
      return
    case .found(let saved):
      refusal =
        "the device profile of \(saved.device.text) was measured on a new file that a cache still "
        + "held: ignored"
    case .refused(let reason): refusal = reason + ": ignored"
    case .none: break
    }
    guard let duration else { return }
    // What cannot be measured cannot be read either, and opening says why.
    profile = try? Self.measured(store, storage, readByteCount, duration, memory: memory)
    if profile != nil {
      source = "measured for \(Quantity.number(duration / .milliseconds(1))) ms"
    }
  }

  /// The options with what the device wants.
  ///
  /// - Parameter keepsDepth: whether the user chose one.
  func apply(to storage: inout StorageOptions, keepsDepth: Bool) {
    if let mergeGap { storage.mergeGapByteCount = mergeGap }
    if let queueDepth, !keepsDepth { storage.queueDepth = queueDepth }
  }

  private var mergeGap: Int? { profile.map { min($0.mergeGap, Self.largestGap) } }

  /// One line for the console: the choice, and why.
  ///
  /// - Parameter keepsDepth: whether the user chose a depth.
  func line(keepsDepth: Bool) -> String? {
    guard let mergeGap else { return refusal }
    var text = "merge gap \(Quantity.bytes(mergeGap))"
    if let queueDepth, !keepsDepth { text += ", queue depth \(queueDepth)" }
    let hint =
      queueDepth == nil && refusal == nil ? "; `flashrun io probe STORE` saves a profile" : ""
    return [refusal, "\(text) (\(source)\(hint))"].compactMap(\.self).joined(separator: "; ")
  }

  /// The profile that is saved for a store's device.
  static func saved(for store: WeightStore) -> ProfileStore.Finding {
    guard let device = StorageFacts(path: store.bundlesPath)?.device else { return .none }
    return ProfileStore(configurationFolder: Environment.configurationFolder).profile(of: device)
  }

  /// The depth of a profile that was made with the engine of the run.
  ///
  /// The deepest that was tried may not be the best: then the default stays where it is deeper.
  private static func queueDepth(
    of saved: SavedProfile, _ storage: StorageOptions, readByteCount: Int
  ) -> Int? {
    let isSame = storage.engine != .pread || saved.method == ReadLoad.Method.pread.rawValue
    guard isSame else { return nil }
    let depth = saved.randomReads(ofByteCount: readByteCount).queueDepth
    let deepest = saved.cells.map(\.queueDepth).max() ?? depth
    return depth < deepest ? depth : max(depth, StorageOptions().queueDepth)
  }

  /// The store's device by reading its neurons.
  ///
  /// - Throws: what opening and reading the store's file throws.
  static func measured(
    _ store: WeightStore, _ storage: StorageOptions, _ readByteCount: Int, _ duration: Duration,
    memory: Int
  ) throws -> DeviceProfile {
    let arena = try DirectArena(byteCount: memory, prefault: true)
    let engine = try ReadEngineSelection.make(
      files: [FlashFile(path: store.bundlesPath, direct: storage.direct)], arenas: [arena],
      configuration: .init(
        choice: storage.engine, queueDepth: storage.queueDepth, capacity: 1024))
    return try unsafe DeviceProfile.measure(
      engine: engine, fileIndex: 0, buffer: arena.bytes, readByteCount: readByteCount,
      duration: duration)
  }
}

extension EngineOptions {
  /// These options as the store's device wants them, with a line for the console; nil where no
  /// neuron is read while the model runs, or the plan is refused.
  func fitted(toDeviceOf store: WeightStore, keepsDepth: Bool) -> (EngineOptions, line: String)? {
    guard let resolved = try? resolved(for: store).decoder,
      let plan = try? Decoder.plan(store: store, options: resolved).plan,
      case .windowed = plan.feedForward, plan.readByteCount > 0
    else { return nil }
    // The profile's depth suffices where reads follow one another at once. An expert's wait until
    // the run looks: with 8 in flight qwen3-30b-a3b decoded 2.6 tok/s in 4 GB, with 64 3.1.
    let keepsDepth = keepsDepth || store.configuration.routing != nil
    let device = StoreDevice(store, resolved.storage, readByteCount: plan.readByteCount)
    guard let line = device.line(keepsDepth: keepsDepth) else { return nil }
    var options = self
    device.apply(to: &options.decoder.storage, keepsDepth: keepsDepth)
    return (options, line)
  }
}
