package import FlashIO
import FlashWeights

/// Bringing in what is resident, once, when a store is opened.
extension WeightResidency {
  /// Reads every resident tensor, bundle and predictor into the arena, with some 32 MiB in flight
  /// all the while, and fills the window with the neurons that fired most.
  ///
  /// - Parameters:
  ///   - firingCounts: for each layer and neuron how often it fired when the store was calibrated;
  ///     nil starts with an empty window. Never changes the answer.
  ///   - progress: called now and then with bytes read so far and in all.
  /// - Throws: a read that failed; the residency is then of no use.
  /// - Complexity: the resident bytes, at the device's sequential rate; deciding rows cost their
  ///   whole layer's bytes.
  package func load(
    firingCounts: [[Int32]]? = nil, progress: (Int, Int) -> Void
  ) throws(ReadFailure) {
    var parts: [LoadQueue.Part] = []
    for (index, tensor) in manifest.tensors.enumerated() {
      guard let place = map.tensors[index] else { continue }
      append(tensor.extent, file: WeightSchedule.FileIndex.dense, place, tensor.name, to: &parts)
    }
    for (layer, bundle) in manifest.bundles.enumerated() {
      guard let place = map.bundles[layer],
        let resident = schedule.bundles[layer].first(where: { $0.segment == nil })
      else { continue }
      let bytes = min(resident.rows.count * bundle.stride, bundle.extent.byteCount)
      let extent = FileExtent(offset: bundle.extent.offset, byteCount: bytes)
      append(extent, file: WeightSchedule.FileIndex.bundles, place, "layer \(layer)", to: &parts)
    }
    for (index, place) in map.predictors.enumerated() {
      guard let extent = plan.predictorExtents?[index] else { continue }
      append(extent, file: WeightSchedule.FileIndex.predictor, place, "predictors", to: &parts)
    }
    let deciding = isWindowed && !plan.usesPredictors ? decidingParts() : []
    let hottest = firingCounts.flatMap { window?.hottestStrides($0) } ?? []
    let total = (parts + deciding).reduce(window?.fillByteCount(hottest) ?? 0) {
      $0 + $1.extent.byteCount
    }
    var queue = unsafe LoadQueue(engine: engine, base: arena.base)
    var done = 0
    func finishOne() throws(ReadFailure) {
      let part = try queue.finishOne()
      keepDecidingRows(of: part)
      done += part.extent.byteCount
      progress(done, total)
    }
    for part in parts {
      if queue.isFull { try finishOne() }
      try queue.begin(part)
    }
    for part in deciding {
      // The buffer of this part is the oldest's.
      while queue.isFull || queue.holds(part.place) { try finishOne() }
      try queue.begin(part)
    }
    while !queue.isEmpty { try finishOne() }
    do throws(ReadFailure) {
      try window?.fill(hottest) {
        done += $0
        progress(done, total)
      }
    } catch {
      throw error.adding(context: "hot neurons")
    }
  }

  /// Cuts an extent into parts that are read at once.
  private func append(
    _ extent: FileExtent, file: Int, _ place: Int, _ name: String, to parts: inout [LoadQueue.Part]
  ) {
    let widened = extent.widened(toUnit: engine.files[file].unit)
    for piece in widened.pieces(ofByteCount: LoadQueue.partByteCount) {
      parts.append(
        LoadQueue.Part(
          name: name, file: file, extent: piece, place: place + piece.offset - widened.offset))
    }
  }

  /// The bundles of all layers, through buffers in the memory of slots and staging.
  private func decidingParts() -> [LoadQueue.Part] {
    let start = map.slots.first ?? map.stagingSlots
    let room = map.mergeStaging + plan.mergeByteCount - start
    let file = WeightSchedule.FileIndex.bundles
    let unit = engine.files[file].unit
    let widest = manifest.bundles.map(\.stride).max() ?? 0
    // Two buffers let the device read while rows are copied; a small plan has one.
    let wanted = [LoadQueue.capacity, 4, 2, 1].first { count in
      room / count / 4096 * 4096 >= min(LoadQueue.partByteCount, 8 * widest) + 2 * unit
    }
    let bufferCount = wanted ?? 1
    let bufferByteCount =
      min(room / bufferCount, LoadQueue.partByteCount + 2 * unit) / 4096 * 4096
    var parts: [LoadQueue.Part] = []
    for (layer, bundle) in manifest.bundles.enumerated() where bundle.neuronCount > 0 {
      let stridesAtOnce = (bufferByteCount - 2 * unit) / bundle.stride
      precondition(stridesAtOnce > 0, "the slots hold a stride and its widening")
      for first in stride(from: 0, to: bundle.strideCount, by: stridesAtOnce) {
        let strides = first..<min(bundle.strideCount, first + stridesAtOnce)
        let wanted = FileExtent(
          offset: bundle.extent.offset + first * bundle.stride,
          byteCount: strides.count * bundle.stride)
        parts.append(
          LoadQueue.Part(
            name: "layer \(layer)", file: file, extent: wanted.widened(toUnit: unit),
            place: start + parts.count % bufferCount * bufferByteCount,
            deciding: (layer, strides)))
      }
    }
    return parts
  }

  /// Copies the last part of each neuron that a part brought to its place.
  private func keepDecidingRows(of part: LoadQueue.Part) {
    guard let (layer, strides) = part.deciding, let target = map.decidingRows[layer] else { return }
    let bundle = manifest.bundles[layer]
    let last = bundle.parts.count - 1
    let rowBytes = bundle.lastPartByteCount
    let perStride = bundle.neuronsPerStride
    let lead =
      bundle.extent.offset + strides.lowerBound * bundle.stride - part.extent.offset
    let rows = bundle.offset(ofPart: last, neuron: 0)
    for stride in strides {
      // A stride's deciding rows lie side by side.
      let count = min(perStride, bundle.neuronCount - stride * perStride)
      let from = part.place + lead + (stride - strides.lowerBound) * bundle.stride + rows
      unsafe (arena.base + target + stride * perStride * rowBytes).copyMemory(
        from: arena.base + from, byteCount: count * rowBytes)
    }
  }
}

/// Large reads one after another, several of them in flight.
@safe struct LoadQueue {
  /// What is read at once.
  struct Part {
    var name: String
    var file: Int
    /// Whole units.
    var extent: FileExtent
    /// Where it goes, in bytes from the arena's start.
    var place: Int
    /// The layer and the strides whose deciding rows are copied out of it.
    var deciding: (layer: Int, strides: Range<Int>)?
  }

  static let partByteCount = 4 << 20
  /// With parts of 4 MiB, 32 requests of 1 MiB are in flight, where this kind of device reaches its
  /// sequential rate even when one of them is waited for.
  static let capacity = 8

  private let engine: any ReadEngine
  private let base: UnsafeMutableRawPointer
  private var parts: [(part: Part, batch: ReadBatch)] = []

  init(engine: any ReadEngine, base: UnsafeMutableRawPointer) {
    self.engine = engine
    unsafe self.base = unsafe base
  }

  var isEmpty: Bool { parts.isEmpty }
  var isFull: Bool { parts.count == Self.capacity }

  /// Whether something in flight goes to a place.
  func holds(_ place: Int) -> Bool { parts.contains { $0.part.place == place } }

  /// Puts a part in flight.
  mutating func begin(_ part: Part) throws(ReadFailure) {
    let requests = unsafe part.extent.pieces(ofByteCount: StreamRing.requestByteCount).map {
      unsafe ReadRequest(
        fileIndex: part.file, extent: $0,
        destination: base + part.place + $0.offset - part.extent.offset)
    }
    do throws(ReadFailure) {
      parts.append((part, try unsafe engine.submit(requests)))
    } catch {
      throw error.adding(context: part.name)
    }
  }

  /// Waits for the oldest part.
  mutating func finishOne() throws(ReadFailure) -> Part {
    let (part, batch) = parts.removeFirst()
    do throws(ReadFailure) { try engine.wait(for: batch) } catch {
      throw error.adding(context: part.name)
    }
    return part
  }
}
