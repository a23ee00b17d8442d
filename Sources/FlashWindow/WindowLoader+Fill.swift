import FlashIO
import FlashWeights

/// Starting with what will probably be wanted.
extension WindowLoader {
  /// For each layer as many strides as it has slots, those whose neurons fired most first, of
  /// equals the first; strides that never fired are left out.
  ///
  /// - Parameter firingCounts: for each layer, by neuron.
  func hottestStrides(_ firingCounts: [[Int32]]) -> [[Int32]] {
    precondition(firingCounts.count == bundles.count, "counts for each layer")
    return zip(bundles, firingCounts).enumerated().map { layer, pair in
      let (bundle, counts) = pair
      precondition(counts.count == bundle.neuronCount, "a count for each neuron")
      var heat = [Int](repeating: 0, count: bundle.strideCount)
      for neuron in counts.indices {
        heat[neuron / bundle.neuronsPerStride] += Int(counts[neuron])
      }
      let order = heat.indices.filter { heat[$0] > 0 }
        .sorted { (heat[$1], $0) < (heat[$0], $1) }
      return order.prefix(cache.slotCount(of: LayerIndex(layer))).map { Int32($0) }
    }
  }

  /// Bytes that `fill` reads, merging aside.
  func fillByteCount(_ strides: [[Int32]]) -> Int {
    zip(bundles, strides).reduce(0) { $0 + $1.0.stride * $1.1.count }
  }

  /// Reads each layer's strides into slots, as if the first token had used them.
  ///
  /// Where `calibrate` put a layer's neurons hot first, that is one near sequential read a layer.
  /// What is read here counts as loading, not as misses.
  func fill(_ strides: [[Int32]], didRead: (Int) -> Void) throws(ReadFailure) {
    for (layer, hottest) in strides.enumerated() {
      var wanted = hottest.sorted()
      while !wanted.isEmpty {
        let strideCount = try unsafe wanted.withUnsafeBufferPointer {
          buffer throws(ReadFailure) in
          try unsafe begin(layer: layer, strides: buffer).strideCount
        }
        try finish()
        wanted.removeFirst(strideCount)
        didRead(strideCount * bundles[layer].stride)
      }
    }
    forgetStatistics()
  }
}
