/// The element types of ggml by their number in a file, with the values and bytes of a block
/// (ggml-common.h). Numbers 4, 5, 31 to 33 and 36 to 38 named types that ggml has given up.
package enum GGUFType: Int32, CaseIterable, Sendable {
  case f32 = 0
  case f16
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q4_0, q4_1
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q5_0 = 6
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q5_1, q8_0, q8_1, q2_K, q3_K, q4_K, q5_K, q6_K, q8_K
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case iq2_XXS, iq2_XS, iq3_XXS, iq1_S, iq4_NL, iq3_S, iq2_S, iq4_XS
  case i8, i16, i32, i64, f64
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case iq1_M, bf16
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case tq1_0 = 34
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case tq2_0
  case mxfp4 = 39
  case nvfp4
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q1_0, q2_0

  /// ggml's name: `Q4_K`.
  package var name: String { "\(self)".uppercased() }

  /// Values and bytes of a block. A row is whole blocks.
  package var block: (valueCount: Int, byteCount: Int) {
    switch self {
    case .f32, .i32: (1, 4)
    case .f16, .bf16, .i16: (1, 2)
    case .f64, .i64: (1, 8)
    case .i8: (1, 1)
    case .q4_0, .iq4_NL: (32, 18)
    case .q4_1: (32, 20)
    case .q5_0: (32, 22)
    case .q5_1: (32, 24)
    case .q8_0: (32, 34)
    case .q8_1: (32, 36)
    case .mxfp4: (32, 17)
    case .nvfp4: (64, 36)
    case .q2_0: (64, 18)
    case .q1_0: (128, 18)
    case .q2_K: (256, 84)
    case .q3_K, .iq3_S: (256, 110)
    case .q4_K: (256, 144)
    case .q5_K: (256, 176)
    case .q6_K: (256, 210)
    case .q8_K: (256, 292)
    case .iq1_S: (256, 50)
    case .tq1_0: (256, 54)
    case .iq1_M: (256, 56)
    case .iq2_XXS, .tq2_0: (256, 66)
    case .iq2_XS: (256, 74)
    case .iq2_S: (256, 82)
    case .iq3_XXS: (256, 98)
    case .iq4_XS: (256, 136)
    }
  }

  /// Bytes of a row of `width` values, a multiple of the block.
  package func byteCount(width: Int) -> Int { width / block.valueCount * block.byteCount }
}

/// The types of metadata values by their number in a file.
package enum GGUFValueType: Int32, Sendable {
  case uint8 = 0
  case int8, uint16, int16, uint32, int32, float32, bool, string, array
  case uint64, int64, float64

  /// Bytes of a value; nil for strings and arrays, which say their own length.
  package var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}
