internal import FlashKernels

/// Floats in rows for training, `[rowCount, columnCount]`, row-major, zero at first.
@safe final class FloatMatrix {
  let rowCount: Int
  let columnCount: Int
  let values: UnsafeMutablePointer<Float>

  init(_ rowCount: Int, _ columnCount: Int) {
    precondition(rowCount >= 0 && columnCount >= 0, "a matrix has no negative side")
    self.rowCount = rowCount
    self.columnCount = columnCount
    unsafe values = .allocate(capacity: max(1, rowCount * columnCount))
    unsafe values.initialize(repeating: 0, count: max(1, rowCount * columnCount))
  }

  convenience init(_ rowCount: Int, _ columnCount: Int, values: [Float]) {
    precondition(values.count == rowCount * columnCount, "values fill the matrix")
    self.init(rowCount, columnCount)
    for (index, value) in values.enumerated() { unsafe self.values[index] = value }
  }

  deinit { unsafe values.deallocate() }

  var count: Int { rowCount * columnCount }

  /// The address of a row.
  func row(_ index: Int) -> UnsafeMutablePointer<Float> {
    precondition((0...rowCount).contains(index), "a matrix has no such row")
    return unsafe values + index * columnCount
  }

  subscript(row: Int, column: Int) -> Float {
    get {
      precondition(
        (0..<rowCount).contains(row) && (0..<columnCount).contains(column), "inside the matrix")
      return unsafe values[row * columnCount + column]
    }
    set {
      precondition(
        (0..<rowCount).contains(row) && (0..<columnCount).contains(column), "inside the matrix")
      unsafe values[row * columnCount + column] = newValue
    }
  }

  var array: [Float] { (0..<count).map { unsafe values[$0] } }

  func copy() -> FloatMatrix {
    let copy = FloatMatrix(rowCount, columnCount)
    unsafe copy.values.update(from: values, count: count)
    return copy
  }

  func fill(_ value: Float) { unsafe values.update(repeating: value, count: count) }

  /// The root of the mean square.
  var rootMeanSquare: Float {
    var sum = 0.0
    for index in 0..<count { sum += unsafe Double(values[index]) * Double(values[index]) }
    return Float((sum / Double(max(1, count))).squareRoot())
  }

  /// `self = op(a) * op(b)`, added to what is there where `isAdded`.
  ///
  /// Traps unless the shapes fit.
  func setProduct(
    _ a: FloatMatrix, transposeA: Bool = false, _ b: FloatMatrix, transposeB: Bool = false,
    isAdded: Bool = false
  ) {
    let depth = transposeA ? a.rowCount : a.columnCount
    precondition(
      (transposeA ? a.columnCount : a.rowCount) == rowCount
        && (transposeB ? b.rowCount : b.columnCount) == columnCount
        && (transposeB ? b.columnCount : b.rowCount) == depth, "the shapes of a product fit")
    guard count > 0 else { return }
    unsafe BLAS.sgemm(
      m: rowCount, n: columnCount, k: depth, a: a.values, aStride: a.columnCount,
      transposeA: transposeA, b: b.values, bStride: b.columnCount, transposeB: transposeB,
      beta: isAdded ? 1 : 0, c: values, cStride: columnCount)
  }
}
