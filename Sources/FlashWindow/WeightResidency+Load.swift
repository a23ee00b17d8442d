package import FlashIO
import FlashWeights

/// Bringing in what is resident, once, when a store is opened.
extension WeightResidency {
  /// Reads every resident tensor and bundle into the arena.
  ///
  /// - Parameter progress: called now and then with bytes read so far and in all.
  /// - Throws: the first read that failed; the residency is then of no use.
  /// - Complexity: the resident bytes, at the device's sequential rate; deciding rows cost their
  ///   whole layer's bytes.
  package func load(progress: (Int, Int) -> Void) throws(ReadFailure) {
    var extents: [(name: String, file: Int, extent: FileExtent, place: Int)] = []
    for (index, tensor) in manifest.tensors.enumerated() {
      guard let place = map.tensors[index] else { continue }
      extents.append((tensor.name, WeightSchedule.FileIndex.dense, tensor.extent, place))
    }
    for (layer, bundle) in manifest.bundles.enumerated() {
      guard let place = map.bundles[layer],
        let resident = schedule.bundles[layer].first(where: { $0.segment == nil })
      else { continue }
      let bytes = min(resident.rows.count * bundle.stride, bundle.extent.byteCount)
      let extent = FileExtent(offset: bundle.extent.offset, byteCount: bytes)
      extents.append(("layer \(layer)", WeightSchedule.FileIndex.bundles, extent, place))
    }
    let deciding = isWindowed ? manifest.bundles.reduce(0) { $0 + $1.extent.byteCount } : 0
    let total = extents.reduce(deciding) { $0 + $1.extent.byteCount }
    var done = 0
    for item in extents {
      do throws(ReadFailure) {
        try load(item.extent, file: item.file, place: item.place) {
          done += $0
          progress(done, total)
        }
      } catch {
        throw error.adding(context: item.name)
      }
    }
    guard isWindowed else { return }
    for layer in manifest.bundles.indices {
      do throws(ReadFailure) { try loadDecidingRows(layer: layer) } catch {
        throw error.adding(context: "layer \(layer)")
      }
      done += manifest.bundles[layer].extent.byteCount
      progress(done, total)
    }
  }

  /// Reads one extent in requests of 1 MiB, as many at a time as the engine takes.
  private func load(
    _ extent: FileExtent, file: Int, place: Int, didRead: (Int) -> Void
  ) throws(ReadFailure) {
    let widened = extent.widened(toUnit: engine.files[file].unit)
    let atOnce = min(16, engine.description.capacity)
    let size = StreamRing.requestByteCount
    let requests = UnsafeMutablePointer<ReadRequest>.allocate(capacity: atOnce)
    defer { unsafe requests.deallocate() }
    var done = 0
    while done < widened.byteCount {
      var count = 0
      let before = done
      while count < atOnce, done < widened.byteCount {
        let part = min(size, widened.byteCount - done)
        let request = unsafe ReadRequest(
          fileIndex: file, extent: FileExtent(offset: widened.offset + done, byteCount: part),
          destination: arena.base + place + done)
        unsafe (requests + count).initialize(to: request)
        count += 1
        done += part
      }
      let batch = try unsafe engine.submit(UnsafeBufferPointer(start: requests, count: count))
      try engine.wait(for: batch)
      didRead(done - before)
    }
  }

  /// Reads a layer's bundles through the memory of slots and staging and keeps the last part of
  /// each neuron.
  private func loadDecidingRows(layer: Int) throws(ReadFailure) {
    let bundle = manifest.bundles[layer]
    guard bundle.neuronCount > 0, let target = map.decidingRows[layer] else { return }
    let start = map.slots.first ?? map.stagingSlots
    let end = map.mergeStaging + plan.mergeByteCount
    let unit = engine.files[WeightSchedule.FileIndex.bundles].unit
    let room = min(16 << 20, end - start - 2 * unit)
    precondition(room >= bundle.stride, "the slots hold a stride and its widening")
    let stridesAtOnce = room / bundle.stride
    let last = bundle.parts.count - 1
    let rowBytes = bundle.lastPartByteCount
    var first = 0
    while first < bundle.strideCount {
      let count = min(stridesAtOnce, bundle.strideCount - first)
      let wanted = FileExtent(
        offset: bundle.extent.offset + first * bundle.stride, byteCount: count * bundle.stride)
      let lead = wanted.offset - wanted.widened(toUnit: unit).offset
      try load(wanted, file: WeightSchedule.FileIndex.bundles, place: start) { _ in }
      for stride in 0..<count {
        for neuron in 0..<bundle.neuronsPerStride {
          let index = (first + stride) * bundle.neuronsPerStride + neuron
          guard index < bundle.neuronCount else { break }
          let source = start + lead + stride * bundle.stride
          let from = source + bundle.offset(ofPart: last, neuron: neuron)
          unsafe (arena.base + target + index * rowBytes).copyMemory(
            from: arena.base + from, byteCount: rowBytes)
        }
      }
      first += count
    }
  }
}
