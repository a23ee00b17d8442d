internal import FlashIO
package import FlashModel
package import FlashWeights
internal import FlashWindow

/// Runs of a decoder as tests compare them.
package enum DecoderRuns {
  /// The logits of every token `[tokens, vocabulary]`, all of them prompt, fed in chunks as the
  /// options say.
  package static func logits(
    _ store: WeightStore, _ tokens: [Int32], options: DecoderOptions
  ) throws -> [Float] {
    var options = options
    options.logitsRowCapacity = options.prefillChunk ?? 64
    let decoder = try Decoder(store: store, options: options)
    return try logits(decoder, tokens)
  }

  /// As above, on a decoder that is open already; it is reset before.
  package static func logits(_ decoder: Decoder, _ tokens: [Int32]) throws -> [Float] {
    decoder.reset()
    var rows: [Float] = []
    try unsafe decoder.forward(tokens, promptEnd: tokens.count, logits: .all) { _, values in
      unsafe rows.append(contentsOf: values)
    }
    return rows
  }

  /// Continues `prompt` greedily, the lowest ID winning a tie.
  package static func greedy(
    _ decoder: Decoder, _ prompt: [Int32], count: Int
  ) throws -> [Int32] {
    decoder.reset()
    var tokens: [Int32] = []
    var next = prompt
    for _ in 0..<count {
      var best = (index: 0, value: -Float.infinity)
      try unsafe decoder.forward(next, promptEnd: prompt.count, logits: .last) { _, values in
        for unsafe(index, value) in unsafe values.enumerated() where value > best.value {
          best = (index, value)
        }
      }
      next = [Int32(best.index)]
      tokens.append(next[0])
    }
    return tokens
  }

  /// The largest absolute difference over the largest absolute reference value.
  package static func relativeDifference(_ found: [Float], _ reference: [Float]) -> Float {
    precondition(found.count == reference.count, "as many values as the reference has")
    let scale = reference.map(abs).max() ?? 1
    return zip(found, reference).map { abs($0 - $1) }.max().map { $0 / scale } ?? 0
  }
}

extension DecoderRuns {
  /// Options whose limit lies `percent` of the way from the smallest plan to all resident.
  ///
  /// - Parameter unit: a simulated device's direct-I/O unit; nil takes the file system's.
  package static func limited(
    _ options: DecoderOptions, _ store: WeightStore, percent: Int, unit: Int? = nil
  ) throws -> DecoderOptions {
    let (plan, _) = try Decoder.plan(store: store, options: options)
    var floor = plan.minimumByteCount
    var limited = options
    if let unit {
      limited.storage.memoryLimit = 0
      do {
        _ = try simulated(store, limited, seed: 0, unit: unit)
      } catch let error as MemoryPlanError {
        floor = error.requiredByteCount
      }
    }
    let most = options.storage.residency == .window ? plan.byteCount : plan.residentByteCount
    limited.storage.memoryLimit = floor + (most - floor) * percent / 100
    return limited
  }

  /// A decoder over the simulated device.
  ///
  /// - Parameter unit: the device's direct-I/O unit; nil takes the file system's.
  package static func simulated(
    _ store: WeightStore, _ options: DecoderOptions, seed: UInt64, unit: Int? = nil,
    faults: SimulatedFaults = SimulatedFaults()
  ) throws -> (decoder: Decoder, engine: SimulatedReadEngine) {
    let support = unit.map { DirectSupport.unit($0) } ?? .asReported
    var paths = [store.densePath, store.bundlesPath]
    if options.sparsity == .predicted { paths.append(store.predictorPath) }
    let files = try paths.map {
      try FlashFile(path: $0, support: support)
    }
    var made: SimulatedReadEngine?
    let decoder = try Decoder(
      manifest: store.manifest, calibration: store.calibration,
      firingCounts: try store.firingCounts(), files: files, options: options
    ) { _, capacity in
      let engine = SimulatedReadEngine(
        files: files, queueDepth: options.storage.queueDepth, capacity: capacity, seed: seed,
        faults: faults)
      made = engine
      return engine
    }
    return (decoder, made!)
  }
}
