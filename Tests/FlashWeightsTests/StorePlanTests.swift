import FlashIO
import FlashKernels
import FlashTestSupport
import Testing

@testable import FlashWeights

/// Where a plan puts things.
struct StorePlanTests {
  private func layout(width: Int, format: RowFormat, isGated: Bool, neurons: Int) -> BundleLayout {
    let model = TinyModel(family: isGated ? .llama : .opt, seed: 0, width: width)
    return BundleLayout(
      neuronCount: neurons, configuration: model.configuration, formats: StoreFormats(format),
      offset: 0)
  }

  @Test func paddingIsAtMostATenthWithTheFewestNeurons() {
    for isGated in [true, false] {
      for format in RowFormat.allCases {
        for width in stride(from: 32, through: 4096, by: 32) {
          let layout = layout(width: width, format: format, isGated: isGated, neurons: 7)
          let payload = layout.frontBytesPerNeuron + layout.lastPartByteCount
          func padding(_ neurons: Int) -> Int {
            (512 - neurons * payload % 512) % 512
          }
          func isTight(_ neurons: Int) -> Bool { padding(neurons) * 10 <= neurons * payload }
          let count = layout.neuronsPerStride
          #expect(isTight(count) && !(1..<count).contains(where: isTight))
          #expect(layout.stride == count * payload + padding(count))
        }
      }
    }
  }

  @Test func publishedShapeHasTheStrideOfTheDesign() {
    let layout = layout(width: 4096, format: .q4_0, isGated: true, neurons: 11008)
    #expect(layout.frontByteCount == 9 * 512)
    #expect(layout.stride == 14 * 512 && layout.neuronsPerStride == 1)
    #expect(layout.parts.map(\.role) == [.up, .down, .gate])
  }

  @Test func partsOfAStrideCoverItWithoutOverlap() {
    for isGated in [true, false] {
      for format in RowFormat.allCases {
        let width = max(32, format.valuesPerBlock)
        let layout = layout(width: width, format: format, isGated: isGated, neurons: 9)
        var owner = [Int](repeating: 0, count: layout.stride)
        for neuron in 0..<layout.neuronsPerStride {
          for part in layout.parts.indices {
            let start = layout.offset(ofPart: part, neuron: neuron)
            for byte in start..<start + format.byteCount(width: width) { owner[byte] += 1 }
          }
        }
        let used = layout.neuronsPerStride * (layout.frontBytesPerNeuron + layout.lastPartByteCount)
        #expect(owner[..<used].allSatisfy { $0 == 1 } && owner[used...].allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func extentsOfRandomModelsLieApartOnSectors() {
    for seed in UInt64(0)..<50 {
      let model = TinyModel.random(seed: seed)
      let plan = StorePlan(
        configuration: model.configuration, formats: StoreFormats(.q4_0),
        biases: Set(model.tensors.filter(\.shape.isBias).map(\.shape.role)))
      var end = plan.denseHeader.count
      for tensor in plan.tensors {
        #expect(tensor.extent.offset % 4096 == 0 && tensor.extent.offset >= end)
        #expect(tensor.extent.offset - end < 4096)
        end = tensor.extent.end
      }
      #expect(plan.denseByteCount - end < 4096)
      #expect(
        plan.parameterCount == model.tensors.reduce(0) { $0 + $1.shape.rows * $1.shape.width })
    }
  }
}
