internal import CFlashKernels

/// How one row of weights is stored, on flash and in DRAM alike.
///
/// The meaning of a block is GGML's (`ggml-common.h`): 32 values and an f16 scale in q8_0 and q4_0,
/// 32 values and a power of two in mxfp4 (OCP Microscaling Formats: E2M1 and E8M0), 256 values in
/// q4_K and q6_K, whose sub-blocks have integer scales of their own. The order of the bytes inside
/// a row is `packing`.
package enum RowFormat: String, Codable, CaseIterable, Sendable {
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case f32, f16, bf16, q8_0, q4_0, mxfp4, q4_K, q6_K

  /// Values that share one block; a row's width must be a multiple of it.
  package var valuesPerBlock: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q8_0, .q4_0, .mxfp4: 32
    case .q4_K, .q6_K: 256
    }
  }

  /// Bytes of one block of `valuesPerBlock` values.
  package var bytesPerBlock: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8_0: 34
    case .q4_0: 18
    case .mxfp4: 17
    case .q4_K: 144
    case .q6_K: 210
    }
  }

  /// Of `bytesPerBlock`, those that lie before all pieces of the row: the scales.
  package var scaleBytesPerBlock: Int {
    switch self {
    case .f32, .f16, .bf16: 0
    case .q8_0, .q4_0: 2
    case .mxfp4: 1
    case .q4_K: 16
    case .q6_K: 18
    }
  }

  /// Neurons of a layer whose down rows `Kernels.accumulate` adds as one: groups begin at multiples
  /// of it, and a group must not be cut between two calls.
  package var neuronsPerGroup: Int {
    isQuantized ? CFlashKernels_neuronGroup : 1
  }

  /// Whether values are small integers with scales.
  package var isQuantized: Bool { valuesPerBlock > 1 }

  /// Whether a row of `width` values can be stored in this format.
  package func fits(width: Int) -> Bool { width % valuesPerBlock == 0 }

  /// This format, or where a row of `width` values does not fit the nearest that is as exact or as
  /// large: q4_0 for q4_K, q8_0 for q6_K, and f16 where their block of 32 does not fit either.
  package func fitting(width: Int) -> RowFormat {
    if fits(width: width) { return self }
    return switch self {
    case .q4_K: RowFormat.q4_0.fitting(width: width)
    case .q6_K: RowFormat.q8_0.fitting(width: width)
    case .f32, .f16, .bf16, .q8_0, .q4_0, .mxfp4: .f16
    }
  }

  /// Bytes of a row of `width` values. Traps unless `fits(width:)`.
  package func byteCount(width: Int) -> Int {
    precondition(fits(width: width), "width \(width) is no multiple of the \(self) block")
    return width / valuesPerBlock * bytesPerBlock
  }

  /// The name of the order of bytes inside a row, recorded in a store's manifest.
  ///
  /// `plain` is values in order, little endian. `lanes16` is for the quantized formats: first the
  /// scales of all blocks of 32 values, then their pieces, both in groups of up to 16 blocks. A
  /// group's pieces are, for k in 0..<4 (q4_0, mxfp4, q4_K), 0..<6 (q6_K) or 0..<8 (q8_0), bytes
  /// 4k..<4k+4 of each block of the group, one block after another, so that one 64-byte vector
  /// holds the same four bytes of 16 blocks (lane = block). A last group of fewer than 16 blocks is
  /// as many lanes wide.
  ///
  /// Bytes of a block: q8_0, value + 128; q4_0, value i + 8 in the low half of byte i and value
  /// 16 + i in its high half; mxfp4, their codes there; q4_K, as q4_0 without the 8 (which differs
  /// from GGML's order); q6_K, value i + 32 in the low six bits of byte i, for i < 24, and of value
  /// 24 + i + 32 bits 0 and 1 above those of byte i, bits 2 and 3 in byte 8 + i, bits 4 and 5 in
  /// byte 16 + i.
  ///
  /// Scales of a group of n blocks: q8_0 and q4_0, an f16 each; mxfp4, a byte each. q6_K: the f16
  /// of each eight blocks, n bytes with the scales of the blocks' first 16 values, n of their
  /// others. q4_K: the two f16s of each eight blocks, n bytes with the lower four bits of scale
  /// (low half) and minimum (high half), and for each eight blocks 32 bits, four a block from the
  /// lowest on, with the upper two bits of its scale and then of its minimum.
  package var packing: String { isQuantized ? "lanes16" : "plain" }
}
