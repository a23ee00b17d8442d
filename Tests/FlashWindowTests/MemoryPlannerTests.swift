import FlashIO
import FlashKernels
import FlashTestSupport
import Testing

@testable import FlashWeights
@testable import FlashWindow

/// The plan's sum is true, fits the limit, and uses what a larger limit gives.
struct MemoryPlannerTests {
  static let models = [
    PlannedModel(format: .f32), PlannedModel(format: .q4_0), PlannedModel(format: .q8_0),
    PlannedModel(format: .f16, family: .opt), PlannedModel(format: .bf16, hasTiedHead: true),
  ]
  static let demands: [MemoryDemand.ExactDemand] = [.no, .ifItFits, .required]

  /// Limits from the floor to past all resident, in steps that are no multiples of a page.
  private static func limits(_ plan: MemoryPlan) -> [Int] {
    let span = plan.residentByteCount - plan.minimumByteCount
    return (0...60).map { plan.minimumByteCount + span * $0 / 57 + $0 % 3 }
  }

  @Test(arguments: models.indices, [512, 4096])
  func theSumIsTrueAndFitsTheLimit(model: Int, unit: Int) throws {
    let model = Self.models[model]
    for exact in Self.demands {
      for context in [nil, 200, 512] {
        let free = try model.planner(exact, limit: nil, context: context, unit: unit).plan()
        #expect(free.feedForward == .resident)
        for limit in Self.limits(free) {
          let planner = model.planner(exact, limit: limit, context: context, unit: unit)
          let plan = try planner.plan()
          #expect(plan.byteCount <= limit)
          if let context { #expect(plan.contextLength == context) }
          #expect(plan.contextLength >= 512 || context != nil)
          #expect(plan.contextLength <= 2048)
          #expect(exact != .required || plan.shape > 0)
          #expect(exact != .no || plan.shape != 1)
          #expect(plan.minimumByteCount == free.minimumByteCount)
          let arena = WeightResidency.arenaByteCount(
            manifest: model.manifest, plan: plan, unit: unit, rowsPerChunk: 16)
          // An embedding that the head shares needs no row buffers once it is resident.
          #expect(plan.arenaItemByteCount >= arena)
          #expect(
            plan.arenaItemByteCount == arena || model.manifest.configuration.hasTiedHead)
        }
      }
    }
  }

  /// A window of neurons where the gates of all experts fit and few neurons fire, else of experts.
  @Test(arguments: [512, 4096], [0.001, 1])
  func expertsAreKeptWholeOrByTheirNeurons(unit: Int, activeFraction: Double) throws {
    let model = PlannedModel(format: .q4_0, neurons: 1024, family: .turboSparseMixtral)
    func planner(_ exact: MemoryDemand.ExactDemand, limit: Int?) -> MemoryPlanner {
      var planner = model.planner(exact, limit: limit, unit: unit)
      planner.demand.activeFraction = activeFraction
      return planner
    }
    let least = try Self.demands.map { try planner($0, limit: nil).plan().minimumByteCount }
    #expect(least[0] == least[1] && least[1] < least[2])
    for exact in Self.demands {
      let free = try planner(exact, limit: nil).plan()
      #expect(free.feedForward == .resident)
      for limit in Self.limits(free) {
        let plan = try planner(exact, limit: limit).plan()
        #expect(plan.byteCount <= limit && plan.shape > 0)
        #expect(plan.minimumByteCount == free.minimumByteCount)
        let pays = limit >= least[2] && (activeFraction < 1 || plan.feedForward == .resident)
        // With room for nearly all experts those are hardly read either.
        let isClose = plan.shape == 1 && limit > free.residentByteCount * 9 / 10
        let isByNeurons = exact == .required || exact == .ifItFits && pays
        #expect(plan.windowUnit == (isByNeurons ? .neurons : .experts) || isClose)
        #expect(
          plan.arenaItemByteCount
            == WeightResidency.arenaByteCount(
              manifest: model.manifest, plan: plan, unit: unit, rowsPerChunk: 16))
      }
      #expect(throws: MemoryPlanError.self) {
        try planner(exact, limit: free.minimumByteCount - 1).plan()
      }
    }
  }

  @Test(arguments: models.indices)
  func aLargerLimitKeepsMore(model: Int) throws {
    let model = Self.models[model]
    for exact in Self.demands {
      let free = try model.planner(exact, limit: nil).plan()
      var last: MemoryPlan?
      for limit in Self.limits(free) {
        let plan = try model.planner(exact, limit: limit).plan()
        if let last {
          #expect(plan.shape >= last.shape)
          if plan.shape == last.shape {
            // What is not kept went to a further ring buffer.
            let kept = plan.keptByteCount(model.manifest) + plan.ring.byteCount
            let before = last.keptByteCount(model.manifest) + last.ring.byteCount
            #expect(kept >= before, "limit \(limit)")
            #expect(plan.ring.bufferCount >= last.ring.bufferCount)
          }
        }
        last = plan
      }
      #expect(last?.feedForward == .resident)
    }
  }

  @Test(arguments: models.indices)
  func belowTheFloorTheArithmeticIsTold(model: Int) throws {
    let model = Self.models[model]
    for exact in Self.demands {
      let floor = try model.planner(exact, limit: nil).plan().minimumByteCount
      for limit in [0, 1, floor / 2, floor - 1] {
        let error = try #require(throws: MemoryPlanError.self) {
          _ = try model.planner(exact, limit: limit).plan()
        }
        #expect(error.limit == limit && error.requiredByteCount == floor)
        #expect(error.items.reduce(0) { $0 + $1.byteCount } == floor)
        #expect(!error.fixes.isEmpty)
      }
      _ = try model.planner(exact, limit: floor).plan()
    }
  }

  @Test func aChosenContextGrowsWithTheLimit() throws {
    let model = Self.models[0]
    let free = try model.planner(.ifItFits, limit: nil, context: nil).plan()
    #expect(free.contextLength == 2048)
    var last = 0
    for limit in Self.limits(free) {
      let plan = try model.planner(.no, limit: limit, context: nil).plan()
      if plan.feedForward != .resident {
        #expect(plan.contextLength >= last)
        last = plan.contextLength
      }
    }
    #expect(last > 512)
  }

  @Test func aWindowedRunPrefersTheWindowToALongContext() throws {
    let model = Self.models[0]
    let (short, long) = (
      try model.planner(.required, limit: nil, context: 512).plan().minimumByteCount,
      try model.planner(.required, limit: nil, context: 2048).plan().minimumByteCount
    )
    let plan = try model.planner(.required, limit: long, context: nil).plan()
    #expect(short < long && plan.contextLength == 512)
  }

  /// The bytes of every policy's tables are in the plan, slots included.
  @Test(arguments: [.window(tokens: 4), .lru, .lfu, .lfru] as [ReplacementPolicy])
  func theTablesOfAPolicyAreCounted(policy: ReplacementPolicy) throws {
    let model = Self.models[0]
    let roomy = model.planner(.required, limit: nil)
    let free = try MemoryPlanner(
      manifest: roomy.manifest, demand: roomy.demand, options: roomy.options.with(policy),
      unit: roomy.unit
    ).plan()
    for percent in [0, 40] {
      var planner = model.planner(
        .required,
        limit: free.minimumByteCount
          + (free.residentByteCount - free.minimumByteCount) * percent / 100)
      planner = MemoryPlanner(
        manifest: planner.manifest, demand: planner.demand,
        options: planner.options.with(policy), unit: planner.unit)
      let plan = try planner.plan()
      guard case .windowed(let slots, _) = plan.feedForward else {
        Issue.record("\(policy), \(percent) %: not windowed")
        continue
      }
      let strides = model.manifest.bundles.map(\.strideCount)
      let tables = zip(strides, slots).reduce(0) {
        $0 + SlotTable(strideCount: $1.0, slotCount: $1.1, policy: policy).byteCount
      }
      let item = plan.items.first { $0.name == "window tables" }?.byteCount
      #expect(item == tables + 160 * strides.max()!)
      #expect(slots.reduce(0, +) > 0 || percent == 0)
    }
  }
}

extension StorageOptions {
  fileprivate func with(_ policy: ReplacementPolicy) -> StorageOptions {
    var options = self
    options.policy = policy
    return options
  }
}
