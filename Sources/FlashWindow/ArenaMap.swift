import FlashIO
import FlashWeights

/// Where everything that is read from flash lies in the arena, in bytes from its start.
///
/// Every place begins at a multiple of 4096 or of the direct-I/O unit, whichever is larger, and no
/// two overlap.
struct ArenaMap {
  /// One for each tensor of the manifest; nil where it is not resident.
  private(set) var tensors: [Int?] = []
  /// One for each layer; nil where no stride is resident.
  private(set) var bundles: [Int?] = []
  /// The layer whose place holds what is read for the others until their parts are put apart; it
  /// lies in bundles itself. Nil where all layers do.
  private(set) var bufferLayer: Int?
  /// One for each layer; nil where deciding rows are not resident apart from their bundles.
  private(set) var decidingRows: [Int?] = []
  private(set) var ring = 0
  /// One for each layer: the first of its window slots.
  private(set) var slots: [Int] = []
  private(set) var stagingSlots = 0
  private(set) var mergeStaging = 0
  private(set) var lookAhead = 0
  private(set) var rows = 0
  /// One for each of the plan's predictor extents.
  private(set) var predictors: [Int] = []
  private(set) var byteCount = 0
  /// Bytes of one looked-up row with its widening; 0 where every row is resident.
  let rowByteCount: Int

  private let alignment: Int

  init(manifest: StoreManifest, plan: MemoryPlan, unit: Int, rowsPerChunk: Int) {
    alignment = max(4096, unit)
    let lookedUp = zip(manifest.tensors, plan.residentTensors)
      .filter { manifest.hasLookedUpRows($0) && !$1 }.map(\.0.rowByteCount)
    rowByteCount =
      lookedUp.max().map { ReadPlan.slotByteCount(forExtentOf: $0, unit: max(512, unit)) } ?? 0
    tensors = zip(manifest.tensors, plan.residentTensors).map { tensor, isResident in
      isResident ? take(tensor.extent.byteCount) : nil
    }
    switch plan.feedForward {
    case .resident:
      bundles = manifest.bundles.map { take($0.extent.byteCount) }
      decidingRows = manifest.bundles.map { _ in nil }
      bufferLayer = plan.usesPredictors ? nil : Self.bufferLayer(manifest.bundles, unit: unit)
    case .windowed(let slotsPerLayer, let stagingCount):
      bundles = manifest.bundles.map { _ in nil }
      decidingRows = manifest.bundles.map {
        plan.usesPredictors || plan.windowUnit == .experts
          ? nil : take($0.neuronCount * $0.lastPartByteCount)
      }
      slots = slotsPerLayer.map { take($0 * plan.slotByteCount) }
      stagingSlots = take(stagingCount * plan.slotByteCount)
      mergeStaging = take(plan.mergeByteCount)
      lookAhead = take(plan.lookAheadSlots * plan.slotByteCount)
    case .streamed(let residentStrides):
      bundles = zip(manifest.bundles, residentStrides).map { bundle, strides in
        strides == 0 ? nil : take(strides * bundle.stride)
      }
      decidingRows = manifest.bundles.map { _ in nil }
      ring = take(plan.ring.byteCount)
    }
    predictors = (plan.predictorExtents ?? []).map { take($0.byteCount) }
    if !lookedUp.isEmpty { rows = take(2 * rowsPerChunk * rowByteCount) }
  }

  /// The largest layer, if it holds a buffer.
  private static func bufferLayer(_ bundles: [BundleLayout], unit: Int) -> Int? {
    guard
      let layer = bundles.indices.max(by: {
        bundles[$0].extent.byteCount < bundles[$1].extent.byteCount
      })
    else { return nil }
    let room = bundles[layer].extent.byteCount
    return LoadBuffers(room: room, bundles: bundles, unit: unit) == nil ? nil : layer
  }

  /// Whether a resident layer's parts lie one after another, each of all neurons, and not in
  /// bundles.
  func partsLieApart(layer: Int) -> Bool { bufferLayer.map { $0 != layer } ?? false }

  private mutating func take(_ count: Int) -> Int {
    let offset = byteCount
    byteCount += (count + alignment - 1) / alignment * alignment
    return offset
  }
}
