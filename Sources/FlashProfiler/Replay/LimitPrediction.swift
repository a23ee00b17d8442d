package import FlashIO
internal import FlashWindow

/// Tokens a second of a recorded run at other memory limits.
package struct LimitPrediction: Sendable, Equatable {
  /// Of the whole process, in bytes.
  package var limit: Int
  package var residency: Residency
  /// Whether it is predicted for `dense`, which a lossless run falls back to where its limit holds
  /// no window.
  package var isDense = false
  /// Slots of the window, of all layers.
  package var slotCount: Int
  package var hitRate: Double?
  package var reads: TokenReads
  /// Nil where the run would be another one.
  package var speed: SpeedPrediction?

  package enum Residency: String, Encodable, Sendable {
    case resident, windowed, streamed
    /// Below what the recorded mode takes.
    case tooSmall = "too_small"
  }
}

/// What a recorded run tells about itself at other limits: what each byte more is used for, and how
/// long a token takes apart from reading.
package struct LimitModel: Sendable {
  let run: RecordedRun
  let decode: RecordedDecode
  /// Seconds of a token in which nothing waits for flash.
  let workSeconds: Double
  /// Of those, seconds in which scattered reads are in flight.
  private let coveringSeconds: Double
  let device: DeviceProfile?
  /// Seconds of the recorded reads over those that the device's rates give.
  private let correction: Double
  private let readCost: ReadCost
  /// Of the device's seconds, those in which arithmetic goes on; what reads take of the processor
  /// in the others is waited for anyway. Only of missing experts: neurons' reads are over so soon.
  private let workingShare: Double

  /// - Parameters:
  ///   - device: its rates at the run's read size; nil where it cannot be measured.
  ///   - replay: the recorded reads issued again; nil where they were not.
  ///   - readCost: what reads take of the processor.
  /// - Returns: nil where no token was decoded.
  package init?(
    _ run: RecordedRun, device: DeviceProfile?, replay: ReadReplay.Outcome?,
    readCost: ReadCost = .none
  ) {
    guard let decode = run.decode else { return nil }
    self.run = run
    self.readCost = readCost
    self.decode = decode
    self.device = device
    workSeconds = max(1e-9, decode.seconds - decode.stall)
    let recorded = TokenReads(
      run.header.plan.feedForward == "streamed" ? .sequential : .scattered,
      count: decode.readCount, byteCount: decode.readByteCount)
    let expected = device.map { Self.seconds(recorded, $0) } ?? 0
    let flash = Self.flashSeconds(run, decode, expected: expected, replay)
    correction = expected > 0 ? flash / expected : 1
    let spread = Self.spread(run, decode, misses: decode.misses)
    workingShare = spread == nil || flash <= 0 ? 1 : max(0, 1 - decode.stall / flash)
    // Where the run stalled, what it did not stall for was covered; where it did not, at least its
    // gate rows behind the first slice cover reads.
    let slice = run.header.run.sliceBytes
    let deciding = run.header.layers.map(\.decidingBytes).max() ?? 0
    let slices = slice > 0 ? max(1, deciding / slice) : 1
    let gates = decode.gateUp * (1 - 1 / Double(slices))
    if decode.stall > 0.02 * decode.seconds, flash > decode.stall {
      coveringSeconds =
        spread?.coveringSeconds(flashSeconds: flash, stallSeconds: decode.stall)
        ?? flash - decode.stall
    } else {
      coveringSeconds = max(gates, flash - decode.stall)
    }
  }

  /// Seconds in which the device brought a token's reads.
  ///
  /// Where experts are missing, what a layer waits longer for one that is missing more: beside
  /// arithmetic and a layer at a time reads take up to a third longer than the same issued again.
  private static func flashSeconds(
    _ run: RecordedRun, _ decode: RecordedDecode, expected: Double, _ replay: ReadReplay.Outcome?
  ) -> Double {
    guard expected > 0 else { return 0 }
    if run.keepsExperts, let seconds = run.layerStalls.secondsPerMiss {
      return seconds * decode.misses
    }
    guard let replay, replay.decodeSeconds > 0 else { return expected }
    // They took no longer than the token: a device that is slower at this moment says nothing of
    // that run.
    return min(replay.decodeSeconds / Double(max(1, replay.decodedTokenCount)), decode.seconds)
  }

  private static func spread(
    _ run: RecordedRun, _ decode: RecordedDecode, misses: Double
  ) -> MissSpread? {
    let layers = Double(run.header.layers.count { $0.strides > 0 })
    guard run.keepsExperts, layers > 0 else { return nil }
    let wanted = Int(((decode.hits + decode.misses) / layers).rounded())
    return MissSpread(layerCount: layers, wanted: wanted, misses: misses)
  }

  /// The same for other reads of this run, which are as many more as there are misses.
  private func spread(_ reads: TokenReads) -> MissSpread? {
    Self.spread(
      run, decode, misses: decode.misses * reads.count / max(1, decode.readCount))
  }

  private static func seconds(_ reads: TokenReads, _ device: DeviceProfile) -> Double {
    switch reads.order {
    case .none: 0
    case .sequential: device.seconds(sequentialBytes: reads.byteCount)
    case .scattered: device.seconds(scatteredReads: reads.count, byteCount: reads.byteCount)
    }
  }

  /// - Parameter missesPerToken: of a window with so many slots in each layer.
  package func prediction(
    limit: Int, missesPerToken: ([Int]) -> Double
  ) -> LimitPrediction {
    let plan = run.header.plan
    let strideCount = run.header.layers.reduce(0) { $0 + $1.strides }
    var prediction = LimitPrediction(
      limit: limit, residency: .tooSmall, slotCount: 0, hitRate: nil, reads: .none, speed: nil)
    if limit >= plan.residentBytes {
      prediction.residency = .resident
      prediction.slotCount = strideCount
      prediction.speed = speed(.none)
      return prediction
    }
    guard let recorded = plan.limitBytes, plan.feedForward != "resident" else { return prediction }
    if plan.feedForward == "streamed" {
      guard limit >= plan.minimumBytes else { return prediction }
      // What the limit has more is resident, and not read.
      let byteCount = max(0, decode.readByteCount - Double(limit - recorded))
      prediction.residency = .streamed
      prediction.reads = TokenReads(
        .sequential,
        count: decode.readCount * byteCount / max(1, decode.readByteCount), byteCount: byteCount)
    } else {
      let slots = slots(limit: limit, recorded: recorded)
      guard slots >= 0 else { return dense(limit: limit) ?? prediction }
      prediction.residency = .windowed
      prediction.slotCount = min(strideCount, slots)
      let misses = misses(slotCount: prediction.slotCount, of: strideCount, missesPerToken)
      let wanted = decode.hits + decode.misses
      prediction.hitRate = wanted > 0 ? 1 - misses / wanted : nil
      prediction.reads = reads(misses: misses)
    }
    prediction.speed = speed(prediction.reads)
    return prediction
  }

  /// Misses of a token, without those that only an empty window has.
  ///
  /// The curves begin with an empty window, and the run did not, unless the window keeps experts.
  /// What is missing even with room for all is first uses; the recorded misses tell how many of
  /// those were there, and a larger window held as much more as it holds of everything.
  private func misses(
    slotCount: Int, of strideCount: Int, _ missesPerToken: ([Int]) -> Double
  ) -> Double {
    let recordedSlots = run.header.layers.reduce(0) { $0 + $1.slots }
    func curve(_ count: Int) -> Double {
      missesPerToken(run.header.layers.map { $0.strides * count / max(1, strideCount) })
    }
    guard spread(.none) == nil else { return curve(slotCount) }
    func absent(_ count: Int) -> Double { 1 - Double(count) / Double(max(1, strideCount)) }
    let first = curve(strideCount)
    guard first > 0, recordedSlots > 0, absent(recordedSlots) > 0 else { return curve(slotCount) }
    let again = max(0, curve(recordedSlots) - first)
    let missing = min(1, max(0, (decode.misses - again) / first))
    let part = min(1, missing * absent(slotCount) / absent(recordedSlots))
    return max(0, curve(slotCount) - first) + first * part
  }

  /// The recorded reads, as many more or fewer as there are misses.
  private func reads(misses: Double) -> TokenReads {
    guard decode.misses >= 1 else {
      let size = Double(run.header.plan.slotBytes)
      return TokenReads(.scattered, count: misses, byteCount: misses * size)
    }
    let factor = misses / decode.misses
    return TokenReads(
      .scattered, count: decode.readCount * factor, byteCount: decode.readByteCount * factor)
  }

  /// Slots that a limit leaves for the window: what it has more than the recorded one goes there.
  /// Negative where it is too small even without any.
  private func slots(limit: Int, recorded: Int) -> Int {
    let slots = run.header.layers.reduce(0) { $0 + $1.slots }
    // With its entry in the tables, and what the kernel takes for it.
    let bytesPerSlot =
      Double(run.header.plan.slotBytes + WindowCache.tableByteCountPerSlot) * (1 + 1.0 / 400)
    return slots + Int((Double(limit - recorded) / max(1, bytesPerSlot)).rounded(.down))
  }

  private func speed(_ reads: TokenReads) -> SpeedPrediction? {
    guard reads.byteCount == 0 || device != nil else { return nil }
    // The device's rates, set right by what its reads took.
    let corrected = device?.scaled(by: 1 / correction)
    return SpeedPrediction(
      arithmeticSeconds: max(
        0.1 * workSeconds, workSeconds - readingSeconds(recordedReads) + readingSeconds(reads)),
      coveringSeconds: coveringSeconds, memorySeconds: nil, reads: reads, spread: spread(reads),
      device: corrected)
  }

  var recordedReads: TokenReads {
    TokenReads(
      run.header.plan.feedForward == "streamed" ? .sequential : .scattered,
      count: decode.readCount, byteCount: decode.readByteCount)
  }

  /// Seconds of the processor that looking neurons up and asking for these reads takes; of a run
  /// without a window none.
  func readingSeconds(_ reads: TokenReads) -> Double {
    guard case .scattered = reads.order else { return 0 }
    // Each missing expert's are handed over together.
    if let spread = spread(reads) {
      return (decode.hits + decode.misses) * SpeedPrediction.secondsPerLookUp
        + workingShare * readCost.seconds(calls: spread.misses, reads: reads.count)
    }
    let layers = Double(max(1, run.header.layers.count))
    let slices =
      run.header.run.mode == "predicted"
      ? 1
      : Double(run.header.layers.first?.decidingBytes ?? 0)
        / Double(max(1, run.header.run.sliceBytes))
    let calls = layers * ReadCost.calls(reads: reads.count / layers, slices: slices)
    return (decode.hits + decode.misses) * SpeedPrediction.secondsPerLookUp
      + readCost.seconds(calls: calls, reads: reads.count)
  }
}
