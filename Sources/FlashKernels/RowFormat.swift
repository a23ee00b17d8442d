internal import CFlashKernels

/// How one row of weights is stored, on flash and in DRAM alike.
///
/// The meaning of a block is GGML's (32 values and an f16 scale for the quantized formats;
/// `models.md` of ggml's `ggml-common.h`); the order of the bytes inside a row is `packing`.
package enum RowFormat: String, Codable, CaseIterable, Sendable {
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case f32, f16, bf16, q8_0, q4_0

  /// Values that share one block; a row's width must be a multiple of it.
  package var valuesPerBlock: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q8_0, .q4_0: 32
    }
  }

  /// Bytes of one block of `valuesPerBlock` values.
  package var bytesPerBlock: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8_0: 34
    case .q4_0: 18
    }
  }

  /// Neurons of a layer whose down rows `Kernels.accumulate` adds as one: groups begin at multiples
  /// of it, and a group must not be cut between two calls.
  package var neuronsPerGroup: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q8_0, .q4_0: CFlashKernels_neuronGroup
    }
  }

  /// Whether a row of `width` values can be stored in this format.
  package func fits(width: Int) -> Bool { width % valuesPerBlock == 0 }

  /// Bytes of a row of `width` values. Traps unless `fits(width:)`.
  package func byteCount(width: Int) -> Int {
    precondition(fits(width: width), "width \(width) is no multiple of the \(self) block")
    return width / valuesPerBlock * bytesPerBlock
  }

  /// The name of the order of bytes inside a row, recorded in a store's manifest.
  ///
  /// `plain` is values in order, little endian. `lanes16` is for the quantized formats: first the
  /// f16 scales of all blocks, then groups of up to 16 blocks; in a group, for k in 0..<4 (q4_0) or
  /// 0..<8 (q8_0), bytes 4k..<4k+4 of each block of the group, one block after another, so that
  /// one 64-byte vector holds the same four bytes of 16 blocks (lane = block). A last group of
  /// fewer than 16 blocks is as many lanes wide. q8_0 values are stored as value + 128.
  package var packing: String {
    switch self {
    case .f32, .f16, .bf16: "plain"
    case .q8_0, .q4_0: "lanes16"
    }
  }
}
