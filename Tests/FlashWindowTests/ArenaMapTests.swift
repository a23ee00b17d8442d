import FlashIO
import FlashKernels
import FlashTestSupport
import Testing

@testable import FlashWeights
@testable import FlashWindow

/// Everything has a place of its own in the arena, and every streamed row passes once and in order.
struct ArenaMapTests {
  private func plans(_ model: PlannedModel, unit: Int) throws -> [MemoryPlan] {
    var plans: [MemoryPlan] = []
    for exact in [MemoryDemand.ExactDemand.no, .required] {
      let free = try model.planner(exact, limit: nil, unit: unit).plan()
      for percent in [0, 13, 50, 99, 100] {
        let span = free.residentByteCount - free.minimumByteCount
        let limit = free.minimumByteCount + span * percent / 100
        plans.append(try model.planner(exact, limit: limit, unit: unit).plan())
      }
    }
    #expect(Set(plans.map(\.shape)) == [0, 1, 2])
    return plans
  }

  @Test(arguments: [512, 4096])
  func residentPartsLieApartExceptWhereTheBuffersAre(unit: Int) throws {
    let model = MemoryPlannerTests.models[0]
    var plan = try model.planner(.no, limit: nil, unit: unit).plan()
    let map = ArenaMap(manifest: model.manifest, plan: plan, unit: unit, rowsPerChunk: 16)
    let buffer = try #require(map.bufferLayer)
    for (layer, bundle) in model.manifest.bundles.enumerated() {
      #expect(map.partsLieApart(layer: layer) == (layer != buffer))
      #expect(bundle.extent.byteCount <= model.manifest.bundles[buffer].extent.byteCount)
      #expect(
        bundle.offsetApart(ofPart: bundle.parts.count - 1, neuron: bundle.neuronCount)
          <= bundle.extent.byteCount)
    }
    plan.predictorExtents = []
    let predicted = ArenaMap(manifest: model.manifest, plan: plan, unit: unit, rowsPerChunk: 16)
    #expect(predicted.bufferLayer == nil)
  }

  @Test(arguments: MemoryPlannerTests.models.indices, [512, 4096])
  func placesAreAlignedAndDoNotOverlap(model: Int, unit: Int) throws {
    let manifest = MemoryPlannerTests.models[model].manifest
    for plan in try plans(MemoryPlannerTests.models[model], unit: unit) {
      let map = ArenaMap(manifest: manifest, plan: plan, unit: unit, rowsPerChunk: 16)
      var places: [(start: Int, byteCount: Int)] = []
      for (tensor, start) in zip(manifest.tensors, map.tensors) {
        if let start { places.append((start, tensor.extent.byteCount)) }
      }
      for (layer, bundle) in manifest.bundles.enumerated() {
        switch plan.feedForward {
        case .resident: places.append((map.bundles[layer]!, bundle.extent.byteCount))
        case .windowed(let slots, _):
          places.append((map.slots[layer], slots[layer] * plan.slotByteCount))
          places.append(
            (map.decidingRows[layer]!, bundle.neuronCount * bundle.lastPartByteCount))
        case .streamed(let strides):
          #expect((map.bundles[layer] == nil) == (strides[layer] == 0))
          places.append((map.bundles[layer] ?? 0, strides[layer] * bundle.stride))
        }
      }
      switch plan.feedForward {
      case .windowed(_, let staging):
        places.append((map.stagingSlots, staging * plan.slotByteCount))
        places.append((map.mergeStaging, plan.mergeByteCount))
      case .streamed: places.append((map.ring, plan.ring.byteCount))
      case .resident: break
      }
      if map.rowByteCount > 0 { places.append((map.rows, 2 * 16 * map.rowByteCount)) }
      places = places.filter { $0.byteCount > 0 }.sorted { $0.start < $1.start }
      for place in places { #expect(place.start % max(4096, unit) == 0) }
      for (place, next) in zip(places, places.dropFirst()) {
        #expect(place.start + place.byteCount <= next.start)
      }
      #expect(places.last!.start + places.last!.byteCount <= map.byteCount)
    }
  }

  @Test(arguments: MemoryPlannerTests.models.indices, [1, 512, 4096])
  func piecesCoverEveryRowOnceAndInOrder(model: Int, unit: Int) throws {
    let manifest = MemoryPlannerTests.models[model].manifest
    for plan in try plans(MemoryPlannerTests.models[model], unit: unit) {
      let map = ArenaMap(manifest: manifest, plan: plan, unit: unit, rowsPerChunk: 16)
      let schedule = WeightSchedule(
        manifest: manifest, plan: plan, map: map, units: [unit, unit])
      for (index, tensor) in manifest.tensors.enumerated() {
        let isRead = plan.residentTensors[index] || !manifest.isLookedUp(tensor)
        check(
          schedule.tensors[index], schedule, plan, rows: isRead ? tensor.rows : 0,
          rowByteCount: tensor.rowByteCount, start: tensor.extent.offset)
      }
      for (layer, bundle) in manifest.bundles.enumerated() {
        check(
          schedule.bundles[layer], schedule, plan,
          rows: plan.shape == 1 ? 0 : bundle.strideCount, rowByteCount: bundle.stride,
          start: bundle.extent.offset)
      }
      #expect(order(schedule, manifest) == Array(schedule.segments.indices))
      #expect(schedule.bodyCount <= schedule.segments.count)
    }
  }

  private func check(
    _ pieces: [WeightPiece], _ schedule: WeightSchedule, _ plan: MemoryPlan, rows: Int,
    rowByteCount: Int, start: Int
  ) {
    var next = 0
    for piece in pieces {
      #expect(piece.rows.lowerBound == next && !piece.rows.isEmpty)
      next = piece.rows.upperBound
      guard let index = piece.segment else { continue }
      let extent = schedule.segments[index].extent
      let first = start + piece.rows.lowerBound * rowByteCount
      #expect(extent.offset + piece.offset == first)
      #expect(extent.end >= start + piece.rows.upperBound * rowByteCount)
      #expect(extent.byteCount <= plan.ring.bufferByteCount)
    }
    #expect(next == rows)
  }

  /// The segments in the order in which a forward pass asks for them.
  private func order(_ schedule: WeightSchedule, _ manifest: StoreManifest) -> [Int] {
    let roles: [TensorRole] = [
      .attentionNorm, .query, .key, .value, .attentionOutput, .feedForwardNorm,
    ]
    var order: [Int] = []
    func append(_ role: TensorRole, _ layer: Int?) {
      for (index, tensor) in manifest.tensors.enumerated()
      where tensor.role == role && tensor.layer == layer {
        order += schedule.tensors[index].compactMap(\.segment)
      }
    }
    for layer in manifest.bundles.indices {
      for role in roles { append(role, layer) }
      order += schedule.bundles[layer].compactMap(\.segment)
    }
    append(.outputNorm, nil)
    #expect(order.count == schedule.bodyCount)
    append(manifest.configuration.hasTiedHead ? .tokenEmbedding : .outputHead, nil)
    return order
  }
}
