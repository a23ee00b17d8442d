internal import FlashIO
internal import FlashKernels
package import FlashWeights
package import FlashWindow

/// What one decoded token moves under a memory plan: bytes that kernels go through, and reads of
/// flash. No rates, so it is the same on every host.
package struct TokenTraffic: Sendable, Equatable {
  /// Bytes of weights that kernels go through: tensors used whole and the output head, rows that
  /// decide (or predictors), and the rows of neurons that are computed.
  package var weightByteCounts: [RowWork: Double]
  /// Of those, what is multiplied while a windowed run's reads are in flight: rows that decide but
  /// for the first slice, and up rows of what is in DRAM; of a token's experts all but one.
  package var coveringByteCounts: [RowWork: Double]
  /// Bytes of the KV cache that attention reads.
  package var keyValueByteCount: Double
  package var layerCount: Int
  package var reads: TokenReads
  /// Times that a windowed run hands reads over.
  package var readCallCount: Double
  /// Strides that are looked up in the window.
  package var lookUpCount: Double
  /// Of a windowed run whose window keeps experts.
  package var missSpread: MissSpread?
  /// Of the neurons a token computes, those in DRAM; nil where none are looked up.
  package var hitRate: Double?

  /// Reads of a windowed run.
  var scatteredCount: Double { reads.order == .scattered ? reads.count : 0 }

  /// Bytes of weights of all formats.
  package var weightByteCount: Double { weightByteCounts.values.reduce(0, +) }
}

/// What one token asks of flash.
package struct TokenReads: Sendable, Equatable {
  /// How reads follow one another.
  package enum Order: Sendable, Equatable {
    /// Nothing is read.
    case none
    /// Weights in the order of use, read ahead.
    case sequential
    /// Neurons, each layer's at once when it is known what fires.
    case scattered
  }

  package var order: Order
  package var count: Double
  package var byteCount: Double

  package init(_ order: Order, count: Double, byteCount: Double) {
    self.order = order
    self.count = count
    self.byteCount = byteCount
  }

  package static let none = TokenReads(.none, count: 0, byteCount: 0)
}

extension TokenTraffic {
  /// - Parameters:
  ///   - activity: `dense` unless only neurons that fire are computed.
  ///   - position: tokens in the KV cache.
  ///   - positionByteCount: bytes that one of them takes there.
  ///   - options: what decides which neighbours are read together.
  package init(
    _ manifest: StoreManifest, _ plan: MemoryPlan, activity: NeuronActivity, position: Int,
    positionByteCount: Int, options: StorageOptions
  ) {
    layerCount = manifest.bundles.count
    keyValueByteCount = Double(position * positionByteCount)
    weightByteCounts = Self.wholeByteCounts(manifest)
    coveringByteCounts = [:]
    reads = .none
    hitRate = nil
    lookUpCount = 0
    readCallCount = 0
    let room = manifest.windowRoom(plan)
    // Without a recorded run a router is taken to choose every expert as often, and an expert's
    // neurons to fire from use to use as a layer's do from token to token.
    let keepsExperts = plan.windowUnit == .experts
    let activeExperts = keepsExperts ? manifest.configuration.routing?.activeCount : nil
    let missRate = activeExperts == nil ? activity.missRate(room: room) : 1 - room
    for (layer, bundle) in manifest.bundles.enumerated() {
      if let activeExperts, bundle.expertCount != nil {
        addExperts(bundle, Double(activeExperts))
        continue
      }
      addNeurons(
        bundle, Double(manifest.configuration.neuronsPerToken(layer: layer)), activity,
        isPredicted: plan.predictorExtents != nil, hitRate: 1 - missRate)
    }
    if let extents = plan.predictorExtents {
      // The type of predictors is near q8_0 or q4_0; their bytes are few.
      weightByteCounts[RowWork(.q8_0), default: 0] += extents.reduce(0) {
        $0 + Double($1.byteCount)
      }
    }
    switch plan.feedForward {
    case .resident: break
    case .streamed:
      let byteCount = Double(plan.streamedByteCount(manifest))
      guard byteCount > 0 else { break }
      reads = TokenReads(
        .sequential, count: (byteCount / Double(plan.readByteCount)).rounded(.up),
        byteCount: byteCount)
    case .windowed:
      reads = TokenReads(.scattered, count: 0, byteCount: 0)
      hitRate = 1 - missRate
      let layers = Double(manifest.bundles.count { $0.expertCount != nil })
      missSpread = activeExperts.map {
        MissSpread(layerCount: layers, wanted: $0, misses: layers * Double($0) * missRate)
      }
      for (layer, bundle) in manifest.bundles.enumerated() {
        if let activeExperts, bundle.expertCount != nil {
          let misses = Double(activeExperts) * missRate
          let byteCount = bundle.extent(ofExpert: 0).byteCount
          lookUpCount += Double(activeExperts)
          reads.byteCount += misses * Double(byteCount)
          reads.count += misses * Double(ExpertReads.count(byteCount))
          readCallCount += misses
          continue
        }
        addLookUps(bundle, layer, manifest, plan, activity, missRate: missRate, options)
      }
    }
  }

  /// What a layer's neurons that are computed take of the window and of flash.
  private mutating func addLookUps(
    _ bundle: BundleLayout, _ layer: Int, _ manifest: StoreManifest, _ plan: MemoryPlan,
    _ activity: NeuronActivity, missRate: Double, _ options: StorageOptions
  ) {
    let neurons = Double(manifest.configuration.neuronsPerToken(layer: layer))
    lookUpCount +=
      neurons / Double(bundle.neuronsPerStride)
      * activity.strideFraction(neuronsPerStride: bundle.neuronsPerStride)
    let before = reads.count
    addMisses(
      bundle, neurons, activity, missRate: missRate, readSize: plan.slotByteCount, options)
    readCallCount += ReadCost.calls(
      reads: reads.count - before,
      slices: plan.predictorExtents == nil ? Self.sliceCount(bundle, neurons) : 1)
  }

  /// Tensors used whole by every token, the output head among them.
  private static func wholeByteCounts(_ manifest: StoreManifest) -> [RowWork: Double] {
    let head: TensorRole = manifest.configuration.hasTiedHead ? .tokenEmbedding : .outputHead
    var counts: [RowWork: Double] = [:]
    for tensor in manifest.tensors {
      let isLookedUp = tensor.role == .tokenEmbedding || tensor.role == .positionEmbedding
      guard !isLookedUp || tensor.role == head && !tensor.isBias else { continue }
      counts[RowWork(tensor.format), default: 0] += Double(tensor.extent.byteCount)
    }
    return counts
  }

  private mutating func addNeurons(
    _ bundle: BundleLayout, _ neurons: Double, _ activity: NeuronActivity, isPredicted: Bool,
    hitRate: Double
  ) {
    let deciding = bundle.parts.count - 1
    for (index, part) in bundle.parts.enumerated() {
      let byteCount = neurons * Double(part.format.byteCount(width: bundle.width))
      // Where nothing predicts, every row that decides is multiplied.
      let share = index == deciding && !isPredicted ? 1 : activity.fraction
      let work = RowWork(
        part.format, part.role == .down ? .accumulate : .dot, isScattered: share < 1)
      weightByteCounts[work, default: 0] += byteCount * share
      if index == deciding, !isPredicted {
        let slices = Self.sliceCount(bundle, neurons)
        coveringByteCounts[work, default: 0] += byteCount * (1 - 1 / slices)
      } else if part.role != .down {
        coveringByteCounts[work, default: 0] += byteCount * share * hitRate
      }
    }
  }

  /// A token's experts; what is there, and what came first, is computed while the rest is read: all
  /// but the last that comes.
  private mutating func addExperts(_ bundle: BundleLayout, _ active: Double) {
    for part in bundle.parts {
      let byteCount =
        active * Double(bundle.neuronsPerExpert * part.format.byteCount(width: bundle.width))
      let work = RowWork(part.format, part.role == .down ? .accumulate : .dot)
      weightByteCounts[work, default: 0] += byteCount
      coveringByteCounts[work, default: 0] += byteCount * (1 - 1 / active)
    }
  }

  /// Rows that decide are multiplied in slices of this many bytes, and reads begin after the first.
  private static let sliceByteCount = 2 << 20

  private static func sliceCount(_ bundle: BundleLayout, _ neurons: Double) -> Double {
    max(1, neurons * Double(bundle.lastPartByteCount) / Double(sliceByteCount))
  }

  /// Misses lie scattered: each is read with the one before it where that lies near enough.
  private mutating func addMisses(
    _ bundle: BundleLayout, _ neurons: Double, _ activity: NeuronActivity, missRate: Double,
    readSize: Int, _ options: StorageOptions
  ) {
    let density =
      missRate * activity.strideFraction(neuronsPerStride: bundle.neuronsPerStride)
    let misses = density * neurons / Double(bundle.neuronsPerStride)
    guard misses > 0 else { return }
    let most = options.readAmplificationLimit * Double(2 * readSize)
    // The odds that the next stride that is missing lies no nearer, and what lies between.
    var alone = 1.0
    var unwanted = 0.0
    for distance in 1...max(1, bundle.strideCount) {
      let gap = distance * bundle.stride - readSize
      guard gap <= options.mergeGapByteCount, Double(2 * readSize + gap) <= most else { break }
      unwanted += alone * density * Double(max(0, gap))
      alone *= 1 - density
    }
    reads.count += misses * alone
    reads.byteCount += misses * (Double(readSize) + unwanted)
  }
}
