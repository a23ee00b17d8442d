import FlashKernels
import FlashWeights

/// Keys and values of every position so far, sized for each layer's own number of KV heads.
///
/// Layer l keeps keys `[keyValueHeads, contextLength, headDimension]` and values likewise, each
/// position's vector in the key or value format. Keys are kept rotated.
@safe struct KVCache {
  let contextLength: Int
  let keyFormat: KeyValueFormat
  let valueFormat: KeyValueFormat
  /// Bytes of one position of one head.
  let keyStride: Int
  let valueStride: Int
  private let keys: [UnsafeMutableRawPointer]
  private let values: [UnsafeMutableRawPointer]

  init(
    configuration: ModelConfiguration, contextLength: Int, keyFormat: KeyValueFormat,
    valueFormat: KeyValueFormat, scratch: ScratchArena
  ) {
    self.contextLength = contextLength
    self.keyFormat = keyFormat
    self.valueFormat = valueFormat
    keyStride = keyFormat.byteCount(configuration.headDimension)
    valueStride = valueFormat.byteCount(configuration.headDimension)
    var keys: [UnsafeMutableRawPointer] = unsafe []
    var values: [UnsafeMutableRawPointer] = unsafe []
    for layer in configuration.layers {
      let rows = layer.keyValueHeads * contextLength
      unsafe keys.append(UnsafeMutableRawPointer(scratch.take(UInt8.self, rows * keyStride)))
      unsafe values.append(UnsafeMutableRawPointer(scratch.take(UInt8.self, rows * valueStride)))
    }
    unsafe self.keys = unsafe keys
    unsafe self.values = unsafe values
  }

  /// The key of `position` for a KV head; those of the next positions follow at `keyStride`.
  func key(layer: Int, head: Int, position: Int) -> UnsafeMutableRawPointer {
    unsafe keys[layer] + (head * contextLength + position) * keyStride
  }

  /// The value of `position` for a KV head; those of the next positions follow at `valueStride`.
  func value(layer: Int, head: Int, position: Int) -> UnsafeMutableRawPointer {
    unsafe values[layer] + (head * contextLength + position) * valueStride
  }
}
