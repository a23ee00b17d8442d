package import FlashIO
import FlashWeights

/// Where the strides of one request are: those counted are lent until the next `beginLoading`.
@safe package struct WindowLoad {
  /// How many of the strides asked for, from the first on, there was room for; at least one.
  package let strideCount: Int
  /// For each of them the address of its front; valid at once for hits, otherwise after
  /// `finishLoading`.
  package let addresses: UnsafePointer<UnsafeRawPointer>
  package let isHit: UnsafePointer<Bool>
}

/// Brings the fronts of bundles that fire into slots of the window cache.
///
/// A stride that is cached is a hit. One that is not is read into a slot that is free or that no
/// recent token used; where there is none, into a staging slot that is given up after use. So a
/// working set larger than the window costs its misses and nothing more, and what is cached stays.
@safe final class WindowLoader {
  private let manifest: StoreManifest
  private let engine: any ReadEngine
  private let slotByteCount: Int
  private let slotBases: [UnsafeMutableRawPointer]
  private let stagingBase: UnsafeMutableRawPointer
  private let stagingSlots: Int
  private var cache: WindowCache
  private let requests: UnsafeMutablePointer<ReadRequest>
  private let addresses: UnsafeMutablePointer<UnsafeRawPointer>
  private let isHit: UnsafeMutablePointer<Bool>
  private var batch: ReadBatch?

  init(
    manifest: StoreManifest, slotsPerLayer: [Int], stagingSlots: Int, slotByteCount: Int,
    window: Int?, engine: any ReadEngine, slotBases: [UnsafeMutableRawPointer],
    stagingBase: UnsafeMutableRawPointer
  ) {
    self.manifest = manifest
    self.engine = engine
    self.slotByteCount = slotByteCount
    unsafe self.slotBases = unsafe slotBases
    unsafe self.stagingBase = unsafe stagingBase
    self.stagingSlots = stagingSlots
    cache = WindowCache(
      stridesPerLayer: manifest.bundles.map(\.strideCount), slotsPerLayer: slotsPerLayer,
      window: window)
    let widest = manifest.bundles.map(\.strideCount).max() ?? 1
    unsafe requests = .allocate(capacity: widest)
    unsafe addresses = .allocate(capacity: widest)
    unsafe isHit = .allocate(capacity: widest)
  }

  deinit {
    unsafe requests.deallocate()
    unsafe addresses.deallocate()
    unsafe isHit.deallocate()
  }

  var statistics: WindowStatistics { cache.statistics }

  /// Begins a token: what only older ones used may go.
  func beginForward() { cache.advanceToken() }

  /// Finds as many of the strides, from the first on, as there is room for, and puts reads in
  /// flight for those that are not in DRAM.
  ///
  /// - Precondition: `finish` ended the last load, and `strides` is not empty.
  func begin(
    layer: Int, strides: UnsafeBufferPointer<Int32>
  ) throws(ReadFailure) -> WindowLoad {
    precondition(batch == nil && !strides.isEmpty, "one load at a time")
    // Half of what the engine takes at a time is left to the stream ring.
    let mostReads = engine.description.capacity / 2
    var staged = 0
    var reads = 0
    var count = 0
    while count < strides.count, reads < mostReads {
      let stride = unsafe Int(strides[count])
      let slot: UnsafeMutableRawPointer
      let placement = cache.request(StrideIndex(stride), in: LayerIndex(layer))
      switch placement {
      case .hit(let index), .miss(let index):
        unsafe slot = slotBases[layer] + index.value * slotByteCount
      case .noSlot:
        // The staging slots are full: this stride and those behind it come in the next load.
        guard staged < stagingSlots else { return try submit(count: count, reads: reads) }
        unsafe slot = stagingBase + staged * slotByteCount
        staged += 1
      }
      let isHit = if case .hit = placement { true } else { false }
      unsafe addRequest(layer: layer, stride: stride, slot: slot, place: count, &reads, isHit)
      count += 1
    }
    return try submit(count: count, reads: reads)
  }

  /// Notes where a stride's front will be, and the read that brings it there if it is a miss.
  private func addRequest(
    layer: Int, stride: Int, slot: UnsafeMutableRawPointer, place: Int, _ reads: inout Int,
    _ isHit: Bool
  ) {
    let bundle = manifest.bundles[layer]
    let file = WeightSchedule.FileIndex.bundles
    let wanted = FileExtent(
      offset: bundle.extent.offset + stride * bundle.stride, byteCount: bundle.frontByteCount)
    let widened = wanted.widened(toUnit: engine.files[file].unit)
    unsafe addresses[place] = UnsafeRawPointer(slot + (wanted.offset - widened.offset))
    unsafe self.isHit[place] = isHit
    guard !isHit else { return }
    let request = unsafe ReadRequest(fileIndex: file, extent: widened, destination: slot)
    unsafe (requests + reads).initialize(to: request)
    reads += 1
  }

  private func submit(count: Int, reads: Int) throws(ReadFailure) -> WindowLoad {
    batch = try unsafe engine.submit(UnsafeBufferPointer(start: requests, count: reads))
    return unsafe WindowLoad(strideCount: count, addresses: addresses, isHit: isHit)
  }

  /// Waits for the reads of the last `begin`; its misses are then cached.
  func finish() throws(ReadFailure) {
    guard let batch else { preconditionFailure("a load begins before it ends") }
    self.batch = nil
    try engine.wait(for: batch)
    cache.finishLoading()
  }

  /// Forgets a load that failed or was abandoned; the engine is drained already.
  func reset() {
    batch = nil
    cache.cancelLoading()
  }
}

extension WeightResidency {
  /// Finds or begins to read the fronts of strides; see `WindowLoad`.
  ///
  /// - Parameter strides: ascending, each once, at least one.
  /// - Precondition: `isWindowed`, and the last load was finished.
  package func beginLoading(
    layer: Int, strides: UnsafeBufferPointer<Int32>
  ) throws(ReadFailure) -> WindowLoad {
    guard let window else { preconditionFailure("bundles are not windowed") }
    return try unsafe window.begin(layer: layer, strides: strides)
  }

  /// Waits until everything that `beginLoading` lent is valid.
  package func finishLoading() throws(ReadFailure) {
    guard let window else { preconditionFailure("bundles are not windowed") }
    try window.finish()
  }

  package var windowStatistics: WindowStatistics { window?.statistics ?? WindowStatistics() }
}
