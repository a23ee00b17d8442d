internal import FlashIO
internal import FlashKernels

/// Writes the header of a valid safetensors file whose tensors each start on a multiple of 4096
/// bytes, which the format allows only with tensors in between: `pad.N`, `U8`.
enum SafetensorsWriter {
  private struct Entry: Encodable {
    var dtype: SafetensorsType
    var shape: [Int]
    var dataOffsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }

  private enum Value: Encodable {
    case metadata([String: String])
    case tensor(Entry)

    func encode(to encoder: any Encoder) throws {
      switch self {
      case .metadata(let value): try value.encode(to: encoder)
      case .tensor(let value): try value.encode(to: encoder)
      }
    }
  }

  /// The file up to its data, for tensors whose extents count from the start of the data. The text
  /// is padded with spaces so that the data starts on a multiple of 4096.
  static func header(_ tensors: [SafetensorsTensor]) -> [UInt8] {
    var values: [String: Value] = ["__metadata__": .metadata(["format": "flashrun"])]
    for (index, tensor) in tensors.enumerated() {
      let (begin, end) = (tensor.extent.offset, tensor.extent.end)
      values[tensor.name] = .tensor(
        Entry(dtype: tensor.type, shape: tensor.shape, dataOffsets: [begin, end]))
      let padded = end.roundedUp(to: StorePlan.alignment)
      if padded > end {
        values["pad.\(index)"] = .tensor(
          Entry(dtype: .u8, shape: [padded - end], dataOffsets: [end, padded]))
      }
    }
    var json = JSONText.encode(values)
    let byteCount = (8 + json.count).roundedUp(to: StorePlan.alignment) - 8
    json += Array(repeating: UInt8(ascii: " "), count: byteCount - json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: byteCount >> (8 * $0)) } + json
  }
}

extension RowFormat {
  /// The element type a safetensors file gives rows of the format; quantized ones are bytes there.
  var dataType: SafetensorsType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0, .q4_0, .mxfp4, .q4_K, .q6_K: .u8
    }
  }
}

extension StoredTensor {
  /// The element type `dense.safetensors` gives the tensor.
  package var dataType: SafetensorsType { format.dataType }

  /// The shape `dense.safetensors` gives the tensor: `[rows, width]`, `[width]` for norms and
  /// biases, `[bytes]` for quantized rows.
  package var dataShape: [Int] {
    if dataType == .u8 { return [extent.byteCount] }
    return isBias || role.isVector ? [width] : [rows, width]
  }
  /// The tensor as the header of `dense.safetensors` names it.
  var entry: SafetensorsTensor {
    SafetensorsTensor(name: name, type: dataType, shape: dataShape, extent: extent)
  }
}
