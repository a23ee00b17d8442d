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
  /// - Complexity: the resident bytes, at the device's sequential rate, and a copy beside it of
  ///   rows that are put apart; deciding rows cost their whole layer's bytes.
  package func load(
    firingCounts: [[Int32]]? = nil, progress: (Int, Int) -> Void
  ) throws(ReadFailure) {
    var parts: [LoadQueue.Part] = []
    for (index, tensor) in manifest.tensors.enumerated() {
      guard let place = map.tensors[index] else { continue }
      append(tensor.extent, file: WeightSchedule.FileIndex.dense, place, tensor.name, to: &parts)
    }
    for (index, place) in map.predictors.enumerated() {
      guard let extent = plan.predictorExtents?[index] else { continue }
      append(extent, file: WeightSchedule.FileIndex.predictor, place, "predictors", to: &parts)
    }
    for layer in manifest.bundles.indices
    where layer != map.bufferLayer && !map.partsLieApart(layer: layer) {
      appendBundles(ofLayer: layer, to: &parts)
    }
    let buffered = bufferedParts()
    var last: [LoadQueue.Part] = []
    if let layer = map.bufferLayer { appendBundles(ofLayer: layer, to: &last) }
    let hottest = firingCounts.flatMap { window?.hottestStrides($0) } ?? []
    let total = (parts + buffered + last).reduce(window?.fillByteCount(hottest) ?? 0) {
      $0 + $1.extent.byteCount
    }
    var queue = unsafe LoadQueue(engine: engine, base: arena.base)
    var done = 0
    func finishOne() throws(ReadFailure) {
      let part = try queue.finishOne()
      copyRows(of: part)
      done += part.extent.byteCount
      progress(done, total)
    }
    for part in parts {
      if queue.isFull { try finishOne() }
      try queue.begin(part)
    }
    for part in buffered {
      // The buffer of this part is the oldest's.
      while queue.isFull || queue.holds(part.place) { try finishOne() }
      try queue.begin(part)
    }
    if !last.isEmpty {
      // It goes where the buffers are.
      while !queue.isEmpty { try finishOne() }
    }
    for part in last {
      if queue.isFull { try finishOne() }
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

  /// What of a layer's bundles is resident as it lies on flash.
  private func appendBundles(ofLayer layer: Int, to parts: inout [LoadQueue.Part]) {
    guard let place = map.bundles[layer],
      let resident = schedule.bundles[layer].first(where: { $0.segment == nil })
    else { return }
    let bundle = manifest.bundles[layer]
    let bytes = min(resident.rows.count * bundle.stride, bundle.extent.byteCount)
    let extent = FileExtent(offset: bundle.extent.offset, byteCount: bytes)
    append(extent, file: WeightSchedule.FileIndex.bundles, place, "layer \(layer)", to: &parts)
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

  /// The bundles of layers of which rows are copied, through buffers in the memory of slots and
  /// staging, or of the layer that is loaded last.
  private func bufferedParts() -> [LoadQueue.Part] {
    let file = WeightSchedule.FileIndex.bundles
    let unit = engine.files[file].unit
    let start: Int
    let buffers: LoadBuffers?
    if let layer = map.bufferLayer, let place = map.bundles[layer] {
      start = place
      buffers = LoadBuffers(
        room: manifest.bundles[layer].extent.byteCount, bundles: manifest.bundles, unit: unit)
    } else if isWindowed && !plan.usesPredictors {
      start = map.slots.first ?? map.stagingSlots
      let room = map.mergeStaging + plan.mergeByteCount - start
      buffers =
        LoadBuffers(room: room, bundles: manifest.bundles, unit: unit)
        ?? LoadBuffers(count: 1, byteCount: room / 4096 * 4096)
    } else {
      return []
    }
    guard let buffers else { return [] }
    var parts: [LoadQueue.Part] = []
    for (layer, bundle) in manifest.bundles.enumerated()
    where bundle.neuronCount > 0 && layer != map.bufferLayer {
      let stridesAtOnce = (buffers.byteCount - 2 * unit) / bundle.stride
      precondition(stridesAtOnce > 0, "a buffer holds a stride and its widening")
      for first in stride(from: 0, to: bundle.strideCount, by: stridesAtOnce) {
        let strides = first..<min(bundle.strideCount, first + stridesAtOnce)
        let wanted = FileExtent(
          offset: bundle.extent.offset + first * bundle.stride,
          byteCount: strides.count * bundle.stride)
        parts.append(
          LoadQueue.Part(
            name: "layer \(layer)", file: file, extent: wanted.widened(toUnit: unit),
            place: start + parts.count % buffers.count * buffers.byteCount,
            copied: (layer, strides)))
      }
    }
    return parts
  }

  /// Copies the rows of neurons that a part brought to where they stay: all parts of a resident
  /// layer, the last one of a windowed layer.
  private func copyRows(of part: LoadQueue.Part) {
    guard let (layer, strides) = part.copied else { return }
    let bundle = manifest.bundles[layer]
    let lead =
      bundle.extent.offset + strides.lowerBound * bundle.stride - part.extent.offset
    let source = unsafe arena.base + part.place + lead
    if let target = map.decidingRows[layer] {
      // A stride's deciding rows lie side by side.
      let rowBytes = bundle.lastPartByteCount
      let rows = bundle.offset(ofPart: bundle.parts.count - 1, neuron: 0)
      for stride in strides {
        let neurons = bundle.neurons(ofStride: stride)
        unsafe (arena.base + target + neurons.lowerBound * rowBytes).copyMemory(
          from: source + (stride - strides.lowerBound) * bundle.stride + rows,
          byteCount: neurons.count * rowBytes)
      }
    } else if let target = map.bundles[layer] {
      for index in bundle.parts.indices {
        let rowBytes = bundle.rowByteCount(ofPart: index)
        var row =
          unsafe arena.base + target
          + bundle.offsetApart(
            ofPart: index, neuron: strides.lowerBound * bundle.neuronsPerStride)
        for stride in strides {
          let start = unsafe source + (stride - strides.lowerBound) * bundle.stride
          for neuron in 0..<bundle.neurons(ofStride: stride).count {
            unsafe row.copyMemory(
              from: start + bundle.offset(ofPart: index, neuron: neuron), byteCount: rowBytes)
            unsafe row += rowBytes
          }
        }
      }
    }
  }
}

/// Buffers that bundles are read into before their rows are copied.
struct LoadBuffers {
  let count: Int
  /// Bytes of one: strides and their widening.
  let byteCount: Int

  init(count: Int, byteCount: Int) {
    self.count = count
    self.byteCount = byteCount
  }

  /// Two or more let the device read while rows are copied; where there is room for less than one
  /// of a few strides, nil.
  init?(room: Int, bundles: [BundleLayout], unit: Int) {
    let widest = bundles.map(\.stride).max() ?? 0
    let least = min(LoadQueue.partByteCount, 8 * widest) + 2 * unit
    guard
      let count = [LoadQueue.capacity, 4, 2, 1].first(where: { room / $0 / 4096 * 4096 >= least })
    else { return nil }
    self.count = count
    byteCount = min(room / count, LoadQueue.partByteCount + 2 * unit) / 4096 * 4096
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
    /// The layer and the strides whose rows are copied out of it.
    var copied: (layer: Int, strides: Range<Int>)?
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
