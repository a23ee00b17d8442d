import FlashIO
import FlashKernels
import Foundation
import Testing

@testable import FlashWeights

/// Compares every row of a store with the checkpoint it was converted from, by plain loops that
/// share nothing with the converter.
struct StoreComparison {
  let store: WeightStore
  let converter: Converter
  private let kernels = Kernels(.best)

  /// Compares every `step`th row.
  func run(step: Int = 1) throws {
    let dense = try Data(contentsOf: URL(filePath: store.densePath))
    for tensor in store.manifest.tensors {
      let source = try values(tensor.role, isBias: tensor.isBias, layer: tensor.layer)
      for row in stride(from: 0, to: tensor.rows, by: step) {
        let stored = decode(
          dense, at: tensor.extent.offset + row * tensor.rowByteCount, tensor.format, tensor.width)
        compare(
          stored, Array(source[row * tensor.width..<(row + 1) * tensor.width]), tensor.format,
          "\(tensor.name) row \(row)")
      }
    }
    let bundles = try Data(contentsOf: URL(filePath: store.bundlesPath))
    for (layer, layout) in store.manifest.bundles.enumerated() where layout.neuronCount > 0 {
      for (part, description) in layout.parts.enumerated() {
        let tensors = converter.map.experts(description.role, layer: layer)
        let sources = try tensors.map(values)
        let perExpert = layout.neuronsPerExpert
        for neuron in stride(from: 0, to: layout.neuronCount, by: step) {
          let offset =
            layout.extent.offset + neuron / layout.neuronsPerStride * layout.stride
            + layout.offset(ofPart: part, neuron: neuron % layout.neuronsPerStride)
          let stored = decode(bundles, at: offset, description.format, layout.width)
          let (source, tensor) = (sources[neuron / perExpert], tensors[neuron / perExpert])
          let place = tensor.order.source(of: neuron % perExpert)
          let expected = (0..<layout.width).map {
            (description.role == .down) != tensor.isTurned
              ? source[$0 * tensor.fileWidth + place] : source[place * layout.width + $0]
          }
          compare(
            stored, expected, description.format,
            "layer \(layer) \(description.role) neuron \(neuron)")
        }
      }
    }
  }

  /// A tensor of the checkpoint as f32.
  private func values(_ role: TensorRole, isBias: Bool, layer: Int?) throws -> [Float] {
    let tensor = converter.map.source(role, isBias: isBias, layer: layer)
    let all = try values(tensor)
    guard tensor.shape.count == 1, let count = tensor.usedRowCount else { return all }
    return (0..<count).map { all[tensor.order.source(of: $0)] }
  }

  private func values(_ tensor: SourceTensor) throws -> [Float] {
    let file = try Data(
      contentsOf: URL(filePath: converter.source.files[tensor.fileIndex].path))
    let extent = tensor.extent
    let bytes = [UInt8](file[extent.offset..<extent.end])
    return unsafe bytes.withUnsafeBytes { bytes in
      switch tensor.encoding {
      case .plain(.f32): unsafe bytes.bindMemory(to: Float.self).map { $0 * tensor.multiplier }
      case .plain(.bf16):
        unsafe bytes.bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
      default: unsafe bytes.bindMemory(to: Float16.self).map { Float($0) }
      }
    }
  }

  private func decode(_ data: Data, at offset: Int, _ format: RowFormat, _ width: Int) -> [Float] {
    var values = [Float](repeating: 0, count: width)
    let row = [UInt8](data[offset..<offset + format.byteCount(width: width)])
    unsafe row.withUnsafeBytes {
      unsafe kernels.decodeRow(format, width: width, row: $0.baseAddress!, into: &values)
    }
    return values
  }

  /// Within half a step of the format: relative for floats, of the block's scale for quantized.
  private func compare(
    _ stored: [Float], _ source: [Float], _ format: RowFormat, _ place: String
  ) {
    let block = format.valuesPerBlock
    for start in stride(from: 0, to: source.count, by: block) {
      let largest = source[start..<start + block].map(abs).max()!
      for index in start..<start + block {
        let step: Float =
          switch format {
          case .f32: 0
          case .f16: max(abs(source[index]) / 2048, 0x1p-25)
          case .bf16: abs(source[index]) / 256
          // Half a step, and the rounding of the scale to f16.
          case .q8_0: largest / 254 + largest / 2000
          // The least-squares scale may clip the largest value a little.
          case .q4_0: largest / 8 * 1.5
          // Half a step between the two largest codes, or what is beyond the largest.
          case .mxfp4: largest / 4
          // The widest step that a block and its search allow.
          case .q4_K: largest / 7 * 1.5
          case .q6_K: largest / 32 * 1.5
          }
        if !(abs(stored[index] - source[index]) <= step) {
          Issue.record("\(place) value \(index): \(stored[index]) for \(source[index])")
          return
        }
      }
    }
  }
}
