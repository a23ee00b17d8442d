package import FlashIO
package import FlashWeights

/// What the process will hold in memory, decided before anything is loaded.
///
/// The limit is the whole process: weights, KV cache, window, scratch, I/O buffers, tokenizer and
/// the runtime itself. The plan decides which tensors are resident, whether the feed-forward part
/// is resident, windowed or streamed, and how long the context is. It never changes the mode of
/// arithmetic that was asked for; it refuses instead, with the sum.
package struct MemoryPlan: Sendable, Equatable {
  /// One line of the sum.
  package struct Item: Sendable, Equatable {
    package var name: String
    package var byteCount: Int
    /// What it is for, and how many of what.
    package var detail: String

    package init(_ name: String, _ byteCount: Int, _ detail: String) {
      self.name = name
      self.byteCount = byteCount
      self.detail = detail
    }
  }

  /// Where the neurons are while the model runs.
  package enum FeedForwardResidency: Sendable, Equatable {
    /// All bundles of every layer.
    case resident
    /// Deciding rows resident and fronts of bundles in `slotsPerLayer` slots of each layer, or,
    /// with predictors, whole bundles in the slots, or experts (`windowUnit`); the rest is read
    /// into `stagingSlots` slots that nobody keeps.
    case windowed(slotsPerLayer: [Int], stagingSlots: Int)
    /// The first `residentStrides` strides of each layer; the others pass through the stream ring.
    case streamed(residentStrides: [Int])
  }

  /// What a window keeps or drops as one.
  package enum WindowUnit: Sendable {
    /// Strides of bundles, or their fronts.
    case neurons
    /// Experts whole; no deciding row is resident apart from them.
    case experts
  }

  /// Bytes the process may take; nil where there is no limit.
  package var limit: Int?
  package var items: [Item]
  package var contextLength: Int
  package var feedForward: FeedForwardResidency
  /// Of the window that there is, or would be under a lower limit.
  package var windowUnit: WindowUnit
  /// For each tensor of the manifest, whether it is resident.
  package var residentTensors: [Bool]
  package var ring: StreamRingShape
  package var slotByteCount: Int
  /// What of the predictor file is resident, instead of deciding rows, so that slots hold whole
  /// bundles; nil where neurons are not predicted.
  package var predictorExtents: [FileExtent]?
  /// Bytes of the area in which merged reads of a windowed run land.
  package var mergeByteCount: Int
  /// Slots for bundles that are read on a guess.
  package var lookAheadSlots: Int
  /// Weights as stored, without padding.
  package var modelByteCount: Int
  /// The smallest limit for this command (with the context asked for, or 512 positions).
  package var minimumByteCount: Int
  /// What everything resident takes.
  package var residentByteCount: Int
  /// Choices a user would want to know of, a sentence each.
  package var notes: [String]

  /// Bytes of most reads while the model runs, or of a neuron's where nothing is read.
  package var readByteCount: Int {
    if case .streamed = feedForward {
      return min(ring.bufferByteCount, StreamRing.requestByteCount)
    }
    // An expert is read in pieces.
    return min(max(512, slotByteCount), ExpertReads.byteCount)
  }

  package var byteCount: Int { items.reduce(0) { $0 + $1.byteCount } }

  var usesPredictors: Bool { predictorExtents != nil }

  /// Bytes that pass through the ring for a token, widening aside; 0 for other shapes.
  package func streamedByteCount(_ manifest: StoreManifest) -> Int {
    guard case .streamed(let residentStrides) = feedForward else { return 0 }
    let tensors = zip(manifest.tensors, residentTensors).reduce(0) { sum, pair in
      pair.1 || manifest.isLookedUp(pair.0) ? sum : sum + pair.0.extent.byteCount
    }
    return zip(manifest.bundles, residentStrides).reduce(tensors) {
      $0 + ($1.0.strideCount - $1.1) * $1.0.stride
    }
  }
}

/// The buffers through which tensors pass that are not resident.
package struct StreamRingShape: Sendable, Equatable {
  package var bufferCount: Int
  /// Bytes of one buffer, a multiple of 4096; a row and its widening fit.
  package var bufferByteCount: Int

  package var byteCount: Int { bufferCount * bufferByteCount }
}

/// The plan that was asked for does not fit the limit (exit code 3).
package struct MemoryPlanError: Error, Sendable {
  package var limit: Int
  /// The smallest limit that would do.
  package var requiredByteCount: Int
  /// The sum that makes up `requiredByteCount`.
  package var items: [MemoryPlan.Item]
  /// The nearest fixes, a sentence each.
  package var fixes: [String]

  package init(
    limit: Int, requiredByteCount: Int, items: [MemoryPlan.Item], fixes: [String]
  ) {
    self.limit = limit
    self.requiredByteCount = requiredByteCount
    self.items = items
    self.fixes = fixes
  }
}

/// What a decoder needs beside weights, for a given context length.
package struct MemoryDemand: Sendable {
  /// Process, tokenizer, scratch and KV cache at `contextLength` positions.
  package var items: @Sendable (_ contextLength: Int) -> [MemoryPlan.Item]
  /// Positions asked for; nil chooses.
  package var contextLength: Int?
  /// The most positions that a chosen context may have.
  package var maximumContextLength: Int
  /// Which arithmetic is wanted: `exact` needs the deciding rows. A model with experts keeps those
  /// whole where it is not.
  package var exact: ExactDemand
  /// What of the predictor file must be resident; nil where neurons are not predicted. With
  /// predictors `exact` is not looked at: what is predicted is computed wherever bundles are.
  package var predictorExtents: [FileExtent]?
  /// Rows of the embedding that one chunk may look up.
  package var rowsPerChunk: Int
  /// Of the neurons of a token's experts, those that are expected to fire.
  package var activeFraction = 1.0

  package enum ExactDemand: Sendable { case no, ifItFits, required }

  package init(
    items: @escaping @Sendable (Int) -> [MemoryPlan.Item], contextLength: Int?,
    maximumContextLength: Int, exact: ExactDemand, predictorExtents: [FileExtent]? = nil,
    rowsPerChunk: Int
  ) {
    self.items = items
    self.contextLength = contextLength
    self.maximumContextLength = maximumContextLength
    self.exact = exact
    self.predictorExtents = predictorExtents
    self.rowsPerChunk = rowsPerChunk
  }
}
