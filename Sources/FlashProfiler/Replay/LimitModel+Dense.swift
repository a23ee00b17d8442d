/// A run of `exact` at a limit too small for it: every neuron is computed, and what is not resident
/// is read in order for every token.
extension LimitModel {
  /// Items of a windowed plan whose room weights have in a streamed one.
  private static let weightItems: Set = [
    "weights", "deciding rows", "window", "look-ahead", "window tables",
  ]
  /// Buffers through which weights pass, where there is room for that many.
  private static let ringByteCount = 64 << 20

  /// Nil where the run would be refused, and where the trace does not tell what neurons took.
  func dense(limit: Int) -> LimitPrediction? {
    let (header, decode) = (run.header, decode)
    // Of experts every one is read whole instead, which the trace does not tell of.
    guard header.run.mode == "exact", limit >= header.plan.minimumBytes,
      header.layers.allSatisfy({ $0.experts == nil })
    else { return nil }
    let other = header.plan.items.reduce(0) {
      Self.weightItems.contains($1.name) ? $0 : $0 + $1.bytes
    }
    let resident = limit - other - Self.ringByteCount
    let layers = header.layers
    let deciding = Double(layers.reduce(0) { $0 + $1.decidingBytes })
    let rest = Double(layers.reduce(0) { $0 + $1.neurons * $1.bytesPerNeuron })
    let whole = Double(layers.reduce(header.model.headBytes) { $0 + $1.denseBytes })
    let strides = Double(max(1, layers.reduce(0) { $0 + $1.strides }))
    let active = rest * (decode.hits + decode.misses) / strides
    guard resident > 0, decode.gateUp > 0, active > 0 else { return nil }
    // Up and down rows are alike; deciding ones were all multiplied in the recorded run too. Rows
    // in order go as fast as those.
    let gateUp = max(1e-9, decode.gateUp - readingSeconds(recordedReads))
    let rate = (deciding + active / 2) / gateUp
    let work =
      workSeconds - decode.gateUp - decode.down + (deciding + rest) / rate
    let byteCount = max(0, whole + deciding + rest - Double(resident))
    let reads = TokenReads(.sequential, count: byteCount / 0x1p20, byteCount: byteCount)
    var prediction = LimitPrediction(
      limit: limit, residency: .streamed, slotCount: 0, hitRate: nil, reads: reads, speed: nil)
    prediction.isDense = true
    if let device {
      prediction.speed = SpeedPrediction(
        arithmeticSeconds: work, coveringSeconds: work, memorySeconds: nil, reads: reads,
        device: device)
    }
    return prediction
  }
}
