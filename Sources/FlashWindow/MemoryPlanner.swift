import FlashIO
package import FlashWeights

/// Turns a store, a demand and a limit into a `MemoryPlan`.
///
/// Four shapes of run are tried, best first: all resident; windowed (sparse, deciding rows or
/// predictors resident); streamed with as much resident as fits; and at the floor everything
/// streamed.
package struct MemoryPlanner {
  /// A context chosen without `-c` is judged at this many positions for the floor.
  static let floorContextLength = 512

  let manifest: StoreManifest
  var demand: MemoryDemand
  let options: StorageOptions
  /// The larger direct-I/O unit of the store's files in bytes.
  let unit: Int

  package init(
    manifest: StoreManifest, demand: MemoryDemand, options: StorageOptions, unit: Int
  ) {
    self.manifest = manifest
    self.demand = demand
    self.options = options
    self.unit = max(unit, 512)
  }

  /// - Throws: `MemoryPlanError` when the limit is below the floor of what was asked for.
  package func plan() throws(MemoryPlanError) -> MemoryPlan {
    guard manifest.hasExperts, demand.exact == .ifItFits else { return try planOfOneUnit() }
    return try planOfEitherUnit()
  }

  func planOfOneUnit() throws(MemoryPlanError) -> MemoryPlan {
    let floorContext = self.floorContext
    let shape = try bestShape(contextLength: floorContext)
    guard demand.contextLength == nil else {
      return make(shape, contextLength: floorContext)
    }
    return make(shape, contextLength: largestContext(for: shape, atLeast: floorContext))
  }

  /// The context that the floor is judged at.
  var floorContext: Int {
    demand.contextLength ?? min(Self.floorContextLength, demand.maximumContextLength)
  }

  /// What a window keeps or drops as one.
  var windowUnit: MemoryPlan.WindowUnit {
    manifest.hasExperts && demand.exact == .no && !usesPredictors ? .experts : .neurons
  }

  /// Whether neurons, or experts, must be at hand one by one where not all are resident.
  var needsWindow: Bool { demand.exact == .required || usesPredictors || manifest.hasExperts }

  var usesPredictors: Bool { demand.predictorExtents != nil }

  /// What a run looks like, before sizes are filled in.
  enum Shape: Equatable { case resident, windowed, streamed }

  private func bestShape(contextLength: Int) throws(MemoryPlanError) -> Shape {
    if let shape = forcedShape {
      let needed = items(shape, contextLength)
      guard options.memoryLimit ?? Int.max >= sum(needed) else {
        throw tooSmall(needed, contextLength: contextLength)
      }
      return shape
    }
    guard let limit = options.memoryLimit else { return .resident }
    if limit >= sum(items(.resident, contextLength)) { return .resident }
    let mayHaveWindow = needsWindow || demand.exact == .ifItFits
    if mayHaveWindow, limit >= sum(items(.windowed, contextLength)) { return .windowed }
    let floor = floorItems(contextLength)
    guard !needsWindow, limit >= sum(floor) else {
      throw tooSmall(floor, contextLength: contextLength)
    }
    return .streamed
  }

  /// The shape of a run that keeps less than what fits; nil where the limit decides.
  var forcedShape: Shape? {
    switch options.residency {
    case .whatFits: return nil
    case .nothing, .dense: return .streamed
    case .decidingRows, .window:
      precondition(
        demand.exact != .no || usesPredictors || manifest.hasExperts,
        "only a sparse model keeps neurons apart")
      return .windowed
    }
  }

  private func tooSmall(_ items: [MemoryPlan.Item], contextLength: Int) -> MemoryPlanError {
    MemoryPlanError(
      limit: options.memoryLimit ?? 0, requiredByteCount: sum(items), items: items,
      fixes: fixes(needed: sum(items), contextLength: contextLength))
  }

  /// The largest context that keeps the shape, in steps of 64 positions.
  private func largestContext(for shape: Shape, atLeast floor: Int) -> Int {
    let ceiling = demand.maximumContextLength
    guard let limit = options.memoryLimit else { return ceiling }
    // The window keeps an eighth of the neurons, about one token's working set of a ReLU model,
    // before the context grows; a streamed run takes what its floor leaves.
    // Of experts it keeps a token's cycle: below that it keeps nothing.
    let part = windowUnit == .experts ? cycleByteCount : bundleByteCount / 8
    let reserve = shape == .windowed ? part : 0
    func fits(_ length: Int) -> Bool { sum(items(shape, length)) + reserve <= limit }
    if fits(ceiling) { return ceiling }
    var low = floor / 64
    var high = ceiling / 64
    while low < high {
      let middle = (low + high + 1) / 2
      if fits(middle * 64) { low = middle } else { high = middle - 1 }
    }
    return max(floor, low * 64)
  }

  private func fixes(needed: Int, contextLength: Int) -> [String] {
    var fixes = ["--mem-limit \(needed) or more"]
    let shortContext = 128
    if contextLength > shortContext {
      let saved = needed - min(needed, sum(floorItems(shortContext)))
      fixes.append("-c \(shortContext) saves \(saved) bytes of KV cache and scratch")
    }
    if needsWindow, windowUnit == .neurons {
      let dense = sum(denseFloorItems(contextLength))
      fixes.append("--sparsity dense runs from \(dense) bytes")
    }
    fixes.append("a smaller weight type (convert --type q4_0)")
    return fixes
  }
}
