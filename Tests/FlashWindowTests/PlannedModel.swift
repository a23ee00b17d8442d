import FlashIO
import FlashKernels
import FlashTestSupport

@testable import FlashWeights
@testable import FlashWindow

/// Manifests without a store behind them, and plans over them.
struct PlannedModel {
  var manifest: StoreManifest

  /// A model of 4 layers of different widths; large enough that every shape of run has a range of
  /// limits.
  init(
    format: RowFormat, width: Int = 256, neurons: Int = 4096, family: TinyModel.Family = .deci,
    hasTiedHead: Bool = false
  ) {
    var model = TinyModel(
      family: family, seed: 1, width: width, headDimension: 32, queryHeads: width / 32,
      keyValueHeads: [4, 2, 1, 4], feedForwardWidth: neurons, vocabularySize: 4000,
      maximumPositions: 2048, hasTiedHead: hasTiedHead)
    if family == .deci {
      for layer in model.configuration.layers.indices {
        model.configuration.layers[layer].feedForwardWidth -= 100 * layer
      }
    }
    let plan = StorePlan(configuration: model.configuration, formats: StoreFormats(format))
    manifest = StoreManifest(
      formatVersion: 1, generator: "", synthetic: nil, configuration: model.configuration,
      layout: model.layout, tensors: plan.tensors, bundles: plan.bundles,
      source: SourceRecord(name: "", digest: ""), modelDigest: "", parameterCount: 0, notes: [],
      companions: [], checksum: "")
  }

  /// A process of 10 MB and a kilobyte for each position.
  static func demand(
    _ exact: MemoryDemand.ExactDemand, context: Int? = 512
  ) -> MemoryDemand {
    MemoryDemand(
      items: {
        [.init("process", 10_000_000, ""), .init("kv cache", 1024 * $0, "\($0) positions")]
      },
      contextLength: context, maximumContextLength: 2048, exact: exact, rowsPerChunk: 16)
  }

  func planner(
    _ exact: MemoryDemand.ExactDemand, limit: Int?, context: Int? = 512, unit: Int = 512
  ) -> MemoryPlanner {
    var options = StorageOptions()
    options.memoryLimit = limit
    return MemoryPlanner(
      manifest: manifest, demand: Self.demand(exact, context: context), options: options,
      unit: unit)
  }
}

extension MemoryPlan {
  /// Bytes of the items that are arena.
  var arenaItemByteCount: Int {
    let names = ["weights", "deciding rows", "window", "look-ahead", "row buffers", "stream ring"]
    return items.reduce(0) { names.contains($1.name) ? $0 + $1.byteCount : $0 }
  }

  var shape: Int {
    switch feedForward {
    case .streamed: 0
    case .windowed: 1
    case .resident: 2
    }
  }

  /// Bytes of weights that stay in DRAM.
  func keptByteCount(_ manifest: StoreManifest) -> Int {
    let tensors = zip(manifest.tensors, residentTensors).reduce(0) {
      $1.1 ? $0 + $1.0.extent.byteCount : $0
    }
    switch feedForward {
    case .resident:
      return tensors + manifest.bundles.reduce(0) { $0 + $1.extent.byteCount }
    case .windowed(let slots, _):
      return tensors + slots.reduce(0, +) * slotByteCount
        + manifest.bundles.reduce(0) { $0 + $1.neuronCount * $1.lastPartByteCount }
    case .streamed(let strides):
      return tensors + zip(strides, manifest.bundles).reduce(0) { $0 + $1.0 * $1.1.stride }
    }
  }
}
