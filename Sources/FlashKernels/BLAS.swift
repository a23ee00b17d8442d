internal import COpenBLAS

/// OpenBLAS: for calibration and training, and to check the kernels against.
///
/// Not for prefill or decode: its result for a row depends on how many rows, which place and how
/// many threads (`design.md` §3), and there the answer may depend on nothing but the tokens.
package enum BLAS {
  /// The threads of all calls from here on; results may differ in the last bits with their number.
  package static func setThreadCount(_ count: Int) { openblas_set_num_threads(Int32(count)) }

  /// `c = alpha * op(a) * op(b) + beta * c`, row-major: op(a) is [m, k], op(b) [k, n], c [m, n].
  ///
  /// - Parameters:
  ///   - aStride: floats between rows of `a` as stored ([m, k], or [k, m] if transposed).
  ///   - bStride: floats between rows of `b` as stored ([k, n], or [n, k] if transposed).
  package static func sgemm(
    m: Int, n: Int, k: Int, alpha: Float = 1,
    a: UnsafePointer<Float>, aStride: Int, transposeA: Bool = false,
    b: UnsafePointer<Float>, bStride: Int, transposeB: Bool = false,
    beta: Float = 0, c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    unsafe cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), alpha, a, blasint(aStride), b, blasint(bStride), beta, c,
      blasint(cStride))
  }
}
