internal import FlashIO
internal import FlashKernels
internal import FlashWeights
internal import FlashWindow

/// What a layer's order of neurons goes by.
package enum NeuronOrderKind: String, Sendable {
  case unchanged, heat
  /// Heat, and among the cold who fires with whom.
  case coactivation
}

/// The order of a layer's neurons on flash: hot first, and the cold by co-activation where that
/// saves reads.
struct NeuronOrder {
  let sample: LayerSample
  let layout: BundleLayout
  /// How often each neuron fired.
  let counts: [UInt32]
  /// Positions over which `counts` counted.
  let countedPositions: Int
  let seed: UInt64

  /// Neurons that fire for a quarter of all tokens hardly ever leave the window, so their
  /// neighbours do not matter: and everybody's closest friend is a hot neuron
  /// (LLM in a Flash, section 4.4).
  private static let hotFraction = 0.25
  /// Part of the reads that co-activation must save to be worth an order that is less plain.
  private static let leastSaving = 0.03
  /// Tokens of the trace that orders are compared on.
  private static let traceLength = 512
  /// Tokens of the window whose misses are counted.
  private static let window = 5

  /// For each place the neuron, nil where no order is better than the one there is; and what the
  /// order goes by.
  func order() -> (places: [Int]?, kind: NeuronOrderKind) {
    guard sample.neuronCount > 1 else { return (nil, .unchanged) }
    let hot = byCount
    let together = byCoactivation(hot)
    let (plain, merged) = (readCount(hot), readCount(together))
    let isMerged = merged < plain && Double(merged) <= Double(plain) * (1 - Self.leastSaving)
    let order = isMerged ? together : hot
    if order.indices.allSatisfy({ order[$0] == $0 }) { return (nil, .unchanged) }
    return (order, isMerged ? .coactivation : .heat)
  }

  /// Hot first; neurons that fire equally often stay as they are.
  var byCount: [Int] {
    counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
  }

  /// The cold ones in a chain, each next to the one left that fires most alike: cosine of their
  /// firings, by random signs of the positions (Achlioptas, 2003).
  private func byCoactivation(_ hot: [Int]) -> [Int] {
    let dimension = 64
    let least = UInt32(Self.hotFraction * Double(countedPositions))
    let hotCount = hot.firstIndex { counts[$0] < least } ?? hot.count
    let cold = Array(hot[hotCount...])
    guard cold.count > 2 else { return hot }
    var left = sketch(of: cold, dimension: dimension)
    var neurons = cold
    var order = Array(hot[..<hotCount])
    let products = FloatMatrix(cold.count, 1)
    let current = FloatMatrix(1, dimension)
    var next = 0
    for count in stride(from: cold.count, to: 0, by: -1) {
      order.append(neurons[next])
      unsafe current.values.update(from: left.row(next), count: dimension)
      // The last one takes the place of the one that goes.
      neurons[next] = neurons[count - 1]
      unsafe left.row(next).update(from: left.row(count - 1), count: dimension)
      guard count > 1 else { break }
      unsafe BLAS.sgemm(
        m: count - 1, n: 1, k: dimension, a: left.values, aStride: dimension, b: current.values,
        bStride: 1, c: products.values, cStride: 1)
      next = 0
      for index in 1..<max(1, count - 1)
      where unsafe products.values[index] > products.values[next] { next = index }
    }
    left = FloatMatrix(0, 0)
    return order
  }

  /// For each neuron the sum of its positions' random signs, of length one.
  private func sketch(of neurons: [Int], dimension: Int) -> FloatMatrix {
    var places = [Int](repeating: -1, count: sample.neuronCount)
    for (place, neuron) in neurons.enumerated() { places[neuron] = place }
    let sketch = FloatMatrix(neurons.count, dimension)
    var random = SeededRandom(seed: seed)
    for position in 0..<sample.positionCount {
      let signs = random.next()
      sample.forEachFiring(at: position) { neuron, _ in
        guard places[neuron] >= 0 else { return }
        let row = unsafe sketch.row(places[neuron])
        for bit in 0..<dimension { unsafe row[bit] += signs >> UInt64(bit) & 1 == 0 ? 1 : -1 }
      }
    }
    for row in 0..<sketch.rowCount {
      let values = unsafe sketch.row(row)
      var sum: Float = 0
      for column in 0..<dimension { sum += unsafe values[column] * values[column] }
      let scale = sum > 0 ? 1 / sum.squareRoot() : 0
      for column in 0..<dimension { unsafe values[column] *= scale }
    }
    return sketch
  }

  /// Reads over the trace, by the rules of a run: what fires now and for none of the last tokens is
  /// read, neighbours together.
  func readCount(_ order: [Int]) -> Int {
    var places = [Int](repeating: 0, count: order.count)
    for (place, neuron) in order.enumerated() { places[neuron] = place }
    let storage = StorageOptions()
    let limits = ReadPlan.Limits(
      unit: 512, memoryAlignment: 512, mergeGap: storage.mergeGapByteCount,
      readAmplification: storage.readAmplificationLimit, stagingByteCount: 8 << 20)
    var plan = ReadPlan(capacity: layout.strideCount)
    var lastSeen = [Int](repeating: -1 - Self.window, count: sample.neuronCount)
    var reads = 0
    for position in 0..<min(Self.traceLength, sample.positionCount) {
      var strides: [Int] = []
      sample.forEachFiring(at: position) { neuron, _ in
        if position - lastSeen[neuron] > Self.window {
          strides.append(places[neuron] / layout.neuronsPerStride)
        }
        lastSeen[neuron] = position
      }
      strides.sort()
      var extents: [FileExtent] = []
      for (index, stride) in strides.enumerated()
      where index == 0 || strides[index - 1] != stride {
        extents.append(
          FileExtent(
            offset: layout.extent.offset + stride * layout.stride,
            byteCount: layout.frontByteCount))
      }
      plan.cover(extents.span, limits: limits)
      reads += plan.reads.count
    }
    return reads
  }
}
