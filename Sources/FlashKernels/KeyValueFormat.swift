/// How keys and values are kept in the KV cache: values in order; `q8_0` is GGML's block of an f16
/// scale and 32 int8, for head dimensions that are a multiple of 32.
package enum KeyValueFormat: String, Codable, CaseIterable, Sendable {
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case f32, f16, q8_0

  /// Whether a head of `headDimension` values can be kept in this format.
  package func fits(headDimension: Int) -> Bool { self != .q8_0 || headDimension % 32 == 0 }

  /// Bytes of `count` values. Traps unless `fits(headDimension: count)`.
  package func byteCount(_ count: Int) -> Int {
    precondition(fits(headDimension: count), "\(count) is no multiple of the \(self) block")
    return switch self {
    case .f32: 4 * count
    case .f16: 2 * count
    case .q8_0: count / 32 * 34
    }
  }
}
