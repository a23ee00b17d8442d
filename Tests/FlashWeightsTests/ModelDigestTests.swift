import FlashIO
import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// The model's digest names the weights, not the order in which they lie.
struct ModelDigestTests {
  private let folder = ScratchFolder()

  private func convert(_ model: TinyModel, _ formats: StoreFormats) throws -> WeightStore {
    try? FileManager.default.removeItem(atPath: folder / "model")
    try model.write(to: folder / "model")
    _ = try Converter(
      source: folder / "model", target: folder / "s.flash",
      options: ConversionOptions(formats: formats, overwrite: true)
    ).run()
    return try WeightStore.open(folder / "s.flash")
  }

  @Test(arguments: [TinyModel.Family.deci, .opt])
  func reorderedStoreKeepsItsDigest(family: TinyModel.Family) throws {
    let model = TinyModel(family: family, seed: 4, feedForwardWidth: 23)
    let store = try convert(model, StoreFormats(.q4_0))
    var generator = SplitMix(seed: 8)
    let orders = model.configuration.layers.map {
      Array(0..<$0.feedForwardWidth).shuffled(using: &generator)
    }
    let reordered = try rewrite(store, orders: orders, declared: orders)
    #expect(reordered.manifest.modelDigest == store.manifest.modelDigest)
    #expect(reordered.manifest.bundles[0].checksum != store.manifest.bundles[0].checksum)
    // Without a calibration that tells the order, verify reads the weights as the checkpoint's.
    #expect(reordered.verify().map(\.description).contains { $0.contains("not the model's") })
    // The same bytes declared to lie in the checkpoint's order are another model.
    let other = try rewrite(store, orders: orders, declared: nil)
    #expect(other.manifest.modelDigest != store.manifest.modelDigest)
  }

  @Test func digestFollowsWeightsConfigurationAndFormat() throws {
    let model = TinyModel(family: .llama, seed: 4, keyValueHeads: [2, 2])
    var digests = [try convert(model, StoreFormats(.f16)).manifest.modelDigest]
    #expect(try convert(model, StoreFormats(.f16)).manifest.modelDigest == digests[0])
    digests.append(try convert(model, StoreFormats(.f16, head: .f32)).manifest.modelDigest)
    var other = model
    other.seed = 5
    digests.append(try convert(other, StoreFormats(.f16)).manifest.modelDigest)
    other = model
    other.configuration.maximumPositions += 1
    digests.append(try convert(other, StoreFormats(.f16)).manifest.modelDigest)
    #expect(Set(digests).count == digests.count)
  }

  /// A store with the neurons of `store` in other orders, biases over neurons too; strides are
  /// written last to first, as `StoreWriter` allows.
  private func rewrite(
    _ store: WeightStore, orders: [[Int]], declared: [[Int]]?
  ) throws -> WeightStore {
    let biases = Set(store.manifest.tensors.filter(\.isBias).map(\.role))
    let plan = StorePlan(
      configuration: store.configuration, formats: StoreFormats(.q4_0), biases: biases)
    let writer = try StoreWriter(
      target: folder / "r.flash", plan: plan, fingerprint: "reorder", overwrite: true,
      neuronOrders: declared)
    let dense = [UInt8](try Data(contentsOf: URL(filePath: store.densePath)))
    for (index, tensor) in plan.tensors.enumerated() {
      var bytes = Array(dense[tensor.extent.offset..<tensor.extent.end])
      if tensor.isBias, tensor.role == .up {
        let old = bytes
        for (place, original) in orders[tensor.layer!].enumerated() {
          bytes.replaceSubrange(
            4 * place..<4 * place + 4, with: old[4 * original..<4 * original + 4])
        }
      }
      try unsafe bytes.withUnsafeBytes {
        try unsafe writer.write(tensor: index, firstRow: 0, rows: $0)
      }
      try writer.finish(tensor: index)
    }
    let bundles = [UInt8](try Data(contentsOf: URL(filePath: store.bundlesPath)))
    for (layer, layout) in plan.bundles.enumerated() {
      var strides = [UInt8](repeating: 0, count: layout.extent.byteCount)
      func place(_ neuron: Int, _ part: Int) -> Int {
        neuron / layout.neuronsPerStride * layout.stride
          + layout.offset(ofPart: part, neuron: neuron % layout.neuronsPerStride)
      }
      for (neuron, original) in orders[layer].enumerated() {
        for (part, description) in layout.parts.enumerated() {
          let count = description.format.byteCount(width: layout.width)
          let source = layout.extent.offset + place(original, part)
          let target = place(neuron, part)
          strides.replaceSubrange(
            target..<target + count, with: bundles[source..<source + count])
        }
      }
      for stride in (0..<layout.strideCount).reversed() {
        let bytes = Array(strides[stride * layout.stride..<(stride + 1) * layout.stride])
        try unsafe bytes.withUnsafeBytes {
          try unsafe writer.write(layer: layer, firstStride: stride, strides: $0)
        }
      }
      try writer.finish(layer: layer)
    }
    _ = try writer.finish(
      StoreOrigin(
        generator: "test", layout: store.manifest.layout, source: store.manifest.source))
    return try WeightStore.open(folder / "r.flash")
  }
}
