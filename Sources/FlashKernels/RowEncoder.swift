internal import CFlashKernels

/// From f32 to rows of weights. The same bytes on every CPU and instruction set.
///
/// f16 and bf16 round to nearest even; q8_0 is GGML's `quantize_row_q8_0`; q4_0 searches each
/// block's scale for the smallest squared error, with the scale as f16 stores it, where GGML's
/// `quantize_row_q4_0` takes an eighth of the largest value; mxfp4, q4_K and q6_K are GGML's
/// `quantize_row_mxfp4_ref`, `quantize_row_q4_K_ref` and `quantize_row_q6_K_ref`.
package struct RowEncoder: Sendable {
  private let kernels: Kernels

  package init(_ kernels: Kernels) { self.kernels = kernels }

  /// `values`: [width]; `row`: `format.byteCount(width:)` bytes, in the order of `format.packing`.
  package func encode(
    _ values: UnsafePointer<Float>, width: Int, _ format: RowFormat,
    into row: UnsafeMutableRawPointer
  ) {
    kernels.requireFit(format, width)
    unsafe kernels.rows(format).encodeRow(width, values, row)
  }
}
