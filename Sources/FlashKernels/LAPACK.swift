internal import COpenBLAS

/// Factorisations of small dense matrices for calibration, row-major like `BLAS`.
///
/// LAPACK counts columns first: a row-major [rows, columns] is its [columns, rows] transposed.
package enum LAPACK {
  /// Makes the rows of `a` [rowCount, columnCount] orthonormal, in place; they span what they
  /// spanned. Traps unless there are at most as many rows as columns.
  /// - Complexity: O(rowCount² · columnCount).
  package static func orthonormalizeRows(
    _ a: UnsafeMutablePointer<Float>, rowCount: Int, columnCount: Int
  ) {
    precondition(rowCount <= columnCount, "more vectors than dimensions cannot be orthonormal")
    guard rowCount > 0 else { return }
    var (m, n, info) = (Int32(columnCount), Int32(rowCount), Int32(0))
    var tau = [Float](repeating: 0, count: rowCount)
    // The widest of the two calls' own wishes is n * 64 on every LAPACK since 3.0.
    var work = [Float](repeating: 0, count: rowCount * 64)
    var workCount = Int32(work.count)
    unsafe sgeqrf_(&m, &n, a, &m, &tau, &work, &workCount, &info)
    precondition(info == 0, "sgeqrf refused argument \(-info)")
    unsafe sorgqr_(&m, &n, &n, a, &m, tau, &work, &workCount, &info)
    precondition(info == 0, "sorgqr refused argument \(-info)")
  }

  /// The singular values of `a` [rowCount, columnCount], largest first, and its right singular
  /// vectors: row i of the second is the i-th, [count, columnCount], count the smaller of the two.
  /// `a` is overwritten. Nil where the iteration does not converge, which only values that are no
  /// numbers bring about.
  /// - Complexity: O(rowCount · columnCount · count).
  package static func rightSingularVectors(
    _ a: UnsafeMutablePointer<Float>, rowCount: Int, columnCount: Int
  ) -> (values: [Float], vectors: [Float])? {
    let count = min(rowCount, columnCount)
    guard count > 0 else { return ([], []) }
    // LAPACK sees a transposed, [columnCount, rowCount]: its left vectors are our right ones.
    var (m, n, k) = (Int32(columnCount), Int32(rowCount), Int32(count))
    var values = [Float](repeating: 0, count: count)
    var vectors = [Float](repeating: 0, count: count * columnCount)
    var others = [Float](repeating: 0, count: count * rowCount)
    var integers = [Int32](repeating: 0, count: 8 * count)
    var (info, query, wanted) = (Int32(0), Int32(-1), Float(0))
    unsafe sgesdd_(
      "S", &m, &n, a, &m, &values, &vectors, &m, &others, &k, &wanted, &query, &integers, &info, 1)
    // A float cannot hold every count exactly: a little more is always enough.
    var workCount = Int32(wanted * 1.001) + 64
    var work = [Float](repeating: 0, count: Int(workCount))
    unsafe sgesdd_(
      "S", &m, &n, a, &m, &values, &vectors, &m, &others, &k, &work, &workCount, &integers, &info,
      1)
    precondition(info >= 0, "sgesdd refused argument \(-info)")
    return info == 0 ? (values, vectors) : nil
  }
}
